"""Damaged files: whatever bytes are lost or changed, reading ends with arrays or with one diagnostic."""

import random

import pytest

from netdef import NetdefError
from netdef.cli.main import run
from netdef.weights import read_weights, wire
from runtime.solver.solverstate import read_solverstate
from tests.netdef.weights.files import BINARY, FILES, HDF5

READERS = {
    BINARY: read_weights,
    HDF5: read_weights,
    FILES / "snap_iter_4.solverstate": read_solverstate,
    FILES / "snap_iter_4.solverstate.h5": read_solverstate,
}
MUTATIONS = 400  # of each file
COMMANDS = {"shapes": ["FILE"], "diff": ["FILE", "WHOLE"], "convert": ["FILE", "out.caffemodel"]}
LARGEST = (1 << 31) - 1  # extent that a shape may have


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


@pytest.mark.parametrize("path", [BINARY, HDF5], ids=lambda path: path.suffix)
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_end_in_a_result_or_one_error(command, path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    draw, whole, codes = random.Random(command), path.read_bytes(), []
    target = tmp_path / path.name
    words = {"FILE": str(target), "WHOLE": str(path)}
    for _ in range(12):
        target.write_bytes(mutated(whole[:2048], draw) + whole[2048:])
        codes.append(run([command, *(words.get(word, word) for word in COMMANDS[command])]))
        assert ("error: " in capsys.readouterr().err) == (codes[-1] == 2)
    assert set(codes) <= {0, 1, 2} and 2 in codes


@pytest.mark.parametrize("dims", [[0, *[LARGEST] * 3], [*[LARGEST] * 31, 0]], ids=len)
def test_a_shape_without_numbers_that_is_beyond_numpy_is_named(dims, tmp_path):
    def field(number, data):
        return wire.prefix(number, len(data)) + data

    shape = field(wire.SHAPE_DIM, b"".join(bytes(wire.varint(dim)) for dim in dims))
    layer = field(1, b"fc") + field(wire.LAYER_BLOBS, field(wire.SHAPE, shape))
    (tmp_path / "a.caffemodel").write_bytes(field(wire.LAYERS, layer))
    with pytest.raises(NetdefError, match=r"a\.caffemodel is not a \.caffemodel, .* a blob of shape .* too large"):
        read_weights(tmp_path / "a.caffemodel")
