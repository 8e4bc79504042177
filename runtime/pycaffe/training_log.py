"""What a solver prints while a script lets it train: the lines of Caffe's src/caffe/solver.cpp, behind glog's time.

`netdef plot` and Caffe's tools/extra/parse_log.py read them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

from runtime.pycaffe.log import log
from runtime.solver.results import losses_of

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.solver.results import TestResult

INDENT = "    "


class TrainingLog:
    """Prints iterations where the solver's `display` asks for it, and all tests.

    Parameters
    ----------
    parameters: the SolverParameter.
    """

    def __init__(self, parameters: Any):
        self._parameters = parameters
        self._shown_at, self._shown = perf_counter(), -1

    def is_due(self, iteration: int) -> bool:
        return self._parameters.display > 0 and iteration % self._parameters.display == 0

    def restored(self) -> None:
        """The next iteration does not go on from the last one printed."""
        self._shown = -1

    def iteration(self, net: Net, iteration: int, loss: float, outputs: Mapping[str, float], rate: float) -> None:
        """An iteration: its smoothed loss, the outputs of its last batch, the rate."""
        now, count = perf_counter(), iteration - self._shown
        seconds = max(now - self._shown_at, 1e-9)
        speed = f" ({count / seconds:.6g} iter/s, {seconds:.6g}s/{count} iters)" if 0 <= self._shown < iteration else ""
        self._shown_at, self._shown = now, iteration
        info(f"Iteration {iteration}{speed}, loss = {loss:.6g}")
        self._outputs("Train", net, outputs)
        info(f"Iteration {iteration}, lr = {rate:.6g}")

    def testing(self, iteration: int, nets: Iterable[tuple[Net, TestResult]]) -> None:
        """The results of a test."""
        for net, result in nets:
            info(f"Iteration {iteration}, Testing net (#{result.net})")
            self._outputs("Test", net, result.outputs)

    @staticmethod
    def _outputs(kind: str, net: Net, outputs: Mapping[str, float]) -> None:
        weights = {blob.name: weight for blob, weight in losses_of(net)}
        for number, (name, value) in enumerate(outputs.items()):
            blob = name if name in weights else name.partition("[")[0]
            weight = weights.get(blob, 0)
            share = f" (* {weight:.6g} = {weight * value:.6g} loss)" if weight else ""
            info(f"{INDENT}{kind} net output #{number}: {blob} = {value:.6g}{share}")


def info(text: str) -> None:
    """Print a line behind the time and the process, as glog does."""
    log(f"I{datetime.now():%m%d %H:%M:%S.%f} {os.getpid():5d} netdef] {text}")
