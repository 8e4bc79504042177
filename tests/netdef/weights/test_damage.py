"""Damaged files: whatever bytes are lost or changed, reading ends with arrays or with one diagnostic."""

import random

import pytest

from netdef import NetdefError
from netdef.weights import read_weights
from runtime.solver.solverstate import read_solverstate
from tests.netdef.weights.files import BINARY, FILES, HDF5

READERS = {
    BINARY: read_weights,
    HDF5: read_weights,
    FILES / "snap_iter_4.solverstate": read_solverstate,
    FILES / "snap_iter_4.solverstate.h5": read_solverstate,
}
MUTATIONS = 400  # of each file


def mutated(data, draw):
    """The same bytes with a few overwritten, removed, repeated or cut off."""
    data = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data))
        what = draw.randrange(6)
        if what < 3:
            data[at] = draw.choice([0, 1, 0x7F, 0x80, 0xFF, data[at] ^ 1 << draw.randrange(8)])
        elif what == 3:
            data[at : at + 8] = draw.randbytes(8)
        elif what == 4:
            del data[at + 1 : at + draw.randint(2, 17)]
        else:
            del data[at + 1 :]
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("path", READERS, ids=lambda path: path.name)
def test_any_damage_ends_in_arrays_or_one_diagnostic(path, tmp_path):
    draw, whole, refused = random.Random(1), path.read_bytes(), 0
    target = tmp_path / path.name
    head = 2048  # where HDF5 keeps its structure; most of the rest is numbers
    for number in range(MUTATIONS):
        data = mutated(whole[:head], draw) + whole[head:] if number % 2 else mutated(whole, draw)
        target.write_bytes(data)
        try:
            READERS[path](target)
        except NetdefError as error:
            refused += 1
            assert len(error.diagnostics) == 1 and str(target) in str(error)
    assert refused > MUTATIONS // 10
