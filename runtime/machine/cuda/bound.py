"""Instructions bound to a card: what is called to put each of them on a stream."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np

from runtime.ir.program import Instruction
from runtime.kernels.cuda.registry import HOST_KERNELS, Launch, Matrix, Plan
from runtime.kernels.operand import Pointer, Workspace
from runtime.kernels.rooms import load_rooms
from runtime.machine.cuda.gemm import Cublas
from runtime.machine.cuda.kernels import Kernels
from runtime.machine.device import Wait, described


class CudaInstruction:
    """An instruction on a card: the calls that put it on the stream.  They are made by `resolve`, before the first run."""

    capturable = True

    def __init__(self, instruction: Instruction, plan: Plan, arrays: list[Any], constants: dict[str, Any]):
        self.description = described(instruction)
        self.plan, self.arrays, self.constants = plan, arrays, constants
        self.calls: list[Callable[[], None]] = []

    def resolve(self, kernels: Kernels, cublas: Cublas, workspace: Callable[[int], Any] | None) -> None:
        """Look up the kernels, and where everything lies."""

        def array(pointer: Pointer) -> Any:
            if isinstance(pointer, Workspace):
                assert workspace is not None
                return workspace(pointer.offset)
            if isinstance(pointer, int):
                return self.arrays[pointer]
            assert isinstance(pointer, str)  # cards keep nothing
            return self.constants[pointer]

        def address(matrix: Matrix) -> int:
            return int(array(matrix.pointer).data.ptr) + 4 * matrix.offset

        for launch in self.plan.launches:
            if isinstance(launch, Launch):
                arguments = (*map(array, launch.pointers), *launch.scalars)
                self.calls.append(partial(kernels[launch.file, launch.function], launch.grid, launch.block, arguments))
            else:
                self.calls.append(cublas.bind(launch, address))

    def __call__(self) -> None:
        for call in self.calls:
            call()


class HostInstruction:
    """An instruction that the host carries out by the CPU's plan, on copies of its arrays.

    Parameters
    ----------
    device: whose arrays they are.
    """

    capturable = False

    def __init__(self, instruction: Instruction, arrays: list[Any], device: HostAccess):
        from runtime.machine.cpu.needs import planned

        self.description = described(instruction)
        self._launches, self._device = planned(instruction).launches, device
        self._inputs, self._outputs = arrays[: len(instruction.inputs)], arrays[len(instruction.inputs) :]
        self._read = [device.number if buffer.role == "scalar" else device.read for buffer in instruction.inputs]
        self._write = device.upload if is_data(instruction) else device.write

    def __call__(self) -> None:
        inputs = [read(array) for read, array in zip(self._read, self._inputs, strict=True)]
        outputs = [np.empty(array.shape, np.dtype(array.dtype)) for array in self._outputs]
        for launch in self._launches:
            launch.kernel.function(0, launch.items, *inputs, *outputs, *launch.constants.values())
        for array, values in zip(self._outputs, outputs, strict=True):
            self._write(array, values)


class HostAccess(Protocol):
    """How the host reaches a card's arrays."""

    def number(self, array: Any) -> np.ndarray: ...
    def read(self, array: Any) -> np.ndarray: ...
    def write(self, array: Any, values: np.ndarray) -> None: ...
    def upload(self, array: Any, values: np.ndarray) -> Wait | None: ...


def is_data(instruction: Instruction) -> bool:
    """Whether the host makes an instruction's outputs from numbers that it has set itself."""
    return bool(instruction.inputs) and all(buffer.role == "scalar" for buffer in instruction.inputs)


def runs_on_host(instruction: Instruction) -> bool:
    """Whether the host carries out an instruction of a card's."""
    load_rooms("cuda")
    return instruction.kernel in HOST_KERNELS


def named(planned: Plan) -> set[str]:
    """The constants that a plan's launches take as arrays."""
    pointers = {p for launch in planned.launches if isinstance(launch, Launch) for p in launch.pointers}
    return {p for p in pointers if isinstance(p, str)}
