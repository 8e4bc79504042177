"""Copies between host and card, on streams that run in the worst order."""

from __future__ import annotations

import numpy as np
import pytest

from netdef import NetdefError
from runtime.data.prefetch import Prefetcher
from runtime.data.source import Sample
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
    staged = device.transfers._staged

    def without_waiting(buffers, turn, array, values):
        for slot in buffers.slots:
            slot.used.synchronize = lambda: None
        return staged(buffers, turn, array, values)

    device.transfers._staged = without_waiting


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


# Batches of data sources lie in page-locked memory, and the training thread copies none of them.


class Stripes:
    """Samples whose pixels and label are their position, modulo 100."""

    name, labels, classes, size, image_shape = "stripes", (0,), None, 100, (30, 30, 3)

    def load(self, position: int) -> Sample:
        return Sample(np.full(self.image_shape, position % 100, np.uint8), position % 100, (0, 0), mirror=False)


def batches(device: CudaDevice, waits: bool = True) -> list[tuple[set[int], set[int]]]:
    """Which samples each of 12 batches had on the card: by pixels, and by labels; the last one is short."""
    images, labels = device_array(device, (4, 30, 30, 3), "uint8"), device_array(device, (4,))
    kept = [(device_array(device, images.shape, "uint8"), device_array(device, (4,))) for _ in range(12)]
    runtime = device.cupy.cuda.runtime
    with Prefetcher(Stripes(), 4, 2) as source:
        source.use_memory(device.host_array)
        for number, copies in enumerate(kept):
            batch, rows = source.next(), 3 if number == 11 else 4
            pairs = (images, batch.images[:rows]), (labels, batch.labels[:rows])
            if rows < 4:
                pairs = tuple((device.array(array.data, 0, part.shape, array.dtype.name), part) for array, part in pairs)
            waiting = [device.upload(array, part) for array, part in pairs]
            assert None not in waiting
            source.release(batch, waiting if waits else [])
            for (array, _), copy in zip(pairs, copies, strict=True):
                with device.here():
                    arguments = array.nbytes, runtime.memcpyDeviceToDevice, device.queue.stream.ptr
                    runtime.memcpyAsync(copy.data.ptr, array.data.ptr, *arguments)
    return [(set(device.read(pixels)[:3].ravel().tolist()), set(device.read(marks)[:3].tolist())) for pixels, marks in kept]


def test_batches_go_to_the_card_from_where_they_were_decoded(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are filled again when they have been copied, however late that is."""

    def no_slot(*arguments: object) -> None:
        raise AssertionError("the training thread copies")

    expected = [({*range(4 * n, 4 * n + 3)},) * 2 for n in range(12)]
    for seed in SEEDS:
        machine(seed=seed)
        device = CudaDevice(0)
        with monkeypatch.context() as patched:
            patched.setattr(cuda_transfers.Transfers, "_staged", no_slot)
            patched.setattr(cuda_transfers.Transfers, "write", no_slot)
            assert batches(device) == expected
        device.close()


def test_batches_that_are_filled_too_early_give_wrong_numbers(machine) -> None:
    wrong = 0
    for seed in range(10):
        machine(seed=seed).scheduler.asleep = True
        wrong += batches(CudaDevice(0), waits=False) != [({*range(4 * n, 4 * n + 3)},) * 2 for n in range(12)]
    assert wrong


def test_a_source_may_be_closed_while_a_batch_is_copied(machine) -> None:
    machine(seed=1).scheduler.asleep = True
    device = CudaDevice(0)
    array = device_array(device, (4, 30, 30, 3), "uint8")
    with Prefetcher(Stripes(), 4, 1) as source:
        source.use_memory(device.host_array)
        source.release(batch := source.next(), [device.upload(array, batch.images)])
    del source, batch
    assert device.read(array)[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    device.close()


def test_what_is_not_laid_out_as_on_the_card_is_copied_first(machine) -> None:
    machine()
    device = CudaDevice(0)
    array = device_array(device, (200, 100))
    values = device.host_array((100, 200), "float32")
    values[:] = np.arange(20000).reshape(values.shape)
    assert device.upload(array, values.T) is None
    np.testing.assert_array_equal(device.read(array), values.T)
    assert device.upload(array, device.host_array((200, 100), "uint8")) is None
