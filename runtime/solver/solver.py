"""The solver: a training net, its test nets, the update of the weights, and snapshots of it all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.paths import path_of
from netdef.language.units import plural
from netdef.solver_file.learning_rate import LearningRate
from netdef.solver_file.testing import is_test_due
from netdef.weights.hdf5 import h5py_module
from runtime.compiler.pipeline import compile_sharing
from runtime.data import open_source
from runtime.data.prefetch import warn_of_skip
from runtime.data.source import OnSkip
from runtime.kernels.cuda.options import CudaOptions
from runtime.machine.compile import compile
from runtime.machine.ranks.ranks import Ranks
from runtime.machine.weights import Loaded, Paths, listed, remark
from runtime.ops.python.layer import python_allowed
from runtime.solver.devices import choose_devices
from runtime.solver.diverged import DivergedError
from runtime.solver.histories import owners
from runtime.solver.iterations import Iteration, Iterations
from runtime.solver.nets import SolverNets, read_solver
from runtime.solver.pixels import pixels_of
from runtime.solver.prefix import snapshot_prefix
from runtime.solver.rank_checks import check_nets, lines_about, sums_of
from runtime.solver.remember import remember_results
from runtime.solver.results import NotFiniteError, TestResult, losses_of
from runtime.solver.saving import naming_lack_of_memory, read_snapshot, restore_arrays, write_snapshot
from runtime.solver.smoothing import SmoothedLoss
from runtime.solver.snapshot import SnapshotFiles
from runtime.solver.solving import Solves
from runtime.solver.sources import classes_of, division_of, positions, seek
from runtime.solver.testing import run_test, uneven_test
from runtime.solver.update import row_of, scalars_at, updates

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable


HOLD_OUT = 5  # of the images given as `data`, each class's 1st, 6th ... are for testing only


@dataclass
class TestNet:
    """A net that tests the weights in training, over `batches` batches each time; None: over all its data."""

    executable: Executable
    batches: int | None


class Solver(Solves):
    """Trains a net as a solver file says.  docs/python.md shows its use.

    A solver owns threads and memory of its devices; `close`, or a `with` statement, frees them.

    Parameters
    ----------
    solver: a path, the text itself, what `netdef.load_solver` returns, or a SolverParameter.
    net: a path or a model's name; default: the net that the solver names.
    devices: default: what the solver's solver_mode asks for, as far as it is here.
    threads: worker threads; default all cores.
    seed: of everything random, unless the solver gives random_seed; default: drawn by chance.
    batch_size: replaces the training net's.
    data: a directory, list file or `builtin:` name to train and test on instead of the net's own sources.  Where it does not
        keep training and test images apart itself, one image in HOLD_OUT of each class is for testing only.
    max_iter: replaces the solver's.
    out: the directory that a relative snapshot_prefix stands in; default the working directory.
    on_skip: called once for each image that cannot be read, with its path and the reason.
    weights: files to start from instead of the solver's own `weights`; layers that they lack keep what their fillers give.  None
        reads the solver's, an empty list none at all.
    allow_missing: whether layers that the solver's own `weights` lack may keep what their fillers give.
    say: called with a line about layers that weights lack or the net lacks, about tests of part of the data or without numbers.
    cuda: how graphics cards compute.
    split: what is cut on several devices, see `compile`.
    overrides: fields of the nets to change, see `netdef.load`, and of the solver: {"solver.base_lr": 0.01}.
    allow_python: import and run the classes that the nets' Python layers name, see docs/python-layers.md.
    nodes: groups of as many shares, within which the split "hybrid" cuts channels, see `compile`.
    ranks: this process among others that train the same, see docs/machines.md; `devices` has this rank's shares.
    keep: which blobs of all its nets stay readable, see `compile`; more than "outputs" takes more memory.

    Attributes
    ----------
    iteration: how many updates the weights have had.
    executable: the compiled training net.  tests: the test nets, on the same weights.
    parameters: the SolverParameter.  loaded: what the weights that it started from filled; None where there were none.

    Raises
    ------
    NetdefError: a file is wrong, or asks for what is not available.
    MissingWeightsError: the solver's own `weights` lack layers of the net, and `allow_missing` is false.
    """

    def __init__(
        self,
        solver: Any,
        net: Any = None,
        devices: str | None = None,
        *,
        threads: int | None = None,
        seed: int | None = None,
        batch_size: int | None = None,
        data: str | None = None,
        max_iter: int | None = None,
        out: str | Path = ".",
        on_skip: OnSkip = warn_of_skip,
        weights: Paths | None = None,
        allow_missing: bool = False,
        say: Callable[[str], None] = remark,
        cuda: CudaOptions | None = None,
        split: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        allow_python: bool = False,
        ranks: Ranks | None = None,
        nodes: int | None = None,
        keep: str = "outputs",
    ) -> None:
        out = path_of(out, "a directory for snapshots")
        self.parameters, self.filename = read_solver(solver, max_iter, overrides)
        with python_allowed() if allow_python else nullcontext():
            self.nets = SolverNets(self.parameters, self.filename, net, batch_size, data, overrides)
        self.ranks = ranks
        self.devices = choose_devices(devices, self.parameters, 0 if ranks is None else ranks.local).devices
        self.threads, self.cuda, self.split, self.nodes, self.keep = threads, cuda, split, nodes, keep
        self._say = say
        self.rate = LearningRate(self.parameters)
        self.smoothed = SmoothedLoss(self.parameters.average_loss)
        self.iteration = 0
        if self.parameters.snapshot_format == self.parameters.HDF5:
            h5py_module("snapshot_format: HDF5")  # missing, it is better missed now than at the first snapshot
        self.prefix = snapshot_prefix(self.parameters, self.nets.train.filename, out)
        self.seed = self._choose_seed(seed)
        self.executable: Executable
        self.tests: list[TestNet] = []
        self.data, self.hold_out = data, HOLD_OUT if data and self.nets.tests else 0
        if ranks is not None:
            self.seed = ranks.broadcast(int(self.seed))
            check_nets(ranks, self.nets, split, nodes)
        self._opener = partial(open_source, hold_out=self.hold_out, on_skip=on_skip)
        try:
            self._compile()
            for note in [
                *self.nets.notes,
                *lines_about(ranks, self.executable.program),
                *filter(None, (uneven_test(test.executable, test.batches) for test in self.tests)),
            ]:
                say(note)
            self.loaded = self._start_from(weights, allow_missing)
        except BaseException:
            self.close()
            raise

    def _choose_seed(self, seed: int | None) -> int:
        if self.parameters.random_seed >= 0:
            return self.parameters.random_seed
        return secrets.randbits(31) if seed is None else seed

    @property
    def writes(self) -> bool:
        """Whether this process writes the run's files: alone, or as rank 0."""
        return self.ranks is None or self.ranks.first

    def _training(self) -> dict[str, Any]:
        """How the training net is compiled."""
        return {"keep": self.keep, "losses_only": True, "update": updates(self.parameters)}

    def _compile(self) -> None:
        training = self._training()
        if not losses_of(self.nets.train):
            raise NetdefError(
                f"{self.nets.train.filename} has no loss to train",
                hint="a SoftmaxWithLoss layer, or a loss_weight, makes one",
            )
        self.executable = compile(
            self.nets.train,
            self.devices,
            seed=self.seed,
            threads=self.threads,
            cuda=self.cuda,
            split=self.split,
            **training,
            tests=lambda program: [compile_sharing(program, net, **self._testing(net)) for net in self.nets.tests],
            ranks=self.ranks,
            nodes=self.nodes,
        )
        self.executable.set_scalar("scale", 1 / self.parameters.iter_size)
        self.iterations = Iterations(self.executable, self.parameters.iter_size, self.smoothed)
        self.tests = [
            TestNet(self._compile_test(net), batches) for net, batches in zip(self.nets.tests, self.nets.batches, strict=True)
        ]
        self._open_sources(None)

    def _open_sources(self, classes: Sequence[str] | None) -> None:
        """Open the data; the test nets' labels are those of the training net's classes, and these the given ones.

        Parameters
        ----------
        classes: names of the labels; None leaves their order to the training data.
        """
        self.executable.open_sources(self._opener, classes, own_images=True)
        for test in self.tests:  # a test over all images ends with a batch that is not whole
            own = test.batches is not None
            test.executable.open_sources(self._opener, classes_of(self.executable), own_images=own)

    def _executables(self) -> list[Executable]:
        return [self.executable, *(test.executable for test in self.tests)]

    def _compile_test(self, net: Net) -> Executable:
        return compile(net, self.devices, share=self.executable, **self._testing(net))

    def _testing(self, net: Net) -> dict[str, Any]:
        """How a test net is compiled."""
        return {"keep": self.keep, "seed": self.seed, "backward": False, "update": remember_results, "split": self.split}

    @property
    def loss(self) -> float:
        """The loss, averaged over the last `average_loss` iterations."""
        self.iterations.settle()
        return self.smoothed.value

    @property
    def batch_size(self) -> int:
        """Images in one iteration: the training batch, iter_size times."""
        return self.nets.batch_size * self.parameters.iter_size

    @property
    def kernels_cached(self) -> bool:
        """Whether this machine has compiled the kernels of the training net before."""
        return all(device.kernels_known for device in self.executable.devices)

    def _start_from(self, weights: Paths | None, allow_missing: bool) -> Loaded | None:
        """Load the weights that are given, else the solver's own, which may lack layers only where that is allowed."""
        if weights is not None:
            return self.load_weights(weights, self._say) if weights else None
        own = list(self.weights_named())
        return self.executable.load_weights(own, allow_missing, self._say) if own else None

    def load_weights(self, paths: Paths, say: Callable[[str], None] = remark) -> Loaded:
        """Start from the weights in files; layers that are in none of them keep those they have, and `say` is called.

        Raises
        ------
        NetdefError: see `runtime.machine.weights.load_weights`.
        """
        return self.executable.load_weights(paths, allow_missing=True, say=say)

    def weights_named(self) -> Iterator[Path]:
        """The files in the solver's `weights`, several with commas between them: in its file's folder, else in the current one."""
        for path in (Path(path) for paths in self.parameters.weights for path in paths.split(",")):
            in_folder = Path(self.filename).parent / path
            yield in_folder if in_folder.exists() else path

    # Training

    def step(self, n: int = 1, **inputs: Any) -> float:
        """Train for n iterations, testing and writing snapshots where the solver says so; returns the smoothed loss.

        Parameters
        ----------
        inputs: what nets fed by Input layers are given, by blob name; the same for each of the n.

        Raises
        ------
        DivergedError: the loss is not finite.
        NetdefError: n is no number of iterations.
        """
        if not isinstance(n, Integral) or n < 0:
            raise NetdefError(f"{n!r} is no number of iterations", hint="give a whole number of at least 0")
        for _ in range(n):
            if self.test_due:
                self.test(**inputs)
            self.iterate(**inputs)
            if self.snapshot_due:
                self.snapshot()
        return self.loss

    def iterate(self, **inputs: Any) -> Iteration:
        """One iteration: iter_size batches forward and backward, then the update.  Nothing else.

        On a device that runs by itself nothing is waited for: losses stay there, and are read when an Iteration's loss is read,
        before a test, before a snapshot, and when those of 1024 batches (remember.ROUNDS) are there, for which there is room.  Only
        then one that is not finite shows; the error names the first.

        Raises
        ------
        NetdefError: the iteration before was interrupted during an update; or, as DataError, a batch cannot be read.
        """
        self._check_update_complete()
        rate = self.rate.at(self.iteration)
        executable = self.executable
        executable.set_scalar("rate", rate)
        for name, value in scalars_at(self.parameters, self.iteration).items():
            executable.set_scalar(name, value)
        iteration = Iteration(self.iterations, self.iteration, rate)
        with executable.sources.all_or_nothing():
            for batch, run in enumerate(iteration.runs):
                executable.set_scalar("added", batch)
                last = run == iteration.runs[-1]
                if executable.runs_ahead:
                    executable.run_training(run, update=last, **inputs)
                    continue
                executable.run_forward(run, **inputs)
                iteration.read_losses(batch + 1)  # before it spoils the weights
                if last and self.ranks is not None:
                    executable.run_learning()
                    continue
                executable.backward()
                if last:
                    executable.update()
        self.iteration += 1
        self.iterations.add(iteration)
        if not executable.runs_ahead:
            iteration.settle()
        return iteration

    # Testing

    @property
    def test_due(self) -> bool:
        """Whether the solver asks for a test before the next iteration."""
        return bool(self.nets.tests) and is_test_due(self.parameters, self.iteration)

    def test(
        self,
        stop: Callable[[], bool] = lambda: False,
        on_batch: Callable[[int], None] = lambda done: None,
        **inputs: Any,
    ) -> list[TestResult] | None:
        """Run every test net; the first one's metric goes to the `plateau` policy.

        Without a result, as after an error, data sources go back to where they were.

        Parameters
        ----------
        stop: called before each batch; if it returns true, there is no result.

        Raises
        ------
        DivergedError: a test's loss is not finite, or one of its outputs is no number; but for a net that normalises by statistics
            of no batch, as before the first iteration: as in Caffe training goes on.
        """
        self._check_update_complete()
        self.iterations.settle()
        results: list[TestResult] = []
        with ExitStack() as back:
            for test in self.tests:
                back.callback(seek, test.executable, positions(test.executable))
            for index, test in enumerate(self.tests):
                own = {name: value for name, value in inputs.items() if name in test.executable.inputs}
                try:
                    result = run_test(test.executable, test.batches, self.iteration, index, stop, on_batch, **own)
                except NotFiniteError as error:
                    if empty := test.executable.without_statistics:
                        self._say(f"the test at iteration {self.iteration} came to no numbers: no batch yet for {listed(empty)}")
                        results.append(TestResult(self.iteration, index, None, {}, ()))
                        continue
                    what = f"{error.diagnostics[0].message}, at iteration {self.iteration}"
                    raise DivergedError(what, self.rate.unchecked(self.iteration), self.iteration) from None
                if result is None:
                    return None
                results.append(result)
            back.pop_all()
        if results and results[0].metric is not None:
            self.rate.observe(*results[0].metric)
        return results

    # Snapshots

    @property
    def snapshot_due(self) -> bool:
        """Whether the solver asks for a snapshot after the iteration that was just done."""
        return self.parameters.snapshot > 0 and self.iteration % self.parameters.snapshot == 0

    @property
    def snapshot_files(self) -> SnapshotFiles:
        """The names of a snapshot of now."""
        return SnapshotFiles(self.prefix, self.iteration, self.parameters.snapshot_format == self.parameters.HDF5)

    def snapshot(self) -> Path:
        """Write the weights, the state and what else a resumed run needs; returns the .solverstate's path.

        Raises
        ------
        DivergedError: a weight is not finite; nothing is written.
        NetdefError: the files cannot be written, there is too little memory for it, or an update was interrupted; those of earlier
            snapshots are untouched.
        """
        self._check_update_complete()
        self.iterations.settle()
        files = self.snapshot_files
        with naming_lack_of_memory(files.state):
            self._check_weights()
            write_snapshot(files, self.executable, row_of(self.parameters), self.rate.stage, self.side_state())
        return files.state

    def side_state(self) -> dict[str, Any]:
        """What Caffe's files have no fields for, as JSON."""
        return {
            "iteration": self.iteration,
            "seed": self.seed,
            "solver": self.filename,
            "type": self.parameters.type,
            "net": self.nets.train.filename,
            "rate": self.rate.state(),
            "last_losses": self.smoothed.state(),
            "sources": {
                "train": positions(self.executable),
                "test": [positions(test.executable) for test in self.tests],
            },
            "batch_size": self.batch_size,
            "data": self.data,
            **division_of(self.executable, self.split),
            **sums_of(self.ranks),
            "hold_out": self.hold_out,
            "classes": classes_of(self.executable),
            "pixels": pixels_of((self.nets.tests or [self.nets.train])[0]),
        }

    def restore(self, path: str | Path) -> None:
        """Continue exactly where a snapshot was written, by netdef or by Caffe.

        Where the snapshot had another seed, the nets are compiled again for it and `executable` is a new one.

        Raises
        ------
        NetdefError: files are missing, damaged, of another net, or of another type of solver.
        """
        path = path_of(path, "a .solverstate")
        row = row_of(self.parameters)
        state, side = read_snapshot(path, self.executable.net, row)
        if self.seed != side.get("seed", self.seed):
            self.seed = side["seed"]
            self.close()
            self.tests.clear()
            del self.executable  # whose memory the new one needs
            self._compile()
        restore_arrays(self.executable, row, path, state)
        if side.get("classes") not in (None, classes_of(self.executable)):
            for executable in self._executables():
                executable.close_sources()
            self._open_sources(side["classes"])
        self.executable.update_interrupted = False
        self.iteration = state.iteration
        self.rate.restore({**side.get("rate", {}), "step": state.rate_stage})
        self.iterations.forget()
        self.smoothed.restore(side.get("last_losses", []))
        sources = side.get("sources", {})
        seek(self.executable, sources.get("train", {}))
        for test, position in zip(self.tests, sources.get("test", []), strict=False):
            seek(test.executable, position)

    def _check_update_complete(self) -> None:
        if self.executable.update_interrupted:
            raise NetdefError(
                f"iteration {self.iteration} was interrupted, perhaps with only some of the weights updated: nothing can follow it",
                hint="`restore` a snapshot, or begin anew; earlier snapshots are untouched",
            )

    def _check_weights(self) -> None:
        for parameter in owners(self.executable.net):
            if not np.isfinite(self.executable.param(parameter.layer.name, parameter.index)).all():
                what = f"weights of {parameter} are not finite after iteration {self.iteration}"
                raise DivergedError(what, self.rate.unchecked(self.iteration), self.iteration, self.executable)

    def __repr__(self) -> str:
        net, rate = self.nets.train, self.rate.unchecked(self.iteration)
        run = f"iteration {self.iteration} of {self.parameters.max_iter}, rate {rate:g}, batch {self.batch_size} on {self.devices}"
        return f"<Solver {net.name!r} {self.parameters.type}: {run}; seed {self.seed}, {plural(len(self.tests), 'test net')}>"

    def __enter__(self) -> Solver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop data sources and worker threads."""
        for test in self.tests:
            test.executable.close()
        if "executable" in vars(self):  # not where compiling it failed
            self.executable.close()
