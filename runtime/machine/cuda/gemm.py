"""Matrix products by cuBLAS, called through ctypes: CuPy's own binding refuses to be captured into a CUDA graph.

cuBLAS is column-major: a row-major matrix is its transpose there, so c = a . b is asked for as c^T = b^T . a^T.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

from netdef.language.diagnostics import NetdefError
from runtime.kernels.cuda.registry import Gemm, Matrix
from runtime.machine.cuda.cards import NO_GPU, TOOLKIT, first_line

FP32, TF32 = 0, 3  # CUBLAS_DEFAULT_MATH, CUBLAS_TF32_TENSOR_OP_MATH
MODES = {"fp32": FP32, "3xtf32": FP32, "tf32": TF32, "bf16": FP32}
FLOATS, BF16 = 0, 75  # CUDA_R_32F; CUBLAS_COMPUTE_32F_FAST_16BF: of float32 numbers, rounded to bfloat16 on their way
ANY_WAY = -1  # CUBLAS_GEMM_DEFAULT
PLAIN, TRANSPOSED = 0, 1  # CUBLAS_OP_N, CUBLAS_OP_T
LEAST_WORKSPACE, MOST_WORKSPACE = 4 << 20, 32 << 20  # bytes that NVIDIA recommends: before Hopper, and from Hopper on
WORKSPACE_SHARE = 512  # of a card's memory, one part in so many is not missed

_pointer, _int, _long = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
SIGNATURES: dict[str, list[Any]] = {  # cublas_api.h
    "cublasCreate_v2": [ctypes.POINTER(_pointer)],
    "cublasDestroy_v2": [_pointer],
    "cublasSetStream_v2": [_pointer, _pointer],
    "cublasSetWorkspace_v2": [_pointer, _pointer, ctypes.c_size_t],
    "cublasSetMathMode": [_pointer, _int],
    "cublasSgemm_v2": [
        _pointer, _int, _int, _int, _int, _int, ctypes.POINTER(ctypes.c_float),
        _pointer, _int, _pointer, _int, ctypes.POINTER(ctypes.c_float), _pointer, _int,
    ],
    "cublasSgemmStridedBatched": [
        _pointer, _int, _int, _int, _int, _int, ctypes.POINTER(ctypes.c_float),
        _pointer, _int, _long, _pointer, _int, _long,
        ctypes.POINTER(ctypes.c_float), _pointer, _int, _long, _int,
    ],
    "cublasGemmStridedBatchedEx": [
        _pointer, _int, _int, _int, _int, _int, ctypes.POINTER(ctypes.c_float),
        _pointer, _int, _int, _long, _pointer, _int, _int, _long,
        ctypes.POINTER(ctypes.c_float), _pointer, _int, _int, _long, _int, _int, _int,
    ],
}  # fmt: skip


def load_library(cupy: Any) -> Any:
    """libcublas, the one that CuPy uses.

    Raises
    ------
    NetdefError: it is not there.
    """
    try:
        from cupy_backends.cuda.libs import cublas  # noqa: F401 - finds the library and loads it

        library = ctypes.CDLL(f"libcublas.so.{int(cupy.cuda.runtime.runtimeGetVersion()) // 1000}")
    except Exception as error:  # a broken installation may raise anything
        message = f"{NO_GPU}: cuBLAS cannot be loaded ({first_line(error)})"
        raise NetdefError(message, hint=f"it {TOOLKIT}") from None
    for name, arguments in SIGNATURES.items():
        getattr(library, name).argtypes = arguments
    return library


def workspace_of(memory: int) -> int:
    """Bytes for cuBLAS on a card with so many.

    Partial results of long sums lie there: in the least there is room for one of AlexNet's conv3, whose weights are 3.5 MB.
    """
    return max(LEAST_WORKSPACE, min(MOST_WORKSPACE, memory // WORKSPACE_SHARE))


class Cublas:
    """A handle of one card and stream, with a workspace of its own, as a captured graph needs it.

    Parameters
    ----------
    stream: that the products run on.
    math: a key of MODES.
    workspace, size: memory on the card, which must stay until `close`.
    """

    def __init__(self, library: Any, stream: int, math: str, workspace: int, size: int):
        self._library, self._math = library, math
        self._handle = ctypes.c_void_p()
        self._one, self._zero = ctypes.c_float(1), ctypes.c_float(0)
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._call("cublasSetStream_v2", self._handle, stream)  # before the workspace, which it would take away again
        self._call("cublasSetWorkspace_v2", self._handle, workspace, size)
        self._call("cublasSetMathMode", self._handle, MODES[math])

    def bind(self, gemm: Gemm, address: Callable[[Matrix], int]) -> Callable[[], None]:
        """A product ready to be put on the stream.

        Parameters
        ----------
        address: where a matrix's first number lies.
        """
        a, b, c = gemm.a, gemm.b, gemm.c
        one, beta = ctypes.byref(self._one), ctypes.byref(self._one if gemm.accumulate else self._zero)
        extents = _order(b), _order(a), gemm.n, gemm.m, gemm.k, one
        if self._math == "bf16":
            typed = address(b), FLOATS, b.leading, b.stride, address(a), FLOATS, a.leading, a.stride
            made = beta, address(c), FLOATS, c.leading, c.stride, gemm.batch, BF16, ANY_WAY
            return partial(self._call, "cublasGemmStridedBatchedEx", self._handle, *extents, *typed, *made)
        if gemm.batch == 1:  # cuBLAS has more ways to compute these, such as cutting a long k
            matrices = address(b), b.leading, address(a), a.leading, beta, address(c), c.leading
            return partial(self._call, "cublasSgemm_v2", self._handle, *extents, *matrices)
        factors = address(b), b.leading, b.stride, address(a), a.leading, a.stride
        result = beta, address(c), c.leading, c.stride, gemm.batch
        return partial(self._call, "cublasSgemmStridedBatched", self._handle, *extents, *factors, *result)

    def close(self) -> None:
        """Give the handle back, once: the library does not know one that is gone."""
        if self._handle:
            handle, self._handle = self._handle, ctypes.c_void_p()
            self._call("cublasDestroy_v2", handle)

    def _call(self, function: str, *arguments: Any) -> None:
        status = getattr(self._library, function)(*arguments)
        if status:
            raise NetdefError(f"{function} failed with status {status}", hint="see cublasStatus_t in NVIDIA's documentation")


def _order(matrix: Matrix) -> int:
    return TRANSPOSED if matrix.transposed else PLAIN
