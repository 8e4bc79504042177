"""Blobs of more than 2 ** 31 numbers: indices do not overflow, and what a kernel cannot count is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from netdef import NetdefError
from runtime.kernels.cuda.registry import plan
from runtime.kernels.operand import Operand
from tests.runtime.kernels.cuda.conftest import Say
from tests.runtime.kernels.cuda.large import SIZES, cases
from tests.runtime.kernels.cuda.on_cpu import compile_all, compiler
from tests.runtime.kernels.cuda.running import functions_of
from tests.runtime.kernels.cuda.sanitizers import run_beside, runtime_library


@pytest.mark.slow
def test_no_index_overflows(tmp_path: Path, say: Say) -> None:
    kind = "sanitized" if runtime_library() else "plain"
    needed = functions_of(case.plan(many) for _, many in SIZES for case in cases())
    libraries = compile_all(needed, kind)
    ran, words = run_beside("tests.runtime.kernels.cuda.large", libraries, tmp_path)
    assert not words, words[-4000:]
    assert ran == len(SIZES) * [case.kernel for case in cases()]
    say(f"CUDA kernels on arrays of more than 2 ** 31 numbers: {len(ran)} runs, {kind}, {' '.join(compiler())}")


def test_arrays_are_large_and_small() -> None:
    for few, many in SIZES:
        for case in cases():
            assert max(array.of(many).size for array in (*case.arrays, case.workspace or case.arrays[0])) > 1 << 31, case.kernel
            assert max(array.of(few).size for array in case.arrays) < 1 << 20


def test_what_cannot_be_counted_is_refused() -> None:
    """More than 2 ** 31 numbers in one channel."""
    x = Operand((3, 4096, 4096, 512))
    with pytest.raises(NetdefError, match=r"4096 x 4096 x 128 numbers in one channel(?s:.*)smaller batch"):
        plan("pool_ave_backward", [x, x], {"kernel": (1, 1), "stride": (1, 1), "pad": (0, 0)})
    y, w, b = Operand((1, 4096, 4096, 128)), Operand((1, 3, 1, 1)), Operand((1,))
    window = {"kernel": (1, 1), "stride": (1, 1), "pad": (0, 0), "dilation": (1, 1), "group": 1}
    with pytest.raises(NetdefError, match=r"4096 x 524288 numbers in one channel"):  # which are a row of a product's matrices
        plan("conv2d", [Operand((3, 4096, 4096, 128)), w, b, y], {**window, "has_bias": False, "relu": False, "slope": 0.0})
