"""A file that was cut or overwritten after it was written is recognised."""

import pytest

from netdef.weights.checksums import checksum, damage


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (b"12345678", ""),
        (b"1234", "it has 4 bytes, and 8 were written"),
        (b"", "it has 0 bytes, and 8 were written"),
        (b"1234567890", "it has 10 bytes, and 8 were written"),
        (bytes(8), "its checksum is 6522df69, and 9ae0daaf was written"),
        (b"12345679", "its checksum is ede7ea39, and 9ae0daaf was written"),
    ],
)
def test_damage(now, said, tmp_path):
    (tmp_path / "a").write_bytes(b"12345678")
    written = checksum(tmp_path / "a")
    assert written == {"bytes": 8, "crc32": "9ae0daaf"}
    (tmp_path / "a").write_bytes(now)
    assert damage(tmp_path / "a", written) == said
