"""Compiled kernels are dropped when any of their sources changed, and only then."""

from pathlib import Path

from runtime.kernels.cpu.stale import digest, drop_stale


def test_dropped_when_a_source_changes(tmp_path: Path) -> None:
    sources, cache = tmp_path / "sources", tmp_path / "cache"
    sources.mkdir()
    (sources / "helper.py").write_text("a = 1\n")
    compiled = cache / "kernel.f.nbi"

    def start() -> bool:
        drop_stale([cache], digest([sources]))
        kept = compiled.exists()
        compiled.write_text("compiled")
        return kept

    assert not start()
    assert start()
    (sources / "helper.py").write_text("a = 2\n")
    assert not start()
    assert start()
    (sources / "other.py").write_text("")
    assert not start()


def test_a_cache_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    drop_stale([tmp_path / "file" / "cache"], "digest")
