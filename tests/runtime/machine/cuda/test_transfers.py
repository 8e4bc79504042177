"""Copies between host and card, on streams that run in the worst order."""

from __future__ import annotations

import numpy as np
import pytest

from netdef import NetdefError
from runtime.machine.cuda import transfers as cuda_transfers
from runtime.machine.cuda.device import CudaDevice
from runtime.machine.cuda.transfers import pieces
from tests.runtime.machine.cuda.fake_cupy.graphs import CUDARuntimeError

SEEDS = range(8)
RNG = np.random.default_rng(0)


def device_array(device: CudaDevice, shape: tuple[int, ...], dtype: str = "float32"):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return device.array(device.allocate(size), 0, shape, dtype)


def copies(device: CudaDevice, array, count: int):
    """Calling it puts a copy of an array on the stream of kernels, and gives it; room for so many is made before."""
    size, shape = array.nbytes, array.shape
    made = iter([device_array(device, shape) for _ in range(count)])

    def copy():
        target, runtime = next(made), device.cupy.cuda.runtime
        with device.here():
            runtime.memcpyAsync(target.data.ptr, array.data.ptr, size, runtime.memcpyDeviceToDevice, device.queue.stream.ptr)
        return target

    return copy


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_written_is_read(machine, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_transfers, "SMALL", 64)
    monkeypatch.setattr(cuda_transfers, "LARGE", 256)
    machine(seed=seed)
    device = CudaDevice(0)
    for shape in ((), (1,), (5,), (400,), (3, 100, 7)):
        array = device_array(device, shape)
        values = RNG.standard_normal(shape).astype(np.float32)
        device.write(array, values)
        np.testing.assert_array_equal(device.read(array), values)
        device.write(array, np.float64(2.5))
        assert (device.read(array) == 2.5).all()
    array = device_array(device, (6, 50, 4), "uint8")
    values = RNG.integers(0, 255, (4, 6, 50)).astype(np.uint8)
    device.write(array, np.moveaxis(values, 0, -1))
    np.testing.assert_array_equal(device.read(array), np.moveaxis(values, 0, -1))


@pytest.mark.parametrize("seed", SEEDS)
def test_allocated_memory_is_zero(machine, seed: int) -> None:
    machine(seed=seed)
    device = CudaDevice(0)
    assert not device.read(device_array(device, (100,))).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_callers_array_is_free_at_once(machine, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_transfers, "SMALL", 64)
    machine(seed=seed)
    device = CudaDevice(0)
    for put in (device.write, device.upload):
        array = device_array(device, (100,))
        values = np.arange(100, dtype=np.float32)
        put(array, values)
        values[:] = -1
        np.testing.assert_array_equal(device.read(array), np.arange(100))


@pytest.mark.parametrize("seed", SEEDS)
def test_uploads_overtake_nothing_that_still_reads_what_was_there(machine, seed: int, monkeypatch) -> None:
    monkeypatch.setattr(cuda_transfers, "SMALL", 64)
    machine(seed=seed)
    device = CudaDevice(0)
    array, small = device_array(device, (100,)), device_array(device, (4,))
    keep = copies(device, array, 100), copies(device, small, 100)
    seen = []
    for n in range(100):
        device.upload(array, np.full(100, n))
        device.upload(small, np.full(4, n))
        seen.append([copy() for copy in keep])
    for n, found in enumerate(seen):
        for copy in found:
            assert (device.read(copy) == n).all()


@pytest.mark.parametrize("most", [1, 2, 3, 7, 24, 100])
def test_pieces_cover_an_array_in_order(most: int) -> None:
    whole = np.broadcast_to(np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2), (3, 2, 4))
    covered: list[int] = []
    for first, part in pieces(whole, most):
        assert first == len(covered)
        assert part.size <= most
        covered += part.reshape(-1).tolist()
    assert covered == whole.reshape(-1).tolist()


def test_too_much_memory_is_one_line(machine) -> None:
    machine(memory=100 << 20)
    device = CudaDevice(0)
    with pytest.raises(NetdefError, match=r"out of memory on gpu:0: 200.0 MiB are needed in one piece, 96.0 MiB of 100.0"):
        device.allocate(200 << 20)


def test_too_little_page_locked_memory_is_an_error_of_its_own(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as the card's; CUDA's own error is the same."""
    machine()
    device = CudaDevice(0)
    array = device_array(device, (1 << 20,))

    def fail(size: int) -> None:
        raise CUDARuntimeError(2, "cudaErrorMemoryAllocation: out of memory")

    monkeypatch.setattr(device.cupy.cuda, "alloc_pinned_memory", fail)
    for copy in (lambda: device.upload(array, 0), lambda: device.write(array, 0), lambda: device.read(array)):
        with pytest.raises(NetdefError, match=r"out of memory on the host: \S+ MiB of page-locked memory are needed"):
            copy()


# A missing wait is seen: the same copies with one of the orderings taken out.


def spoilt_uploads(machine, monkeypatch: pytest.MonkeyPatch, spoil) -> int:
    """How many of 40 seeds give wrong numbers, with `spoil(device)` done to the device first."""
    monkeypatch.setattr(cuda_transfers, "SMALL", 64)
    wrong = 0
    for seed in range(40):
        machine(seed=seed)
        device = CudaDevice(0)
        spoil(device)
        array = device_array(device, (100,))
        keep, seen = copies(device, array, 10), []
        for n in range(10):
            device.upload(array, np.full(100, n))
            seen.append(keep())
        wrong += any((device.read(copy) != n).any() for n, copy in enumerate(seen))
    return wrong


def without_wait(stream_name: str):
    def spoil(device: CudaDevice) -> None:
        stream = device.queue.stream if stream_name == "compute" else device.transfers._upload
        stream.wait_event = lambda event: None

    return spoil


def without_slots_waited_for(device: CudaDevice) -> None:
    made = device.transfers._open_buffers

    def open_buffers(array):
        buffers = made(array)
        for slot in buffers.slots:
            slot.used.synchronize = lambda: None
        return buffers

    device.transfers._open_buffers = open_buffers


@pytest.mark.slow
def test_uploads_as_they_are_give_right_numbers(machine, monkeypatch) -> None:
    assert spoilt_uploads(machine, monkeypatch, lambda device: None) == 0


@pytest.mark.slow
def test_a_slot_used_again_too_early_gives_wrong_numbers(machine, monkeypatch) -> None:
    assert spoilt_uploads(machine, monkeypatch, without_slots_waited_for) > 0


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["compute", "upload"])
def test_a_missing_wait_gives_wrong_numbers(machine, monkeypatch, stream: str) -> None:
    assert spoilt_uploads(machine, monkeypatch, without_wait(stream)) > 0
