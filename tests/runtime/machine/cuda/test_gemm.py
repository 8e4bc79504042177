"""Row-major products asked of a column-major library."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from netdef import NetdefError
from runtime.kernels.cuda.options import CudaOptions
from runtime.kernels.cuda.registry import Gemm, Matrix
from runtime.machine.cuda.device import CudaDevice
from runtime.machine.cuda.gemm import TF32, workspace_of

RNG = np.random.default_rng(0)
M, N, K = 3, 5, 4


def on_card(device: CudaDevice, values: np.ndarray):
    array = device.array(device.allocate(values.nbytes), 0, values.shape, "float32")
    device.write(array, values)
    return array


def stored(batch: int, rows: int, columns: int, transposed: bool, pointer: int) -> tuple[np.ndarray, np.ndarray, Matrix]:
    """A batch of matrices with gaps around them, the matrices themselves, and their description."""
    shape = (columns, rows) if transposed else (rows, columns)
    values = RNG.standard_normal((batch, shape[0] + 1, shape[1] + 2), dtype=np.float32)
    inside = values[:, : shape[0], 1 : 1 + shape[1]]
    matrix = Matrix(pointer, 1, shape[1] + 2, (shape[0] + 1) * (shape[1] + 2), transposed)
    return values, inside.swapaxes(1, 2) if transposed else inside, matrix


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("a_transposed", "b_transposed", "accumulate"), list(product([False, True], repeat=3)))
def test_products(machine, a_transposed: bool, b_transposed: bool, accumulate: bool, batch: int) -> None:
    machine(seed=3)
    device = CudaDevice(0)
    a_values, a, a_matrix = stored(batch, M, K, a_transposed, 0)
    b_values, b, b_matrix = stored(batch, K, N, b_transposed, 1)
    c_values, c, c_matrix = stored(batch, M, N, False, 2)
    arrays = [on_card(device, values) for values in (a_values, b_values, c_values)]
    gemm = Gemm(M, N, K, a_matrix, b_matrix, c_matrix, batch, accumulate)
    device.cublas.bind(gemm, lambda matrix: arrays[matrix.pointer].data.ptr + 4 * matrix.offset)()
    expected = c_values.copy()
    expected[:, :M, 1 : 1 + N] = np.matmul(a, b) + (c if accumulate else 0)
    np.testing.assert_allclose(device.read(arrays[2]), expected, rtol=1e-5, atol=1e-6)


def test_tf32_is_asked_for(machine) -> None:
    machine()
    device = CudaDevice(0, CudaOptions(math="tf32"))
    assert list(device._library.math.values()) == [TF32]


def test_a_refusal_of_cublas_is_an_error(machine) -> None:
    machine()
    device = CudaDevice(0)
    array = on_card(device, np.zeros((4, 4), np.float32))
    matrix = Matrix(0, 0, 4)
    gemm = Gemm(4, 4, 4, matrix, replace(matrix, leading=3), matrix)
    with pytest.raises(NetdefError, match="cublasSgemm_v2 failed with status 7"):
        device.cublas.bind(gemm, lambda matrix: array.data.ptr)()


def test_a_workspace_is_what_nvidia_recommends_and_no_large_part_of_a_card(machine) -> None:
    for gigabytes, megabytes in ((80, 32), (16, 32), (8, 16), (1, 4)):
        assert workspace_of(gigabytes << 30) == megabytes << 20
    machine(memory=4 << 30)
    device = CudaDevice(0)
    assert set(device._library._workspaces.values()) == {(device._cublas_memory.ptr, 8 << 20)}


def test_a_device_may_be_closed_twice(machine) -> None:
    machine()
    device = CudaDevice(0)
    device.close()
    device.close()
    assert not device._library._queues
