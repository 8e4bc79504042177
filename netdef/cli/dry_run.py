"""`netdef train --dry-run`: what could go wrong in a run, looked at before it trains."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from netdef.cli.data_mean import reads_images
from netdef.cli.progress import progress
from netdef.language.units import binary, plural

if TYPE_CHECKING:
    from runtime.machine.executable import Executable
    from runtime.solver.keep import Keep
    from runtime.solver.solver import Solver

ITERATIONS = 3  # that are timed, the first not counted
COPIES = 2  # of a snapshot while it is written: the one before it stays until it is whole


@dataclass
class Findings:
    """Lines about a run, how many of them are problems, and the seconds that it takes."""

    lines: list[str] = field(default_factory=list)
    problems: int = 0
    seconds: float = 0.0

    def say(self, topic: str, text: str) -> None:
        self.lines.append(f"{topic + ':':<11}{text}")

    def problem(self, topic: str, text: str) -> None:
        self.problems += 1
        self.say(topic, f"PROBLEM: {text}")


def dry_run(solver: Solver, out: Path, keep: Keep | None) -> Findings:
    """Read all data once, and compute the room and the time that a run takes.  Nothing is written.

    Parameters
    ----------
    out: where the run would write.
    """
    findings = Findings()
    look_at_data(findings, "training", solver.executable)
    for test in solver.tests:
        look_at_data(findings, "testing", test.executable)
    memory(findings, solver)
    disk(findings, solver, out, keep)
    duration_of(findings, solver)
    return findings


def look_at_data(findings: Findings, topic: str, executable: Executable) -> None:
    """Read every image, and compare the labels with the net's classes."""
    from runtime.data.training_mean import look_through

    if not executable.sources:
        findings.say(topic, "the net's data have no end")
    for name, source in executable.sources.items():
        layer = executable.net.layer(name)
        if not reads_images(layer):
            findings.say(topic, f"{source.size:,} samples of {name} ({layer.type}), which are not looked at")
            continue
        with progress(f"reading {topic} data", source.size) as on_done:
            found = look_through(source, on_done)
        counts = found.labels.values()
        if not found.images:
            findings.problem(topic, f"no image of {getattr(layer, 'source', name)} can be read")
            continue
        spread = "" if not counts else f"{min(counts):,}" if len(set(counts)) == 1 else f"{min(counts):,} to {max(counts):,}"
        where = getattr(layer, "source", name)
        classes_text = f" of {plural(len(found.labels), 'class', 'classes')}" if counts else ""
        text = f"{found.images:,} images{classes_text} in {where}" + (f", {spread} of each" if counts else "")
        findings.say(topic, text)
        if source.skipped:
            findings.problem(topic, f"{plural(len(source.skipped), 'image')} cannot be read, such as {next(iter(source.skipped))}")
        classes = next((reader.label_classes for top in layer.tops[1:] for reader in top.consumers if reader.reads_labels), None)
        if classes and counts and len(found.labels) != classes:
            findings.problem(topic, f"the net has {classes:,} classes, the data have images of {len(found.labels):,}")


def memory(findings: Findings, solver: Solver) -> None:
    """What each device holds; that it fits was checked when the nets were compiled."""
    from runtime.machine.fit import needed
    from runtime.machine.open import different

    devices = solver.executable.devices
    programs = [solver.executable.program, *(test.executable.program for test in solver.tests)]
    for device in different(devices):
        shares = [share for share, other in enumerate(devices) if other is device]
        findings.say("memory", f"{binary(needed(programs, device, shares, True))} on {device.name}")


def disk(findings: Findings, solver: Solver, out: Path, keep: Keep | None) -> None:
    """The room that snapshots take, and what there is."""
    from runtime.solver.update import row_of

    owners = [parameter for parameter in solver.executable.net.parameters if parameter.owner is parameter]
    weights = 4 * sum(parameter.count for parameter in owners)
    size = weights * (1 + len(row_of(solver.parameters).states))
    interval, end = solver.parameters.snapshot, solver.parameters.max_iter
    count = (end - solver.iteration) // interval if interval > 0 else 0
    count += solver.parameters.snapshot_after_train and (not interval or end % interval != 0)
    if keep is not None:
        count = min(count, keep.last + keep.best + COPIES - 1)
    there = next(folder for folder in (out, *out.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    text = f"{plural(count, 'snapshot')} of {binary(size)} in {out}: {binary(count * size)} of {binary(free)} that are free"
    if count * size > free:
        findings.problem("disk", f"{text}; --keep best,last=2 needs {binary((3 + COPIES - 1) * size)}")
    else:
        findings.say("disk", text)


def duration_of(findings: Findings, solver: Solver) -> None:
    """The time of the run, from a few iterations and a batch of each test that are run and forgotten."""
    from runtime.solver.display import duration
    from runtime.solver.testing import batches_of_pass

    def train() -> None:
        made = solver.iterate()
        made.settle()

    left, tests = solver.parameters.max_iter - solver.iteration, tests_left(solver)
    each = seconds_of(train, ITERATIONS)
    of_test = 0.0
    for test in solver.tests:
        executable = test.executable
        batch = seconds_of(lambda run=executable.run_forward: run(), ITERATIONS)  # type: ignore[misc]
        of_test += batch * (test.batches or batches_of_pass(executable))
    whole = left * each + tests * of_test
    findings.seconds = whole
    text = f"about {duration(whole)}: {plural(left, 'iteration')} of {short(each)} ({solver.batch_size / each:.1f} images/s)"
    text += f", {plural(tests, 'test')} of {short(of_test)}" if tests else ""
    findings.say("time", f"{text} on {solver.devices}")


def tests_left(solver: Solver) -> int:
    """How often a run tests: where the solver says so, and at its end."""
    interval, end = solver.parameters.test_interval, solver.parameters.max_iter
    if not solver.tests:
        return 0
    between = (end - 1) // interval - (solver.iteration - 1) // interval if interval > 0 else 0
    return between + 1 - (interval > 0 and solver.iteration == 0 and not solver.parameters.test_initialization)


def short(seconds: float) -> str:
    """Seconds, or milliseconds where they are few."""
    from runtime.solver.display import duration

    return f"{1000 * seconds:.3g} ms" if seconds < 1 else duration(seconds)


def seconds_of(work: Callable[[], None], rounds: int) -> float:
    """Seconds of some work, a mean without the first time, which may compile kernels."""
    work()
    begun = time.perf_counter()
    for _ in range(rounds - 1):
        work()
    return (time.perf_counter() - begun) / (rounds - 1)
