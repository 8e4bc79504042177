"""A stand-in for the functions of cuBLAS that cuda_gemm.py calls: column-major matrices of the cards' memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

if TYPE_CHECKING:
    from tests.runtime.machine.cuda.fake_cupy import Cards
    from tests.runtime.machine.cuda.fake_cupy.streams import Queue

INVALID_VALUE = 7


def to_bf16(numbers: np.ndarray) -> np.ndarray:
    """Rounded to 7 bits behind the point, ties to even."""
    bits = np.ascontiguousarray(numbers).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)


class FakeCublas:
    """One library; handles are numbers."""

    def __init__(self, cards: Cards):
        self._cards = cards
        self._queues: dict[int, Queue] = {}
        self._workspaces: dict[int, tuple[int, int]] = {}
        self.math: dict[int, int] = {}
        self._handles = 0
        self.flops = 0  # of all products that ran

    def cublasCreate_v2(self, handle: Any) -> int:  # noqa: N802
        self._handles += 1
        handle._obj.value = self._handles
        return 0

    def cublasDestroy_v2(self, handle: Any) -> int:  # noqa: N802
        del self._queues[handle.value]
        return 0

    def cublasSetStream_v2(self, handle: Any, stream: int) -> int:  # noqa: N802
        self._queues[handle.value] = self._cards.scheduler.queues[stream - 1]
        self._workspaces.pop(handle.value, None)
        return 0

    def cublasSetWorkspace_v2(self, handle: Any, workspace: int, size: int) -> int:  # noqa: N802
        self._workspaces[handle.value] = (workspace, size)
        return 0

    def cublasSetMathMode(self, handle: Any, mode: int) -> int:  # noqa: N802
        self.math[handle.value] = mode
        return 0

    def cublasSgemm_v2(  # noqa: N802
        self, handle: Any, transa: int, transb: int, m: int, n: int, k: int, alpha: Any, a: int, lda: int, b: int, ldb: int,
        beta: Any, c: int, ldc: int,
    ) -> int:  # fmt: skip
        return self.cublasSgemmStridedBatched(
            handle, transa, transb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1
        )  # fmt: skip

    def cublasSgemmStridedBatched(  # noqa: N802
        self, handle: Any, transa: int, transb: int, m: int, n: int, k: int, alpha: Any, a: int, lda: int, stride_a: int,
        b: int, ldb: int, stride_b: int, beta: Any, c: int, ldc: int, stride_c: int, batch: int,
    ) -> int:  # fmt: skip
        """c = alpha op(a) op(b) + beta c; column-major, so that element (i, j) of a lies at i + j lda."""
        return self._multiply(
            handle, transa, transb, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch
        )  # fmt: skip

    def cublasGemmStridedBatchedEx(  # noqa: N802
        self, handle: Any, transa: int, transb: int, m: int, n: int, k: int, alpha: Any, a: int, type_a: int, lda: int,
        stride_a: int, b: int, type_b: int, ldb: int, stride_b: int, beta: Any, c: int, type_c: int, ldc: int, stride_c: int,
        batch: int, compute: int, way: int,
    ) -> int:  # fmt: skip
        """The same of numbers that are rounded to bfloat16."""
        assert (type_a, type_b, type_c, compute, way) == (0, 0, 0, 75, -1)
        return self._multiply(
            handle, transa, transb, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch, to_bf16
        )  # fmt: skip

    def _multiply(
        self, handle: Any, transa: int, transb: int, m: int, n: int, k: int, alpha: Any, a: int, lda: int, stride_a: int,
        b: int, ldb: int, stride_b: int, beta: Any, c: int, ldc: int, stride_c: int, batch: int,
        rounded: Callable[[np.ndarray], np.ndarray] = np.asarray,
    ) -> int:  # fmt: skip
        if handle.value not in self._workspaces:
            raise AssertionError("without a workspace of its own a handle cannot be captured")
        rows_a, rows_b = (k if transa else m), (n if transb else k)
        if lda < max(1, rows_a) or ldb < max(1, rows_b) or ldc < max(1, m) or min(m, n, k, batch) < 1:
            return INVALID_VALUE
        scale, keep = alpha._obj.value, beta._obj.value

        def run() -> None:
            left = self._matrices(a, rows_a, m if transa else k, lda, stride_a, batch)
            right = self._matrices(b, rows_b, k if transb else n, ldb, stride_b, batch)
            result = self._matrices(c, m, n, ldc, stride_c, batch)
            product = np.matmul(*map(rounded, (left.swapaxes(1, 2) if transa else left, right.swapaxes(1, 2) if transb else right)))
            result[...] = scale * product + (keep * result if keep else 0)
            self.flops += 2 * m * n * k * batch

        queue = self._queues[handle.value]
        self._cards.calls["gemm"] += queue.capture is None
        self._cards.scheduler.put(queue, run, "gemm")
        return 0

    def _matrices(self, address: int, rows: int, columns: int, leading: int, stride: int, batch: int) -> np.ndarray:
        size = (batch - 1) * stride + (columns - 1) * leading + rows
        floats = self._cards.find(address, 4 * size).view(np.float32)
        return as_strided(floats, (batch, rows, columns), (4 * stride, 4, 4 * leading))
