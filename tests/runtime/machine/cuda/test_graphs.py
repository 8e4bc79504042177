"""Lists of steps that become graphs, and those that do not."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

from runtime.machine.cuda.graphs import SHORTEST, Graphs


class Stream:
    """Captures what steps say they do."""

    def __init__(self, fails: bool = False):
        self.done: list[str] = []
        self.captured: list[str] | None = None
        self.fails, self.captures, self.launches = fails, 0, 0

    def say(self, word: str) -> None:
        (self.done if self.captured is None else self.captured).append(word)

    def begin_capture(self) -> None:
        self.captured = []

    def end_capture(self) -> Stream.Graph:
        assert self.captured is not None
        words, self.captured = self.captured, None
        self.captures += 1
        if self.fails:
            raise RuntimeError("cudaErrorStreamCaptureInvalidated: no\nmore")
        return Stream.Graph(words)

    class Graph:
        def __init__(self, words: list[str]):
            self.words = words

        def launch(self, stream: Stream) -> None:
            stream.launches += 1
            stream.done += self.words


class Step:
    def __init__(self, stream: Stream, word: str, capturable: bool = True):
        self.stream, self.word, self.capturable = stream, word, capturable

    def __call__(self) -> None:
        if not self.capturable:
            assert self.stream.captured is None
        self.stream.say(self.word)


def graphs(stream: Stream, enabled: bool = True) -> Graphs:
    return Graphs("gpu:0", stream, enabled, lambda step: step.capturable)


def steps(stream: Stream, words: str, host: str = "") -> list[Step]:
    return [Step(stream, word, word not in host) for word in words]


def run_three_times(make: Callable[[], list[Step]], runner: Graphs) -> None:
    for _ in range(3):
        runner.run(make())


def test_the_second_run_captures_and_later_ones_replay() -> None:
    stream = Stream()
    runner, listed = graphs(stream), steps(stream, "abcdef")
    run_three_times(lambda: list(listed), runner)  # another list of the same steps each time
    assert "".join(stream.done) == "abcdef" * 3
    assert (stream.captures, stream.launches) == (1, 2)


def test_lists_with_instructions_in_common_are_two_graphs() -> None:
    stream = Stream()
    runner, listed = graphs(stream), steps(stream, "abcdefgh")
    for part in (listed, listed[2:]) * 3:
        runner.run(part)
    assert "".join(stream.done) == "abcdefghcdefgh" * 3
    assert stream.captures == 2


def test_what_the_host_does_stays_between_graphs() -> None:
    stream = Stream()
    runner, listed = graphs(stream), steps(stream, "abcdXefghi", host="X")
    run_three_times(lambda: listed, runner)
    assert "".join(stream.done) == "abcdXefghi" * 3
    assert (stream.captures, stream.launches) == (2, 4)


@pytest.mark.parametrize(("words", "enabled"), [("abcdef"[: SHORTEST - 1], True), ("abcdef", False)])
def test_short_lists_and_a_switch(words: str, enabled: bool) -> None:
    stream = Stream()
    listed = steps(stream, words)
    run_three_times(lambda: listed, graphs(stream, enabled))
    assert "".join(stream.done) == words * 3
    assert stream.captures == 0


def test_a_card_that_cannot_capture_runs_all_the_same() -> None:
    stream = Stream(fails=True)
    runner, listed = graphs(stream), steps(stream, "abcdef")
    with pytest.warns(UserWarning, match=r"no CUDA graphs, .* itself: cudaErrorStreamCaptureInvalidated: no$"):
        run_three_times(lambda: listed, runner)
    other = steps(stream, "uvwxyz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        run_three_times(lambda: other, runner)
    assert "".join(stream.done) == "abcdef" * 3 + "uvwxyz" * 3
    assert (stream.captures, stream.launches) == (1, 0)
