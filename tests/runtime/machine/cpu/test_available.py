"""What is free is the least that the machine and the limits of the process leave; a program that needs more is refused."""

import gc

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from runtime.machine.cpu import available as module
from runtime.machine.cpu import device
from runtime.machine.cpu.available import available, promise

GIB = 1 << 30


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A machine of 16 GiB, 12 of which are free."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write("proc/meminfo", f"MemTotal: {16 * GIB >> 10} kB\nMemFree: 1 kB\nMemAvailable: {12 * GIB >> 10} kB\n")
    write("proc/self/statm", "1000 100 1 1 0 1 0")
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (module.resource.RLIM_INFINITY,) * 2)
    gc.collect()
    before, module._promised = module._promised, 0
    yield tmp_path, write
    module._promised += before  # an arena of before that was freed meanwhile has been taken off


def test_a_machine_without_limits(root):
    assert available(root[0]) == (12 * GIB, 16 * GIB)
    assert available(root[0] / "nowhere") is None


@pytest.mark.parametrize("group", ["/a/b", "/hidden/by/a/container"])
def test_a_cgroup_of_version_2(group, root):
    folder, write = root
    write("proc/self/cgroup", f"0::{group}\n")
    write("sys/fs/cgroup/a/b/memory.max", "max\n")
    write("sys/fs/cgroup/memory.max", f"{8 * GIB}\n")
    write("sys/fs/cgroup/memory.current", f"{5 * GIB}\n")
    write("sys/fs/cgroup/memory.stat", f"anon 7\ninactive_file {GIB}\nactive_file {GIB}\n")
    assert available(folder) == (5 * GIB, 8 * GIB)


def test_a_cgroup_of_version_1(root):
    folder, write = root
    write("proc/self/cgroup", "5:cpu:/\n4:memory:/a\n")
    write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", f"{2 * GIB}")
    write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", f"{GIB}")
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", "0")
    assert available(folder) == (GIB, 2 * GIB)


def test_a_limit_of_the_address_space(root, monkeypatch):
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (4 * GIB,) * 2)
    page = module.resource.getpagesize()
    assert available(root[0]) == (4 * GIB - 1000 * page, 4 * GIB)


def test_arenas_that_are_not_touched_yet_count(root):
    folder, _ = root
    arena = np.zeros(GIB, np.uint8)
    promise(arena)
    resident = 100 * module.resource.getpagesize()
    assert available(folder)[0] == 12 * GIB - (GIB - resident)
    del arena
    gc.collect()
    assert available(folder)[0] == 12 * GIB


def test_a_limit_of_the_address_space_counts_an_arena_once(root, monkeypatch):
    folder, write = root
    page, arena = module.resource.getpagesize(), np.zeros(GIB, np.uint8)
    write("proc/self/statm", f"{GIB // page + 1000} 100 1 1 0 1 0")
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (4 * GIB,) * 2)
    promise(arena)
    assert available(folder)[0] == 3 * GIB - 1000 * page
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (64 * GIB,) * 2)
    assert available(folder)[0] == 11 * GIB + 100 * page
    del arena
    gc.collect()


def net(batch):
    return netdef.parse(f"layer data: Input {{ shape {{ dim: [{batch}, 3, 64, 64] }} }} layer c: ReLU(data)", phase="test")


def test_a_program_that_does_not_fit_is_refused_with_the_batch_that_would(monkeypatch):
    monkeypatch.setattr(device, "available", lambda: (10_000_000, 20_000_000))
    text = r"batches of 1000 needs .* on cpu:0, where 9.54 MiB of 19.1 MiB are free\n    the largest batch that fits is \d+ "
    with pytest.raises(NetdefError, match=text):
        runtime.compile(net(1000), "cpu:0", threads=1)
    runtime.compile(net(2), "cpu:0", threads=1).close()


def test_devices_of_one_machine_take_from_one_memory(monkeypatch):
    """Each of the halves would fit alone."""
    with runtime.compile(net(4), "cpu:0", threads=1) as whole:
        size = sum(whole.program.plan.arenas.values())
    monkeypatch.setattr(device, "available", lambda: (size * 3 // 4, 2 * size))
    with pytest.raises(NetdefError, match=r"on cpu:0 and cpu:1, where"):
        runtime.compile(net(4), "cpu:0,cpu:1", threads=2)
