"""A kernel that fails on a card is named by device, layer and kernel: on one card and on several, with graphs and without."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from runtime.kernels.cuda.options import CudaOptions
from runtime.machine.executable import Executable
from tests.runtime.machine.cuda.fake_cupy import Cards, CUDADriverError
from tests.runtime.machine.cuda.fake_cupy.graphs import CUDARuntimeError
from tests.runtime.machine.cuda.networks import inputs

Machine = Callable[..., Cards]
NET = """
layer data: Input -> data, label { shape { dim: [4, 3, 6, 6] } shape { dim: 4 } }
layer conv1: Convolution(data) { num_output: 4 kernel_size: 3 }
layer norm1: LRN(conv1) { local_size: 3 }
layer pool1: Pooling(norm1) { kernel_size: 2 stride: 2 }
layer fc: InnerProduct(pool1) { num_output: 5 }
layer loss: SoftmaxWithLoss(fc, label)
"""
WAYS = [("gpu:0", "batch"), ("gpu:0,gpu:0", "batch"), ("gpu:0,gpu:1", "batch")]
BROKEN = "cudaErrorIllegalAddress: an illegal memory access was encountered"


class Fault:
    """Makes the kernels of the stand-in that have a name fail while it is armed."""

    def __init__(self, execute: Callable, name: str):
        self._execute, self._name, self.armed = execute, name, False

    def __call__(self, source: str, names: Sequence[str]) -> dict[str, Callable]:
        return {
            name: self._spoilt(kernel) if self._name in name else kernel for name, kernel in self._execute(source, names).items()
        }

    def _spoilt(self, kernel: Callable) -> Callable:
        def run(*arguments: Any) -> None:
            if self.armed:
                raise CUDARuntimeError(700, BROKEN)
            kernel(*arguments)

        return run


@contextmanager
def compiled(devices: str, split: str = "batch", graphs: bool = True) -> Iterator[tuple[Executable, Callable[[], Any]]]:
    """A net, and what runs it forward and backward and reads all of that."""
    with runtime.compile(netdef.parse(NET, phase="train"), devices, split=split, cuda=CudaOptions(graphs=graphs)) as executable:
        fed = inputs(executable.net)

        def run() -> Any:
            executable.run_training(update=False, **fed)
            return executable.blob("loss"), executable.param_grad("conv1", 0)

        yield executable, run


@pytest.mark.slow
@pytest.mark.parametrize("graphs", [True, False], ids=["graph", "no graph"])
@pytest.mark.parametrize(("devices", "split"), WAYS, ids=str)
def test_a_failing_kernel_is_named(
    machine: Machine, execute: Callable, monkeypatch: pytest.MonkeyPatch, devices: str, split: str, graphs: bool
) -> None:
    """Where CUDA's switch lets the host wait for each kernel."""
    fault = Fault(execute, "lrn")
    machine(execute=fault, seed=3, count=2)
    with compiled(devices, split, graphs) as (executable, run):
        for _ in range(2):  # the second one captures
            run()
        monkeypatch.setenv("CUDA_LAUNCH_BLOCKING", "1")
        run()
        fault.armed = True
        with pytest.raises(NetdefError) as caught:
            run()
        kernels = {one.kernel for one in executable.program.instructions if "lrn" in one.kernel}
        (message,) = caught.value.diagnostics
        pattern = f"gpu:[01], ({'|'.join(kernels)}) of layer norm1(@.)? failed: CUDARuntimeError: {BROKEN}"
        assert re.fullmatch(pattern, message.message), message.message
        assert message.hint == ""


@pytest.mark.parametrize("graphs", [True, False], ids=["graph", "no graph"])
@pytest.mark.parametrize(("devices", "split"), WAYS, ids=str)
def test_a_failure_that_shows_late_names_what_was_run(
    machine: Machine, execute: Callable, devices: str, split: str, graphs: bool
) -> None:
    fault = Fault(execute, "lrn")
    machine(execute=fault, seed=3, count=2)
    with compiled(devices, split, graphs) as (executable, run):
        for _ in range(2):
            run()
        fault.armed = True
        with pytest.raises(NetdefError) as caught:
            run()
        (found,) = caught.value.diagnostics
        fault.armed = False
        for device in executable.devices:
            try:
                device.synchronize()
            except NetdefError as error:
                assert "gpu:1 (Stand-in) failed" in str(error)
        assert found.message.startswith("gpu:") and f" (Stand-in) failed: {BROKEN}" in found.message
        mine = [one for one in executable.program.forward + executable.program.backward if not one.is_send]
        first = next(one for one in mine if one.kernel not in ("copy",))
        assert f"it was run between {first.kernel} of layer {first.layer} and " in found.hint
        assert found.hint.endswith(", or a copy; CUDA_LAUNCH_BLOCKING=1 in the environment names it")


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every launch of a graph fail."""
    import cupy  # the stand-in

    def launch(graph: Any, stream: Any) -> None:
        raise CUDARuntimeError(1, "cudaErrorInvalidValue: invalid argument")

    monkeypatch.setattr(cupy.cuda.Graph, "launch", launch)


def test_a_graph_that_cannot_be_launched_runs_one_by_one(
    machine: Machine, execute: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault(execute, "lrn")
    cards = machine(execute=fault, seed=3)
    refuse(monkeypatch)
    with compiled("gpu:0") as (_, run):
        expected = run()
        with pytest.warns(UserWarning, match="no CUDA graphs, every kernel is launched by itself: cudaErrorInvalidValue"):
            found = run()
        assert [array.tobytes() for array in found] == [array.tobytes() for array in expected]
        run()
        assert cards.replayed == 0


def test_the_kernel_of_a_graph_that_cannot_be_launched_is_named(
    machine: Machine, execute: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault(execute, "lrn")
    machine(execute=fault, seed=3)
    refuse(monkeypatch)
    with compiled("gpu:0") as (_, run):
        run()
        fault.armed = True
        with pytest.raises(NetdefError, match=f"gpu:0, lrn.* of layer norm1 failed: CUDARuntimeError: {BROKEN}") as caught:
            run()
        assert not caught.value.diagnostics[0].hint


def test_a_card_without_room_for_kernels_says_so_and_runs_once_it_has_room(machine: Machine, execute: Callable) -> None:
    full = True

    def filled(source: str, names: Sequence[str]) -> dict[str, Callable]:
        if full:
            raise CUDADriverError("CUDA_ERROR_OUT_OF_MEMORY: out of memory")
        return execute(source, names)

    machine(execute=filled, seed=3)
    message = r"out of memory on gpu:0 while the kernels of \w+\.cu are loaded\n.*a smaller batch_size"
    with compiled("gpu:0") as (_, run):
        for _ in range(2):
            with pytest.raises(NetdefError, match=message):
                run()
        full = False
        loss, _ = run()
        assert loss == pytest.approx(np.log(5))  # of scores that are all 0
