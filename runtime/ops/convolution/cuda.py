"""Plans of a convolution: im2col in chunks of output rows, matrix products batched over the groups, launches of convolution.cu.

    y  = w . col(x)          one product a chunk, its result in place
    dw = dy . col(x)^T       the chunks' products added up in order; few groups' one by one
    dx = col2im(w^T . dy)    each chunk adds to the rows that earlier chunks reached

A chunk is as many output rows as the workspace holds, at least one.  A window of one element (1 x 1, stride 1, no padding) needs no
copy: the blob is its own matrix.  Groups of one input channel and few outputs have kernels of their own, in depthwise.cu.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, elements, ints, name, rows, table, width
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import AnyLaunch, Gemm, Launch, Matrix, Plan, plans
from runtime.kernels.operand import Operand, Pointer, Workspace
from runtime.ops.convolution import depthwise_cuda
from runtime.ops.convolution.geometry import Geometry, Pair, is_depthwise_on_cards

FILE = "convolution.cu"
WARP, MOST_THREADS = 32, 512  # in a block that sums up
ALIGNMENT = 256  # bytes, of what follows something else in the workspace
FEW_GROUPS = 4  # whose products of long rows are separate calls


class Windows:
    """A convolution's extents: those of its input x (C, H, W, N) and its output y (O, OH, OW, N), and its window.

    Parameters
    ----------
    limit: bytes that its matrices should not exceed; they hold one output row at least.
    offset: where in the workspace they begin.

    Attributes
    ----------
    rows: of a group's matrix, (C / group) * kh * kw.
    columns: of one output row, OW * N.
    chunks: [first, last) output rows of each chunk.
    workspace: bytes of the largest chunk's matrices.
    aligned: other arrays than the image that must begin where packs may.
    """

    def __init__(self, x: Operand, y: Operand, geometry: Geometry, limit: int, offset: int = 0):
        self.C, self.H, self.W, self.N = x.shape
        self.O, self.OH, self.OW, _ = y.shape
        self.kernel, self.stride, self.pad, self.dilation, self.group = kernel, stride, pad, _, group = geometry
        self.matrices: Pointer = Workspace(offset)
        self.aligned: tuple[Operand, ...] = ()
        self.pointwise = (kernel, stride, pad) == ((1, 1), (1, 1), (0, 0))
        self.rows = self.C // group * kernel[0] * kernel[1]
        self.columns = self.OW * self.N
        elements(self.OH, self.columns)  # cuBLAS counts them in an int
        row_bytes = 4 * group * self.rows * self.columns
        count = 1 if self.pointwise else -(-self.OH // max(1, limit // row_bytes))
        most = -(-self.OH // count)
        self.chunks = [(first, min(first + most, self.OH)) for first in range(0, self.OH, most)]
        self.workspace = 0 if self.pointwise else row_bytes * most

    def col(self, x: int, chunk: Pair, transposed: bool = False) -> Matrix:
        """Each group's windows of a chunk: in the workspace, or the n-th array itself where they need no copy."""
        columns = self.columns * (chunk[1] - chunk[0])
        return Matrix(x if self.pointwise else self.matrices, 0, columns, self.rows * columns, transposed)

    def outputs(self, y: int, chunk: Pair) -> Matrix:
        """Each group's region of the n-th array, shaped like y, in a chunk."""
        leading = self.OH * self.columns
        return Matrix(y, chunk[0] * self.columns, leading, self.O // self.group * leading)

    def weights(self, w: Pointer, transposed: bool = False) -> Matrix:
        return Matrix(w, 0, self.rows, self.O // self.group * self.rows, transposed)

    def function(self, function: str, wide: int) -> str:
        return name(function, wide, *self.kernel, *self.stride, *self.pad, *self.dilation)

    def im2col(self, operand: Operand, x: int, chunk: Pair) -> Iterator[Launch]:
        """The launch that fills `col`, if one is needed."""
        if self.pointwise:
            return
        wide, positions = width(operand, *self.aligned, run=self.N), (chunk[1] - chunk[0]) * self.OW
        packs = self.N // wide
        scalars = (self.C, self.H, self.W, packs, self.OW, chunk[0], positions)
        grid = (blocks(elements(positions, packs)), rows(self.C), 1)
        seen = prod(len(set(inside)) for inside in self.inside(chunk))
        work = 4 * self.C * self.N * (seen + prod(self.kernel) * positions), 0
        yield Launch(FILE, self.function("im2col", wide), grid, (THREADS, 1, 1), (x, self.matrices), ints(*scalars), work)

    def inside(self, chunk: Pair) -> tuple[list[int], list[int]]:
        """The rows, and the columns, of x that the windows of a chunk see, each as often as windows see it."""

        def along(axis: int, windows: range, size: int) -> list[int]:
            starts = (window * self.stride[axis] - self.pad[axis] for window in windows)
            seen = (start + i * self.dilation[axis] for start in starts for i in range(self.kernel[axis]))
            return [at for at in seen if 0 <= at < size]

        return along(0, range(*chunk), self.H), along(1, range(self.OW), self.W)

    def reached(self, last: int) -> int:
        """How many rows of x the windows of the output rows before `last` have reached; all, after the last one."""
        if last in (0, self.OH):
            return self.H if last else 0
        return min(max((last - 1) * self.stride[0] - self.pad[0] + (self.kernel[0] - 1) * self.dilation[0] + 1, 0), self.H)

    def col2im(self, operand: Operand, dx: int, chunk: Pair) -> Iterator[Launch]:
        """The launch that adds `col` up, if one is needed."""
        if self.pointwise:
            return
        first, last = chunk
        fresh, end = self.reached(first), self.reached(last)
        begin = min(fresh, max(first * self.stride[0] - self.pad[0], 0))
        if begin == end:
            return
        wide = width(operand, *self.aligned, run=self.N)
        packs, size = self.N // wide, elements(end - begin, self.W)
        scalars = (self.C, self.H, self.W, packs, self.OW, first, last, begin, fresh, size)
        grid = (blocks(elements(size, packs)), rows(self.C), 1)
        parts = prod(len(inside) for inside in self.inside(chunk))
        work = 4 * self.C * self.N * (parts + (fresh - begin + end - begin) * self.W), self.C * self.N * parts
        yield Launch(FILE, self.function("col2im", wide), grid, (THREADS, 1, 1), (self.matrices, dx), ints(*scalars), work)


@plans
def conv2d(
    x: Operand,
    w: Operand,
    b: Operand,
    y: Operand,
    has_bias: bool,
    relu: bool,
    slope: float,
    target: Target,
    **constants: Pair | int,
) -> Launch | Plan:
    geometry = Geometry(**constants)  # type: ignore[arg-type]
    if is_depthwise_on_cards(geometry, w):
        return depthwise_cuda.forward(x, w, b, y, geometry, has_bias, relu, slope)
    windows = Windows(x, y, geometry, target.workspace)
    rows = Operand((1, windows.O, windows.OH * windows.columns), address=y.address)
    return Plan((*products(windows, x, 0, 1, 3), *bias_relu(rows, 2, 3, has_bias, relu, slope)), windows.workspace)


def products(windows: Windows, operand: Operand, x: int, w: Pointer, y: int) -> Iterator[AnyLaunch]:
    """The n-th array y = w . col(x), chunk by chunk; `operand` is x."""
    for chunk in windows.chunks:
        yield from windows.im2col(operand, x, chunk)
        n = windows.columns * (chunk[1] - chunk[0])
        factors = windows.weights(w), windows.col(x, chunk), windows.outputs(y, chunk)
        yield Gemm(windows.O // windows.group, n, windows.rows, *factors, batch=windows.group)


def bias_relu(y: Operand, bias: int, array: int, has_bias: bool, relu: bool, slope: float) -> Iterator[Launch]:
    """What a product's result y (A, O, columns), the n-th array, still needs."""
    if not (has_bias or relu):
        return
    A, O, columns = y.shape
    wide = width(y, run=columns)
    grid, block = table(A * O, columns // wide)
    scalars = np.int32(O), np.int64(A * O), np.int32(elements(columns // wide)), np.float32(slope)
    work = 4 * (2 * y.size + O * has_bias), y.size * (has_bias + relu)
    yield Launch(FILE, name("bias_relu", wide, has_bias, relu), grid, block, (bias, array), scalars, work)


@plans
def conv2d_weight_gradient(x: Operand, dy: Operand, dw: Operand, target: Target, **constants: Pair | int) -> Plan:
    geometry = Geometry(**constants)  # type: ignore[arg-type]
    if is_depthwise_on_cards(geometry, dw):
        return depthwise_cuda.weight_gradient(x, dy, dw, geometry)
    windows, group = Windows(x, dy, geometry, target.workspace), geometry.group
    launches: list[AnyLaunch] = []
    for chunk in windows.chunks:
        launches += windows.im2col(x, 0, chunk)
        k = windows.columns * (chunk[1] - chunk[0])
        product = windows.outputs(1, chunk), windows.col(0, chunk, transposed=True), windows.weights(2)
        gemm = Gemm(windows.O // group, windows.rows, k, *product, batch=group, accumulate=chunk[0] > 0)
        launches += one_by_one(gemm) if group <= FEW_GROUPS else [gemm]
    return Plan(tuple(launches), windows.workspace)


def one_by_one(gemm: Gemm) -> Iterator[Gemm]:
    """A batch's products.

    Few small results of long sums keep a large card busy only where each sum is cut, and cuBLAS does not cut those of batches.
    """

    def own(matrix: Matrix, index: int) -> Matrix:
        return replace(matrix, offset=matrix.offset + index * matrix.stride, stride=0)

    for index in range(gemm.batch):
        yield replace(gemm, a=own(gemm.a, index), b=own(gemm.b, index), c=own(gemm.c, index), batch=1)


@plans
def conv2d_input_gradient(dy: Operand, w: Operand, dx: Operand, target: Target, **constants: Pair | int) -> Launch | Plan:
    geometry = Geometry(**constants)  # type: ignore[arg-type]
    if is_depthwise_on_cards(geometry, w):
        return depthwise_cuda.input_gradient(dy, w, dx, geometry)
    group, per_group = geometry.group, w.shape[1]
    # As a convolution of dy the copies grow with the outputs, by col2im (which reads and writes) with the inputs.
    windows = Windows(dx, dy, geometry, target.workspace)
    if geometry.stride == (1, 1) and w.shape[0] // group < 2 * per_group and not windows.pointwise:
        return as_convolution(dy, w, dx, geometry, target.workspace)
    launches: list[AnyLaunch] = []
    for chunk in windows.chunks:
        n = windows.columns * (chunk[1] - chunk[0])
        product = windows.weights(1, transposed=True), windows.outputs(0, chunk), windows.col(2, chunk)
        launches.append(Gemm(windows.rows, n, windows.O // group, *product, batch=group))
        launches += windows.col2im(dx, 2, chunk)
    return Plan(tuple(launches), windows.workspace)


def as_convolution(dy: Operand, w: Operand, dx: Operand, geometry: Geometry, limit: int) -> Plan:
    """Of windows that move by 1: dx as the convolution of dy with flipped weights, which lie first in the workspace."""
    flipped = Workspace()
    height, width = (d * (k - 1) - p for d, k, p in zip(geometry.dilation, geometry.kernel, geometry.pad, strict=True))
    offset = -(-w.bytes // ALIGNMENT) * ALIGNMENT
    windows = Windows(dy, dx, geometry._replace(pad=(height, width)), max(0, limit - offset), offset)
    return Plan((flip_weights(w, flipped, geometry.group), *products(windows, dy, 0, flipped, 2)), offset + windows.workspace)


def flip_weights(w: Operand, flipped: Pointer, group: int) -> Launch:
    """Weights of a plan's array 1 with inputs and outputs of each group exchanged and both axes of the window reversed."""
    O, per_group, kh, kw = w.shape
    scalars = ints(per_group, O // group, elements(w.size))
    work = 8 * w.size, 0
    return Launch(FILE, name("flip_weights", kh, kw), (blocks(w.size), 1, 1), (THREADS, 1, 1), (1, flipped), scalars, work)


@plans
def bias_gradient(dy: Operand, db: Operand) -> Launch:
    A, O, height, columns = dy.shape
    wide = width(dy, run=height * columns)
    packs = height * columns // wide
    threads = WARP  # few for a layer of many short rows, many for one of a few long ones
    while threads < min(packs, MOST_THREADS):
        threads *= 2
    scalars = np.int32(A), np.int32(O), np.int64(packs)
    return Launch(FILE, name("bias_gradient", wide, threads), (O, 1, 1), (threads, 1, 1), (0, 1), scalars)


@plans
def im2col(x: Operand, y: Operand, **window: Pair) -> Plan:
    windows = columns_of(x, y, 1, window)
    return Plan(tuple(windows.im2col(x, 0, (0, windows.OH))))


@plans
def col2im(dy: Operand, dx: Operand, **window: Pair) -> Plan:
    windows = columns_of(dx, dy, 0, window)
    return Plan(tuple(windows.col2im(dx, 1, (0, windows.OH))))


def columns_of(x: Operand, y: Operand, columns: int, window: Mapping[str, Pair]) -> Windows:
    """Windows of x whose matrices are an array of the instruction, y."""
    windows = Windows(x, y, Geometry(group=1, **window), 0)
    windows.matrices, windows.aligned = columns, (y,)
    return windows
