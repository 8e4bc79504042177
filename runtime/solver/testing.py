"""Testing: a net's outputs averaged over all test images, or over a number of batches."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, nullcontext
from itertools import repeat
from typing import TYPE_CHECKING, Any, Protocol

from netdef.language.diagnostics import NetdefError
from runtime.machine.non_finite import with_origin
from runtime.solver.counted import LOSS, label_counts
from runtime.solver.remember import ROUNDS
from runtime.solver.results import NotFiniteError, TestResult, accuracy_names, numbers, shown_of, total_loss

if TYPE_CHECKING:
    from runtime.machine.executable import Executable

WITHOUT_END = 50  # batches of sources that have no end, as `caffe test` has it


class Watch(Protocol):
    """Looks at the images and the blobs of each run of a test."""

    def before(self) -> None:
        """The batch is taken, and the net has its size."""

    def after(self) -> None:
        """The run is done."""


def run_test(
    executable: Executable,
    batches: int | None,
    iteration: int = 0,
    index: int = 0,
    stop: Callable[[], bool] = lambda: False,
    on_batch: Callable[[int], None] = lambda done: None,
    watch: Watch | None = None,
    **inputs: Any,
) -> TestResult | None:
    """Run a net forward over `batches` batches, or once over all images of its data sources.

    Over all images, results are means over the images: the last batch has those that are left.  Where the net does not fit such a
    batch, it has others a second time, and `images` of the result is more than there are.  Over a number of batches, results are
    means over batches, as Caffe has them.

    Where devices run ahead of the host, results are read at the end, and when ROUNDS batches are unread.

    Parameters
    ----------
    executable: one that remembers results, see runtime/solver/remember.py.
    batches: None for all images; WITHOUT_END batches where no source says how many there are.
    iteration, index: go into the result; the iteration also numbers the batches for kernels that draw numbers.
    stop: called before each batch; if it returns true, there is no result.
    on_batch: called with how many batches are done.
    watch: called before and after each run of a test over all images.
    inputs: for a net fed by Input layers; the same for each batch.

    Raises
    ------
    NotFiniteError: a loss is not finite, or an output is no number.
    """
    whole = executable.net.batch or 1
    over_images = batches is None and executable.sources.batches_agree
    assert watch is None or over_images
    count = batches or batches_of_pass(executable)
    sums = _Sums(executable, iteration * count)
    with closing(_sized(executable, sums)) if over_images else nullcontext(repeat(whole, count)) as sizes:
        for done, images in enumerate(sizes):
            if stop():
                return None
            counts = label_counts(executable, images) if over_images else {}
            sums.unread[iteration * count + done] = images, counts
            if watch is not None:
                watch.before()
            executable.run_forward(iteration * count + done, **inputs)
            if watch is not None:
                watch.after()
            if len(sums.unread) == ROUNDS or not executable.runs_ahead:
                sums.read()
            on_batch(done + 1)
        sums.read()
    return sums.result(iteration, index)


def batches_of_pass(executable: Executable) -> int:
    """How many batches a test of all the data has; WITHOUT_END where there are no sources."""
    return executable.sources.pass_batches or WITHOUT_END


def uneven_test(executable: Executable, batches: int | None) -> str:
    """How a test of a number of batches differs from one of all images; "" where it does not, or where they have no end."""
    sizes = {source.size for source in executable.sources.values()}
    if batches is None or len(sizes) != 1 or not executable.sources.batches_agree:
        return ""
    taken, size = batches * (executable.net.batch or 1), sizes.pop()
    if taken == size:
        return ""
    what = f"test_iter {batches}: each test takes {taken:,} images"
    if taken > size:
        return f"{what}, and there are {size:,}: some count more than once; without test_iter, each counts once"
    return f"{what} of {size:,}, those that follow the last test's; without test_iter, it takes all"


def sizes_of_pass(executable: Executable, before_change: Callable[[], None] = lambda: None) -> Generator[tuple[int, int]]:
    """A pass over the data: for each run, how many images of the pass it has, and how many in all, once the net is of that size.

    Those are the same, unless the net does not fit what is left for the last batch: it then has others a second time, behind.

    Parameters
    ----------
    before_change: called before the net changes its size, and with it the memory of what is remembered.
    """
    whole = executable.net.batch or 1
    with closing(executable.sources.one_pass()) as sizes:
        try:
            for images in sizes:
                if images != executable.net.batch:
                    before_change()
                try:
                    executable.set_batch_size(images)
                except NetdefError:  # such as a Reshape to a fixed number of images, or fewer images than devices
                    executable.sources.take_whole()
                yield images, executable.net.batch or 1
        finally:
            executable.set_batch_size(whole)


def _sized(executable: Executable, sums: _Sums) -> Generator[int]:
    """How many images are in each run of a pass."""
    with closing(sizes_of_pass(executable, sums.read)) as sizes:
        for _, images in sizes:
            yield images


class _Sums:
    """What the batches of a test add up to, as far as they were read, each by its number of images.

    Parameters
    ----------
    first: the number of the first run.

    Attributes
    ----------
    unread: of the runs that are not read yet, by their numbers: the images, and the labels that count where those are others.
    """

    def __init__(self, executable: Executable, first: int):
        self.executable, self.first, self.images = executable, first, 0
        self.unread: dict[int, tuple[int, dict[str, int]]] = {}
        self.outputs: defaultdict[str, float] = defaultdict(float)
        self.counted: defaultdict[str, int] = defaultdict(int)  # by output: what its mean is over
        self.loss: float | None = None

    def read(self) -> None:
        """Add the results of the unread runs; raises as `run_test`."""
        runs = list(self.unread)
        for run, values in zip(runs, self.executable.remembered(runs), strict=True):
            images, counts = self.unread.pop(run)
            loss = total_loss(self.executable.net, values)
            outputs = numbers({blob.name: values[blob] for blob in shown_of(self.executable.net)})
            check_finite(loss, outputs, self.executable, run - self.first, run == runs[-1])
            self.images += images
            if loss is not None:
                self.loss = (self.loss or 0.0) + loss * counts.get(LOSS, images)
                self.counted[LOSS] += counts.get(LOSS, images)
            for name, value in outputs.items():
                self.outputs[name] += value * counts.get(name, images)
                self.counted[name] += counts.get(name, images)

    def result(self, iteration: int, index: int) -> TestResult:
        """Means over all images, or over the labels that count; an output of none, as of a class without images, is left out."""
        means = {name: value / self.counted[name] for name, value in self.outputs.items() if self.counted[name]}
        loss = None if self.loss is None else self.loss / max(1, self.counted[LOSS])
        return TestResult(iteration, index, loss, means, accuracy_names(self.executable.net, means), self.images)


def check_finite(loss: float | None, outputs: Mapping[str, float], executable: Executable, batch: int, is_last: bool) -> None:
    """That a batch's loss is finite and its outputs are numbers; an output that is no loss may be infinite.

    Parameters
    ----------
    batch: its number, from 0.  is_last: whether it is the last that ran, so that the layer at fault can be found.

    Raises
    ------
    NotFiniteError: one is not.
    """
    wrong = {name: value for name, value in outputs.items() if math.isnan(value)}
    if loss is not None and not math.isfinite(loss):
        wrong = {"loss": loss, **wrong}
    for name, value in wrong.items():
        text = f"{name} is {value} in batch {batch + 1} of the test"
        raise NotFiniteError(with_origin(text, executable if is_last else None))
