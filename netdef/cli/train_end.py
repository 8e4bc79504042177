"""The last lines of `netdef train`: what the run reached, where its files are, and what to type next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from netdef.cli.train_options import CommandLine
from netdef.language.find import RUN_NET

if TYPE_CHECKING:
    from runtime.solver.loop import Outcome
    from runtime.solver.results import TestResult
    from runtime.solver.solver import Solver


def stopped(outcome: Outcome, solver: Solver, command: CommandLine) -> list[str]:
    assert outcome.snapshot is not None
    return [
        f"stopped after {solver.iteration} iterations; everything is in {outcome.snapshot}",
        f"to go on:  {command.resume(outcome.snapshot)}",
    ]


def finished(outcome: Outcome, solver: Solver, out: Path, command: CommandLine) -> list[str]:
    """What the run reached, how long it took, where its files are, and what to try next."""
    from runtime.solver.display import duration
    from runtime.solver.log import NAME as LOG

    clock = outcome.clock
    lines = [f"done:      iteration {solver.iteration}"]
    if clock.iterations:
        speed = solver.batch_size * clock.iterations / clock.training
        seconds = duration(clock.training + clock.testing)
        count = f"{clock.iterations} iteration{'' if clock.iterations == 1 else 's'}"
        lines[0] += f", {count} in {seconds}, {speed:.1f} images/s while training"
    if outcome.out_of_patience:
        lines.append(f"ended:     {outcome.best.since} tests without a better one (--patience)")
    if outcome.last:
        lines.append(f"reached:   {reached(outcome, outcome.last[0])}")
    files = solver.snapshot_files
    if files.weights.exists():
        lines.append(f"weights:   {files.weights}")
    lines.append(f"log:       {out / LOG}")
    lines.append(f"next:      {shlex.join(['netdef', 'plot', str(out)])}")
    if files.weights.exists() and solver.tests:
        lines.append(f"           {command.test(solver.nets.train.filename, files.weights, out / RUN_NET)}")
    return lines


def reached(outcome: Outcome, result: TestResult) -> str:
    """The last test's numbers, and the best of all tests where that was another."""
    texts = [f"test {name} {result.outputs[name]:.1%}" for name in result.accuracies]
    if result.loss is not None:
        texts.append(f"test loss {result.loss:.4g}")
    best = outcome.best
    if best.value is not None and result.metric is not None and best.value != result.metric[0]:
        value = f"{best.value:.4g}" if best.name == "loss" else f"{best.value:.1%}"
        texts.append(f"best {best.name} {value} at iteration {best.iteration}")
    return ", ".join(texts)
