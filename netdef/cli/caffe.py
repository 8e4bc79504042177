"""Caffe's command line: `netdef-caffe train -solver s.prototxt -gpu 0`, and its flags in `netdef train`, `test` and `time`.

Caffe's tools/caffe.cpp defines the actions and flags; gflags takes each with one dash or two, and its value behind a blank or `=`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import click

from netdef.cli import shell
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural

ACTIONS = {"train": "train", "test": "test", "time": "time", "device_query": "devices"}
ITERATIONS = 50  # of test and time, by default
USAGE = """netdef-caffe ACTION FLAGS: Caffe's command line, run by netdef.

  netdef-caffe train -solver S [-snapshot X.solverstate | -weights W] [-gpu 0,1]     netdef train S --resume X ...
  netdef-caffe test -model M -weights W [-iterations 50] [-gpu 0]                    netdef test M --weights W ...
  netdef-caffe time -model M [-iterations 50] [-phase TRAIN] [-gpu 0]                netdef time M ...
  netdef-caffe device_query                                                          netdef devices"""
REFUSED = {
    "level": "write it into the solver: train_state { level: 1 }",
    "stage": "write it into the solver: train_state { stage: ... }",
    "sigint_effect": "Ctrl-C ends a run after the iteration, with a snapshot",
    "sighup_effect": "a terminal that goes away ends a run after the iteration, with a snapshot",
}
HARMLESS = {"sigint_effect": "stop", "sighup_effect": "snapshot", "logtostderr": "1", "minloglevel": "0"}  # what holds here anyway
ONE_DASH_ONLY = ("weights", "iterations", "phase")  # with two dashes they are netdef's own
FLAGS = ("solver", "model", "snapshot", "gpu", *ONE_DASH_ONLY, *REFUSED, "logtostderr", "minloglevel")


class Command(shell.Command):
    """A command that takes Caffe's flags too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, from_caffe(ctx.info_name or "", args))


def from_caffe(command: str, words: Sequence[str], two_dashes: bool = False) -> list[str]:
    """The words of a command line, with netdef's own in place of Caffe's flags.

    Parameters
    ----------
    command: netdef's.  two_dashes: whether all flags are Caffe's, those with two dashes too.

    Raises
    ------
    NetdefError: a flag has no value, or one that netdef cannot do.
    """
    given: dict[str, str] = {}
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.lstrip("-").partition("=")
        dashes = len(word) - len(word.lstrip("-"))
        if dashes not in (1, 2) or name not in FLAGS or (dashes == 2 and name in ONE_DASH_ONLY and not two_dashes):
            others.append(word)
            continue
        found = value if equals else next(rest, "")
        if not found:
            raise NetdefError(f"{word} has no value")
        given[name] = found
    return [*_translated(command, given), *others]


def _translated(command: str, given: dict[str, str]) -> list[str]:
    """netdef's words for Caffe's flags."""
    out: list[str] = []
    for name, value in given.items():
        if name in REFUSED and HARMLESS.get(name) != value:
            raise NetdefError(f"-{name} {value}: netdef has no such flag", hint=REFUSED[name])
        if name in ("solver", "model"):
            out.insert(0, value)
        elif name == "gpu":
            out += ["--devices", devices_of(value)]
            out += ["--split", "batch"] if "," in out[-1] and command == "train" else []
        elif name == "phase":
            out += ["--phase", value.lower()]
        elif name in ("snapshot", "weights", "iterations"):
            out += ["--resume" if name == "snapshot" else f"--{name}", value]
    return out


def devices_of(gpus: str) -> str:
    """The --devices of a -gpu: numbers with commas between them, or `all`.

    Raises
    ------
    NetdefError: it is something else.
    """
    if gpus == "all":
        from runtime.machine.cuda.cards import cards

        return ",".join(f"gpu:{number}" for number in range(len(cards())))
    numbers = [word.strip() for word in gpus.split(",")]
    if not all(word.isascii() and word.isdecimal() for word in numbers):
        raise NetdefError(f"-gpu {gpus}: expected numbers of cards, such as 0 or 0,1, or all")
    return ",".join(f"gpu:{int(word)}" for word in numbers)


def netdefs_words(words: Sequence[str]) -> list[str]:
    """netdef's command line for one of Caffe's.

    Raises
    ------
    NetdefError: it has no action that netdef knows, or lacks a flag.
    """
    action = next((word for word in words if word in ACTIONS), None)
    if action is None:
        first = next((word for word in words if not word.startswith("-")), "")
        raise NetdefError(f"there is no action {first}" if first else "no action is given", hint=USAGE)
    rest = list(words)
    rest.remove(action)
    command = ACTIONS[action]
    if command == "devices":
        return [command]  # which lists all cards, whichever -gpu asks for
    out = from_caffe(command, rest, two_dashes=True)
    model = "solver" if command == "train" else "model"
    if not out or out[0].startswith("-"):
        raise NetdefError(f"netdef-caffe {action} needs -{model}", hint=USAGE)
    if command == "train":
        several = [value for value in out if value.startswith("gpu:") and "," in value]
        for value in several:
            count = value.count(",") + 1
            text = (
                f"note: the batch is divided over {plural(count, 'GPU')}; Caffe gives each a whole one: --batch N can set so many"
            )
            click.echo(text, err=True)
        return [command, *out]
    if "--devices" not in out:
        out += ["--devices", "cpu"]  # as Caffe: only -gpu asks for one
    return [command, *out, *([] if "--iterations" in out else ["--iterations", str(ITERATIONS)])]


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run Caffe's command line and exit."""
    sys.exit(run(list(sys.argv[1:] if words is None else words)))


def run(words: Sequence[str]) -> int:
    """Run Caffe's command line.  Returns the exit code."""
    if not words or {"-h", "-help", "--help"} & set(words):
        click.echo(USAGE)
        return 0
    from netdef.cli.main import run as run_netdef

    return guarded(lambda: run_netdef(netdefs_words(words)))


def guarded(work: Callable[[], int]) -> int:
    """The exit code of some work, a user's mistake shown."""
    try:
        return work()
    except NetdefError as error:
        click.echo(str(error), err=True)
        return shell.TROUBLE
