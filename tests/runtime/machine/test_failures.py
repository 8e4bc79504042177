"""When one device fails the others stop, the message names device and instruction, and nothing hangs."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from netdef.cli.main import run
from runtime.machine.cpu.device import CpuDevice
from runtime.machine.cpu.queue import blas
from runtime.machine.executable import Executable
from runtime.machine.open import open_devices
from tests.runtime.compiler.placement.nets import devices, everything, feeds, net_of
from tests.runtime.compiler.placement.test_training import SOLVER, solver_for, trained, weights

SOON = 60.0  # seconds; what takes longer hangs


def watched(work: Callable[[], None]) -> BaseException | None:
    """What a call raises; it must end soon."""
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            work()
            raised.append(None)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SOON)
    assert not thread.is_alive(), "hangs"
    return raised[0]


def spoil(exe: Executable, name: str, kernel: str, device: int, failure: Callable[[], None]) -> None:
    """Let the first such instruction of a device fail before it does its work."""
    number = next(i for i, step in enumerate(getattr(exe.program, name)) if step.kernel == kernel and step.device == device)
    bound = exe._bound[getattr(exe.program, name)[number]]

    def step() -> None:
        failure()
        bound()

    exe._bound[getattr(exe.program, name)[number]] = step
    exe._runners.clear()


def blas_threads() -> set[int]:
    """How many threads each BLAS of this process may use."""
    return {library["num_threads"] for library in blas().info() if library["user_api"] == "blas"}


ALLOWED = {2}


@pytest.fixture(autouse=True)
def two_blas_threads() -> Iterator[None]:
    with blas().limit(limits=2, user_api="blas"):
        yield


class Fault:
    """Raises when it is armed, and counts."""

    def __init__(self, error: BaseException):
        self.error, self.armed = error, True

    def __call__(self) -> None:
        if self.armed:
            raise self.error


@pytest.fixture
def exe():
    with runtime.compile(net_of("alexnet"), devices(2), seed=5, threads=2) as executable:
        yield executable


@pytest.mark.slow
@pytest.mark.parametrize("device", [0, 1])
@pytest.mark.parametrize(("name", "kernel"), [("forward", "conv2d"), ("forward", "send"), ("backward", "lrn_backward")])
def test_a_failing_kernel_stops_all_and_is_named(exe: Executable, device: int, name: str, kernel: str) -> None:
    fault = Fault(ValueError("what went wrong"))
    spoil(exe, name, kernel, device, fault)

    def work() -> None:
        exe.forward(**feeds(exe.net))
        exe.backward()

    error = watched(work)
    assert isinstance(error, NetdefError)
    layer = next(step.layer for step in getattr(exe.program, name) if step.kernel == kernel and step.device == device)
    assert f"cpu:{device}, {kernel} of layer {layer} failed: ValueError: what went wrong" in str(error)
    fault.armed = False
    assert watched(work) is None  # and it can go on


@pytest.mark.parametrize("where", ["cpu:0,cpu:0", "cpu:1,cpu:0,cpu:1"])
def test_a_device_with_several_shares_is_named_too(where: str) -> None:
    """Whichever of its shares fails, and where it has them all; then it can go on, and its threads end."""
    before = {*threading.enumerate()}
    with runtime.compile(net_of("lenet"), where, threads=3) as exe:

        def work() -> None:
            exe.forward(**feeds(exe.net))
            exe.backward()

        for share, device in enumerate(where.split(",")):
            for name, kernel in (("forward", "conv2d"), ("backward", "conv2d_weight_gradient")):
                fault = Fault(MemoryError())
                spoil(exe, name, kernel, share, fault)
                assert f"{device}, {kernel} of layer" in str(error := watched(work))
                assert isinstance(error, NetdefError)
                fault.armed = False
        assert watched(work) is None
        begun = {*threading.enumerate()} - before
    for thread in begun:
        thread.join(5)
    assert not any(thread.is_alive() for thread in begun)


def test_after_a_failure_the_numbers_are_right_again(exe: Executable) -> None:
    expected = everything(exe)
    fault = Fault(RuntimeError())
    spoil(exe, "forward", "pool_max_forward", 1, fault)
    assert watched(lambda: exe.run_forward(**feeds(exe.net))) is not None
    fault.armed = False
    found = everything(exe, 0)
    assert all((found[what] == expected[what]).all() for what in expected)


def test_the_others_do_nothing_more(exe: Executable) -> None:
    """What comes after the failure in no device's queue begins."""
    done: list[str] = []
    fault = Fault(RuntimeError())
    spoil(exe, "forward", "conv2d", 1, fault)
    last = exe._bound[exe.program.forward[-1]]
    exe._bound[exe.program.forward[-1]] = lambda: (done.append("last"), last())
    exe._runners.clear()
    assert watched(lambda: exe.run_forward(**feeds(exe.net))) is not None
    assert not done


