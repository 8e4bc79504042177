"""Values as bytes between ranks."""

from __future__ import annotations

import pickle
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.machine.ranks.courier import VALUE, Courier
from runtime.machine.ranks.values import packed, unpacked
from tests.runtime.machine.ranks.loopback import Loopback, Mail

VALUES = [
    None,
    True,
    -(2**80),
    0.1,
    float("inf"),
    "ä \udcff\n",
    b"",
    [b"\0\1", (1, [2.5, None]), b"xyz"],
    {1: "one", ("a", 2): {"mapping": [], "": ()}, None: b"q"},
    Path("runs/a b"),
    (),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back(value: Any) -> None:
    found = unpacked(packed(value))
    assert found == value
    assert type(found) is type(value) or isinstance(value, Path)


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(3, 2).T, np.zeros((0, 4), np.int64), np.array(3, np.uint8)], ids=str)
def test_arrays_come_back(array: np.ndarray) -> None:
    (found, after) = unpacked(packed((array, b"after")))
    assert (found.dtype, found.shape, after) == (array.dtype, array.shape, b"after")
    assert np.array_equal(found, array)
    found[...] = 1  # it may be written to


OTHERS = {"object": object(), "signal": signal.SIGTERM, "set": {1, 2}, "objects": np.array([None]), "function": [print]}


@pytest.mark.parametrize("value", OTHERS.values(), ids=OTHERS)
def test_other_types_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="ranks do not send each other a"):
        packed(value)


ARRAY = packed(np.arange(3.0))
DAMAGED = [b"", ARRAY[:-1], ARRAY + b"x", ARRAY[:4], ARRAY.replace(b"<f8", b"|O8"), packed({}).replace(b"mapping", b"newthing")]


@pytest.mark.parametrize("message", DAMAGED, ids=range(len(DAMAGED)))
def test_what_is_no_value_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError):
        unpacked(message)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "run",)

    mail = Mail(2)
    courier = Courier(Loopback(mail, 0))
    Loopback(mail, 1).notify(VALUE + pickle.dumps(Bomb()), 0)
    with pytest.raises(Exception, match="messages between ranks failed"):
        courier.hear(1)
    courier.close()
    assert not (tmp_path / "run").exists()
