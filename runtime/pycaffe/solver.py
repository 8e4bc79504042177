"""caffe.SGDSolver and the others, and get_solver: a solver whose nets a script runs, reads and writes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef.graph.data_shapes import data_looked_at
from netdef.language.diagnostics import NetdefError
from netdef.solver_file import read_solver
from runtime.machine.look import look_at_data
from runtime.pycaffe.constants import fill_once
from runtime.pycaffe.net import MissingFileError, Net
from runtime.pycaffe.python_layer import layers_of_scripts, user_errors
from runtime.pycaffe.settings import PycaffeRemark, settings
from runtime.pycaffe.training_log import TrainingLog, info
from runtime.solver import solver as training
from runtime.solver.results import numbers, shown_of
from runtime.solver.update import scalars_at

if TYPE_CHECKING:
    from netdef.graph.net import Net as Graph
    from runtime.solver.iterations import Iteration
    from runtime.solver.results import TestResult


class _Training(training.Solver):
    """The solver below, whose nets keep all that a script may look at."""

    def _training(self) -> dict[str, Any]:
        options = super()._training()
        return {**options, "keep": "versions", "losses_only": False, "update": fill_once(options["update"])}

    def _testing(self, net: Graph) -> dict[str, Any]:
        options = super()._testing(net)
        return {**options, "keep": "versions", "fold": False, "update": fill_once(options["update"])}

    def iterate(self, **inputs: Any) -> Iteration:
        made = super().iterate(**inputs)
        if self.log.is_due(made.iteration):
            self.log.iteration(self.executable.net, made.iteration, made.smoothed, made.outputs, made.rate)
        return made

    def test(self, *arguments: Any, **inputs: Any) -> list[TestResult] | None:
        results = super().test(*arguments, **inputs)
        self.log.testing(self.iteration, zip((test.executable.net for test in self.tests), results or (), strict=False))
        return results

    @cached_property
    def log(self) -> TrainingLog:
        return TrainingLog(self.parameters)


class Solver:
    """A solver of a script.  docs/pycaffe.md shows its use.

    Parameters
    ----------
    solver_file: the path of a solver's file.

    Raises
    ------
    RuntimeError: there is no such file.  NetdefError: the solver or a net is wrong.
    """

    _type = ""  # Caffe's name of the rule; "": the file's

    def __init__(self, solver_file: Any):
        if not isinstance(solver_file, str | os.PathLike):
            raise NetdefError(f"expected the path of a solver's file, not {type(solver_file).__name__}")
        if not os.path.exists(solver_file):
            raise MissingFileError(f"Could not open file {os.fspath(solver_file)}")
        bound = read_solver(solver_file)
        if self._type and bound.message.type != self._type:
            if bound.message.HasField("type"):
                text = f"{os.fspath(solver_file)} asks for {bound.message.type}; caffe.{type(self).__name__} trains by {self._type}"
                warnings.warn(f"{text}, as in Caffe: caffe.get_solver follows the file", PycaffeRemark, stacklevel=2)
            bound.message.type = self._type
        with user_errors(), layers_of_scripts(), data_looked_at(look_at_data):
            self._solver = _Training(bound, devices=settings.devices, seed=settings.next_seed())
        self.net = Net._of(self._solver.executable)
        self.test_nets = [Net._of(test.executable) for test in self._solver.tests]
        for net in self.test_nets:
            net.share_with(self.net)
        self._callbacks: list[tuple[Callable[[], Any], Callable[[], Any]]] = []

    @property
    def iter(self) -> int:
        """How many updates the weights have had."""
        return self._solver.iteration

    @property
    def param(self) -> Any:
        """The SolverParameter."""
        return self._solver.parameters

    @property
    def lr(self) -> float:
        """The rate of the present iteration."""
        return self._solver.rate.at(self.iter)

    # Training

    def step(self, n: int) -> float:
        """Train for n iterations, with the tests and snapshots that the file asks for; returns the loss, smoothed but for calls."""
        if self._callbacks:
            loss = 0.0
            for _ in range(n):
                loss = self._iterate()
            return loss
        return self._run(lambda: self._solver.step(n))

    def _run(self, work: Callable[[], Any]) -> Any:
        """Do something with the nets as a script has left them, and let it see what came of it."""
        nets = [self.net, *self.test_nets]
        for net in nets:
            net._engine.before_iterations()
        before, runs = self.iter, [net._engine.executable.run_number for net in nets]
        try:
            with user_errors():
                return work()
        finally:
            for net, run in zip(nets, runs, strict=True):
                if net._engine.executable.run_number != run:
                    net._engine.after_iterations(backward=net is self.net and self.iter > before)

    def _iterate(self) -> float:
        """One iteration with the calls that a script has asked for; returns its loss."""
        if self._solver.test_due:
            self._run(self._solver.test)
        for on_start, _ in self._callbacks:
            on_start()
        self.net.clear_param_diffs()
        loss = 0.0
        for _ in range(self.param.iter_size):
            loss += self.net._forward(0, len(self.net._layer_names) - 1) / self.param.iter_size
            self.net._backward(len(self.net._layer_names) - 1, 0)
        for _, on_gradients_ready in self._callbacks:
            on_gradients_ready()
        self._solver.smoothed.add(loss)
        if self._solver.log.is_due(self.iter):
            shown = numbers({blob.name: self.net.blobs[blob.name].data for blob in shown_of(self.net._graph)})
            self._solver.log.iteration(self.net._graph, self.iter, self._solver.smoothed.value, shown, self.lr)
        self.apply_update()
        self._solver.iteration += 1
        if self._solver.snapshot_due:
            self.snapshot()
        return loss

    def solve(self, resume_file: Any = None) -> None:
        """Train to the file's max_iter, from a .solverstate if one is given; write a snapshot at the end, and test."""
        if resume_file is not None:
            self.restore(resume_file)
        info(f"Solving {self.net.name}")
        info(f"Learning Rate Policy: {self.param.lr_policy}")
        left = max(0, self.param.max_iter - self.iter)
        self.step(left)
        written = self.param.snapshot > 0 and self.iter % self.param.snapshot == 0
        if self.param.snapshot_after_train and not (written and left):
            self.snapshot()
        if self._solver.test_due:
            self._run(self._solver.test)
        info("Optimization Done.")

    def apply_update(self) -> None:
        """Change the weights by the diffs that the net's parameters have now; `iter` stays."""
        executable = self.net._engine.executable
        executable.set_scalar("rate", self._solver.rate.at(self.iter))
        for name, value in scalars_at(self.param, self.iter).items():
            executable.set_scalar(name, value)
        self.net._engine.run_update()

    def add_callback(self, on_start: Callable[[], Any], on_gradients_ready: Callable[[], Any]) -> None:
        """Call functions in each iteration: before it, and when its gradients are there."""
        self._callbacks.append((on_start, on_gradients_ready))

    def share_weights(self, net: Net) -> None:
        """Let a net use the parameters of the training net."""
        net.share_with(self.net)

    # Snapshots

    def snapshot(self) -> None:
        """Write the weights, and what a resumed run needs: PREFIX_iter_N.caffemodel and .solverstate."""
        self.net._engine.write_parameters()
        self._solver.snapshot()

    def restore(self, path: Any) -> None:
        """Go on from a .solverstate.

        Raises
        ------
        RuntimeError: there is no such file.  NetdefError: it is damaged, or of another net.
        """
        if not os.path.exists(path):
            raise MissingFileError(f"Could not open file {os.fspath(path)}")
        before = self._solver.executable
        self._solver.restore(Path(path))
        self._solver.log.restored()
        nets = [self.net, *self.test_nets]
        if self._solver.executable is not before:
            executables = [self._solver.executable, *(test.executable for test in self._solver.tests)]
            for net, executable in zip(nets, executables, strict=True):
                net._engine.adopt(executable)
            for net in self.test_nets:
                net.share_with(self.net)
        for net in nets:
            net._engine.parameters_changed()

    def __repr__(self) -> str:
        return f"<caffe.{type(self).__name__}: {self._solver!r}>"


class SGDSolver(Solver):
    _type = "SGD"


class NesterovSolver(SGDSolver):
    _type = "Nesterov"


class AdaGradSolver(SGDSolver):
    _type = "AdaGrad"


class RMSPropSolver(SGDSolver):
    _type = "RMSProp"


class AdaDeltaSolver(SGDSolver):
    _type = "AdaDelta"


class AdamSolver(SGDSolver):
    _type = "Adam"


KINDS = {kind._type: kind for kind in (SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver)}


def get_solver(solver_file: Any) -> Solver:
    """The solver of a file, of the type that it names."""
    if not isinstance(solver_file, str | os.PathLike) or not os.path.exists(solver_file):
        return Solver(solver_file)  # which says what is wrong
    return KINDS.get(read_solver(solver_file).message.type, Solver)(solver_file)