def test_out_of_memory_is_said_in_one_line(exe: Executable) -> None:
    spoil(exe, "forward", "conv2d", 1, Fault(MemoryError()))
    error = watched(lambda: exe.run_forward(**feeds(exe.net)))
    assert "cpu:1, conv2d of layer conv1: out of memory" in str(error)


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (MemoryError(), "cpu:0, conv2d of layer conv1: out of memory"),
        (ValueError("what went wrong"), "cpu:0, conv2d of layer conv1 failed: ValueError: what went wrong"),
        (NetdefError("a label is wrong", hint="look"), "cpu:0, conv2d of layer conv1: a label is wrong"),
    ],
)
def test_one_device_names_a_failing_kernel_as_several_do(raised: Exception, said: str) -> None:
    with runtime.compile(net_of("lenet"), "cpu", threads=2) as exe:
        fault = Fault(raised)
        spoil(exe, "forward", "conv2d", 0, fault)
        error = watched(lambda: exe.run_forward(**feeds(exe.net)))
        assert isinstance(error, NetdefError)
        assert said in str(error)
        fault.armed = False
        assert watched(lambda: exe.run_forward(**feeds(exe.net))) is None


def test_a_failing_kernel_is_named_where_instructions_run_one_by_one() -> None:
    """As `netdef time`, `netdef selftest` and the search for the first layer that is not finite run them."""
    with runtime.compile(net_of("lenet"), "cpu", threads=2) as exe:
        exe.run_forward(**feeds(exe.net))
        spoil(exe, "forward", "conv2d", 0, Fault(ValueError("what went wrong")))
        bound = [bound for _, bound in exe.bound("forward")]
        for run in (exe.run_bound, exe.times, lambda _: exe.first_non_finite()):
            error = watched(lambda run=run: run(bound))  # type: ignore[misc]
            assert isinstance(error, NetdefError)
            assert "cpu:0, conv2d of layer conv1 failed: ValueError: what went wrong" in str(error)


@pytest.mark.slow
def test_time_names_a_failing_kernel(monkeypatch, capsys) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("gone")

    bind = CpuDevice.bind
    monkeypatch.setattr(CpuDevice, "bind", lambda self, step, array: fail if step.layer == "prob" else bind(self, step, array))
    assert run(["time", "lenet", "--phase", "test", "--batch", "2", "--iterations", "1", "--devices", "cpu"]) == 2
    assert "error: cpu:0, softmax_forward of layer prob failed: RuntimeError: gone" in capsys.readouterr().err


def test_no_room_for_a_devices_arena(monkeypatch) -> None:
    zeros = np.zeros
    sizes: list[int] = []

    def scarce(size: int, dtype: type) -> np.ndarray:
        sizes.append(size)
        if len(sizes) == 4:  # cpu:0 has three arenas
            raise MemoryError
        return zeros(size, dtype)

    monkeypatch.setattr("runtime.machine.cpu.device.np", SimpleNamespace(**{**vars(np), "zeros": scarce}))
    with pytest.raises(NetdefError, match="out of memory on cpu:1"):
        runtime.compile(net_of("alexnet"), devices(2))


def test_a_users_mistake_found_by_a_kernel_keeps_its_words(exe: Executable) -> None:
    values = feeds(exe.net)
    values["label"][1] = 7
    error = watched(lambda: exe.run_forward(**values))
    assert isinstance(error, NetdefError)
    assert "SoftmaxWithLoss loss: image 1 of the batch has label 7 (label[1])" in str(error)


def test_an_interrupt_stops_all_devices(exe: Executable) -> None:
    """Ctrl-C while the devices work: the main thread gets it, nothing is left running, and the program can be run again."""
    expected = everything(exe)
    done: list[float] = []
    number = next(i for i, step in enumerate(exe.program.forward) if step.layer == "conv4" and step.device == 1)
    bound = exe._bound[exe.program.forward[number]]
    armed = [True]

    def step() -> None:
        if armed[0]:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        bound()
        done.append(time.perf_counter())

    exe._bound[exe.program.forward[number]] = step
    exe._runners.clear()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        begun = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            exe.run_forward(**feeds(exe.net))
        stopped = time.perf_counter()
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped - begun < SOON
    assert done and done[0] <= stopped
    armed[0] = False
    found = everything(exe, 0)
    assert all((found[what] == expected[what]).all() for what in expected)


