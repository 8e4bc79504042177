"""Formulas printed for numba and CUDA."""

from netdef.layers.formula import INTRINSICS, read
from runtime.kernels.cpu.intrinsics import SCOPE
from runtime.kernels.formula import CPP, NUMBA


def softened(x, slope):
    """What is said of it is no part of it."""
    y = abs(x) + 1
    return x / y if x > 0 and slope != 1 else -slope * max(x, y**2)


def inside(x, lowest, highest):
    return 1 if lowest <= x <= highest else 0


def test_numba_text_keeps_to_float32() -> None:
    found = read(softened, {"slope"}, 1)
    assert NUMBA.text(found.locals[0][1]) == "(abs(x) + np.float32(1.0))"
    assert NUMBA.text(found.results[0]) == (
        "((x / y) if ((x > np.float32(0.0)) and (slope != np.float32(1.0))) else ((-slope) * larger(x, (y ** np.float32(2.0)))))"
    )


def test_cuda_text() -> None:
    found = read(softened, {"slope"}, 1)
    assert CPP.text(found.locals[0][1]) == "(fabsf(x) + 1.0f)"
    assert CPP.text(found.results[0]) == "(((x > 0.0f) && (slope != 1.0f)) ? (x / y) : ((-slope) * larger(x, powf(y, 2.0f))))"


def test_a_chained_comparison_is_two_in_cuda() -> None:
    found = read(inside, {"lowest", "highest"}, 1)
    assert CPP.text(found.results[0]) == "(((lowest <= x) && (x <= highest)) ? 1.0f : 0.0f)"


def test_every_device_has_every_intrinsic() -> None:
    assert {NUMBA.names.get(name, name) for name in INTRINSICS} <= set(SCOPE)
    assert set(INTRINSICS) <= set(CPP.names)