class Stuck:
    """An instruction that does not end before `over`.  begun: whether it is under way."""

    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        self.over.wait(SOON)

    def interrupt_twice(self) -> None:
        """Ctrl-C, once it is under way and the main thread waits for it, and again."""

        def press() -> None:
            self.begun.wait(SOON)
            for _ in range(2):
                time.sleep(0.3)
                os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=press, daemon=True).start()


@pytest.mark.parametrize("where", ["cpu:0,cpu:1", "cpu:0,cpu:0"])
def test_a_second_interrupt_does_not_wait_for_a_kernel_under_way(where: str) -> None:
    """Afterwards nothing runs on memory that the kernel may still write to, and BLAS has its threads back."""
    with runtime.compile(net_of("lenet"), where, threads=2) as exe:
        stuck = Stuck()
        spoil(exe, "forward", "conv2d", 1, stuck)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            stuck.interrupt_twice()
            begun = time.perf_counter()
            with pytest.raises(KeyboardInterrupt):
                exe.run_forward(**feeds(exe.net))
            assert time.perf_counter() - begun < 10
            assert not stuck.over.is_set()
            assert blas_threads() == ALLOWED
            for _ in range(2):
                assert "must be compiled anew" in str(watched(lambda: exe.run_forward(**feeds(exe.net))))
        finally:
            signal.signal(signal.SIGINT, before)
            stuck.over.set()


def test_a_failure_is_raised_when_the_other_devices_kernels_have_ended(exe: Executable) -> None:
    stuck, ended = Stuck(), threading.Event()
    spoil(exe, "forward", "conv2d", 1, lambda: (stuck(), ended.set()))

    def fail() -> None:
        assert stuck.begun.wait(SOON)
        threading.Timer(0.3, stuck.over.set).start()
        raise RuntimeError("what went wrong")

    spoil(exe, "forward", "lrn_forward", 0, fail)
    error = watched(lambda: exe.run_forward(**feeds(exe.net)))
    assert "cpu:0, lrn_forward of layer norm1 failed: RuntimeError: what went wrong" in str(error)
    assert ended.is_set()
    assert blas_threads() == ALLOWED


def test_a_failure_while_training_leaves_the_last_snapshot_whole(tmp_path) -> None:
    solver = solver_for("alexnet", devices(2), SOLVER % "BINARYPROTO" + "snapshot: 2", out=tmp_path)
    solver.step(3)
    spoil(solver.executable, "backward", "conv2d_weight_gradient", 1, Fault(RuntimeError("gone")))
    error = watched(lambda: solver.step(5))
    assert "cpu:1" in str(error)
    assert "gone" in str(error)
    solver.close()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".caffemodel", ".json", ".solverstate"]
    again = solver_for("alexnet", devices(2), out=tmp_path)
    again.restore(tmp_path / "run_iter_2.solverstate")
    assert again.iteration == 2
    assert np.isfinite(again.step(2))
    again.close()


@pytest.mark.parametrize("where", ["cpu", "cpu:0,cpu:1", "cpu:0,cpu:0"])
@pytest.mark.parametrize("what", [RuntimeError("gone"), KeyboardInterrupt()])
def test_nothing_follows_an_update_that_was_broken_off(where: str, what: BaseException, tmp_path) -> None:
    """Some weights are of the iteration before: no snapshot has them, nor a test, until all are those of an earlier one."""
    solver = solver_for("lenet", where, out=tmp_path)
    solver.step(2)
    earlier = solver.snapshot()
    fault = Fault(what)
    number = len(solver.executable.program.update) // 2
    bound = solver.executable._bound[solver.executable.program.update[number]]
    solver.executable._bound[solver.executable.program.update[number]] = lambda: (fault(), bound())
    solver.executable._runners.clear()
    assert watched(solver.iterate) is not None
    fault.armed = False
    for follows in (solver.iterate, solver.snapshot, solver.test):
        assert "iteration 2 was interrupted" in str(watched(follows))
    assert len([*tmp_path.iterdir()]) == 3  # those of the snapshot before
    solver.restore(earlier)
    solver.step(2)
    expected = trained("lenet", where, 4)
    assert all(np.array_equal(values, expected[name]) for name, values in weights(solver).items())
    solver.close()


def test_a_failure_before_the_update_spoils_nothing(tmp_path) -> None:
    solver = solver_for("lenet", devices(2), out=tmp_path)
    solver.step(1)
    before = weights(solver)
    fault = Fault(RuntimeError("gone"))
    spoil(solver.executable, "backward", "conv2d_weight_gradient", 1, fault)
    assert watched(solver.iterate) is not None
    fault.armed = False
    assert solver.snapshot().exists()
    assert all(np.array_equal(values, before[name]) for name, values in weights(solver).items())
    assert np.isfinite(solver.step(1))
    solver.close()


def test_diverging_is_the_error_that_one_device_raises(tmp_path) -> None:
    said = []
    for where in ("cpu", devices(2)):
        solver = solver_for("alexnet", where, (SOLVER % "BINARYPROTO").replace("0.002", "1e20"), out=tmp_path)
        with pytest.raises(NetdefError, match="the first output that is not finite is of") as error:
            solver.step(4)
        said.append(str(error.value))
        solver.close()
    assert said[0] == said[1]


def test_threads_end_with_the_executable() -> None:
    before = {*threading.enumerate()}
    with runtime.compile(net_of("lenet"), devices(3), threads=6) as exe:
        exe.forward(**feeds(exe.net))
        begun = {*threading.enumerate()} - before
        assert len(begun) == 9  # each device has a worker beside the one that calls, and two queues
    for thread in begun:
        thread.join(5)
    assert not any(thread.is_alive() for thread in begun)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("cpu:0,gpu:0", "on CPU devices or on cards, not on both"),
        ("cpu:0,tpu:1", "no device 'tpu:1'"),
        ("gpu:3-1", "empty range"),
        ("cpu:7", "no device 'cpu:7'"),
        ("cpu:0,", "no device ''"),
        ("3", "no device '3'\n    for 3 devices: cpu:0-2 or gpu:0-2"),
        ("cpu:0-64", "asks for more than 64 shares"),
        (",".join(["cpu:0"] * 65), "asks for more than 64 shares"),
        ("cpu:1,cpu:1", "no device 'cpu:1'"),
    ],
)
def test_devices_that_cannot_be(names: str, message: str) -> None:
    with pytest.raises(NetdefError, match=message) as error:
        runtime.compile(net_of("lenet"), names)
    assert len(error.value.diagnostics) == 1


@pytest.mark.parametrize(("threads", "shares"), [(2, [1, 1]), (3, [2, 1]), (1, [1, 1]), (8, [4, 4])])
def test_the_threads_are_divided(threads: int, shares: list[int]) -> None:
    opened = open_devices("cpu:0,cpu:1", threads)
    assert [device.threads for device in opened] == shares
    assert [device.name for device in opened] == ["cpu:0", "cpu:1"]
    for device in opened:
        device.close()


def test_more_devices_than_anything() -> None:
    """Eight devices, two images, three channels: most have little to do, and it works."""
    text = (
        "layer data: Input -> data, label { shape { dim: [2, 1, 5, 5] } shape { dim: 2 } }\n"
        'layer conv: Convolution(data) { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } }\n'
        'layer fc: InnerProduct(conv) { num_output: 5 weight_filler { type: "xavier" } }\nlayer loss: SoftmaxWithLoss(fc, label)\n'
    )
    net = netdef.parse(text, phase="train")
    with runtime.compile(net, seed=2) as one:
        expected = one.forward(**feeds(net))["loss"]
    for split in ("groups", "batch", "hybrid"):
        with runtime.compile(net, devices(8), seed=2, split=split) as many:
            assert many.forward(**feeds(net))["loss"] == pytest.approx(expected, rel=1e-5)


def test_one_blas_thread_while_devices_work_and_all_of_them_after(exe: Executable) -> None:
    seen = []
    number = next(i for i, step in enumerate(exe.program.forward) if step.layer == "conv3" and step.device == 1)
    bound = exe._bound[exe.program.forward[number]]
    exe._bound[exe.program.forward[number]] = lambda: (seen.append(blas_threads()), bound())
    exe._runners.clear()
    exe.forward(**feeds(exe.net))
    assert seen == [{1}]
    assert blas_threads() == ALLOWED


def test_a_worker_of_a_device_that_fails_is_named() -> None:
    """A kernel's items are shared by the device's worker threads; a failure in any of them is the device's."""
    device = CpuDevice(3)

    def fail(worker: int, begin: int, end: int) -> None:
        if worker:
            raise RuntimeError(f"worker {worker}")
        time.sleep(0.05)

    with pytest.raises(RuntimeError, match="worker"):
        device.workers.run(fail, 3)
    device.close()
