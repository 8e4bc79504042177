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
from typing import Any

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, elements, ints, name, rows, stored, table, width
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import CUDA_KERNELS, AnyLaunch, Gemm, Launch, Matrix, Plan, narrows, plans
from runtime.kernels.operand import Operand, Pointer, Workspace
from runtime.ops.convolution import depthwise_cuda, implicit_cuda
from runtime.ops.convolution.geometry import Geometry, Pair, is_depthwise_on_cards

FILE = "convolution.cu"
WARP, MOST_THREADS = 32, 512  # in a block that sums up
ALIGNMENT = 256  # bytes, of what follows something else in the workspace
TILE = 128  # rows and columns of a result that one block of cuBLAS makes
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
    return _forward(x, w, y, 3, geometry, target, has_bias, relu, slope)


@plans
def conv2d_add(
    x: Operand,
    w: Operand,
    b: Operand,
    more: Operand,
    y: Operand,
    has_bias: bool,
    relu: bool,
    slope: float,
    target: Target,
    **constants: Pair | int,
) -> Plan:
    """The convolution into y, the array 4; then y = y + more, the array 3."""
    made = _forward(x, w, y, 4, Geometry(**constants), target, has_bias, False, 0.0)  # type: ignore[arg-type]
    result, other = (replace(operand, shape=(operand.size,)) for operand in (y, more))
    after = CUDA_KERNELS["add_relu"](result, other, result, slope=slope) if relu else CUDA_KERNELS["add"](result, other, result)
    work = 2 * y.bytes + more.bytes, (1 + relu) * y.size
    sums = (replace(one, pointers=(4, 3, 4), work=work) for one in after.launches if isinstance(one, Launch))
    return replace(made, launches=(*made.launches, *sums))


def _forward(
    x: Operand, w: Operand, y: Operand, to: int, geometry: Geometry, target: Target, has_bias: bool, relu: bool, slope: float
) -> Plan:
    """A convolution of the arrays 0, 1 and 2 into the one of number `to`, y."""
    if implicit_cuda.fits(x, w, y, geometry, target):
        return Plan((implicit_cuda.forward(x, w, y, (0, 1, 2, to), geometry, target, has_bias, relu, slope),))
    windows = Windows(x, y, geometry, target.workspace)
    rows = Operand((1, windows.O, windows.OH * windows.columns), address=y.address)
    return Plan((*products(windows, x, 0, 1, to), *bias_relu(rows, 2, to, has_bias, relu, slope)), windows.workspace)


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
    if implicit_cuda.fits(x, dw, dy, geometry, target):
        return implicit_cuda.weight_gradient(x, dy, dw, geometry, target)
    group = geometry.group
    splits = gradient_splits(dw, dy, group, target)
    parts = aligned(splits * dw.bytes) if splits > 1 else 0
    windows = Windows(x, dy, geometry, max(0, target.workspace - parts), parts)
    if splits > 1 and parts + windows.workspace > target.workspace:  # a row of its matrices leaves no room for them
        splits, parts, windows = 1, 0, Windows(x, dy, geometry, target.workspace)
    launches: list[AnyLaunch] = []
    for chunk in windows.chunks:
        launches += windows.im2col(x, 0, chunk)
        k = windows.columns * (chunk[1] - chunk[0])
        result = windows.weights(2 if splits == 1 else Workspace())
        product = windows.outputs(1, chunk), windows.col(0, chunk, transposed=True), result
        gemm = Gemm(windows.O // group, windows.rows, k, *product, batch=group, accumulate=chunk[0] > 0)
        launches += one_by_one(gemm, splits, dw.size) if group <= FEW_GROUPS else [gemm]
    if splits > 1:
        launches.append(implicit_cuda.sum_splits(dw, 2, splits))
    return Plan(tuple(launches), parts + windows.workspace)


def gradient_splits(dw: Operand, dy: Operand, group: int, target: Target) -> int:
    """Into how many products of equal length those of a weight gradient are cut, each a multiple of 4 numbers long.

    Few small results of long sums keep a large card busy only so; what cuBLAS would do itself depends on its version.
    """
    if group > FEW_GROUPS:
        return 1
    tiles = group * blocks(dw.shape[0] // group, TILE) * blocks(dw.size // dw.shape[0], TILE)
    wanted = implicit_cuda.splits_of(tiles, prod(dy.shape[1:]), replace(target, workspace=target.workspace // 4), dw.bytes)
    row = dy.shape[2] * dy.shape[3]  # the length of which that of every chunk is a multiple
    return next((splits for splits in range(wanted, 1, -1) if row % (4 * splits) == 0), 1)


def one_by_one(gemm: Gemm, splits: int, result: int) -> Iterator[Gemm]:
    """A batch's products, each as a batch of so many that make a share of its sums, `result` numbers apart."""

    def own(matrix: Matrix, index: int, stride: int) -> Matrix:
        return replace(matrix, offset=matrix.offset + index * matrix.stride, stride=stride if splits > 1 else 0)

    k = gemm.k // splits
    for index in range(gemm.batch):
        factors = own(gemm.a, index, k), own(gemm.b, index, k), own(gemm.c, index, result)
        yield replace(gemm, k=k, a=factors[0], b=factors[1], c=factors[2], batch=splits)


@plans
def conv2d_input_gradient(dy: Operand, w: Operand, dx: Operand, target: Target, **constants: Pair | int) -> Launch | Plan:
    geometry = Geometry(**constants)  # type: ignore[arg-type]
    if is_depthwise_on_cards(geometry, w):
        return depthwise_cuda.input_gradient(dy, w, dx, geometry)
    group, per_group = geometry.group, w.shape[1]
    # As a convolution of dy the copies grow with the outputs, by col2im (which reads and writes) with the inputs.
    if geometry.stride == (1, 1) and implicit_cuda.fits(dy, turned(w, group), dx, full(geometry), target):
        launch = implicit_cuda.forward(dy, turned(w, group), dx, (0, Workspace(), Workspace(), 2), full(geometry), target)
        return Plan((flip_weights(w, Workspace(), group), launch), w.bytes)
    if geometry.stride != (1, 1) and implicit_cuda.fits_input(dy, w, dx, geometry, target):
        return implicit_cuda.input_gradient(dy, w, dx, geometry, target)
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
    offset = aligned(w.bytes)
    windows = Windows(dy, dx, full(geometry), max(0, limit - offset), offset)
    return Plan((flip_weights(w, flipped, geometry.group), *products(windows, dy, 0, flipped, 2)), offset + windows.workspace)


def aligned(size: int) -> int:
    """Where in the workspace something may begin behind so many bytes."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def full(geometry: Geometry) -> Geometry:
    """Of windows that move by 1: that of the convolution which makes dx of dy."""
    height, width = (d * (k - 1) - p for d, k, p in zip(geometry.dilation, geometry.kernel, geometry.pad, strict=True))
    return geometry._replace(pad=(height, width))


def turned(w: Operand, group: int) -> Operand:
    """What `flip_weights` makes."""
    O, per_group, *kernel = w.shape
    return Operand((per_group * group, O // group, *kernel))


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
    return Launch(FILE, name("bias_gradient", wide, threads, *stored(dy)), (O, 1, 1), (threads, 1, 1), (0, 1), scalars)


def geometry_of(constants: Mapping[str, Any]) -> Geometry:
    """The window among an instruction's constants."""
    return Geometry(*(constants[field] for field in Geometry._fields))


def is_narrow(x: Operand, w: Operand, *others: Operand, target: Target, **constants: Any) -> bool:
    """Whether a convolution forward is made by kernels that take bfloat16: in tiles, or of groups of one channel."""
    geometry = geometry_of(constants)
    return is_depthwise_on_cards(geometry, w) or implicit_cuda.fits(x, w, others[-1], geometry, target)


def sum_is_narrow(x: Operand, w: Operand, *others: Operand, target: Target, **constants: Any) -> bool:
    """The same of a convolution with a sum."""
    return implicit_cuda.fits(x, w, others[-1], geometry_of(constants), target)


def gradient_is_narrow(x: Operand, dy: Operand, dw: Operand, target: Target, **constants: Any) -> bool:
    """The same of the gradient of weights."""
    return is_narrow(x, dw, dy, target=target, **constants)


def input_is_narrow(dy: Operand, w: Operand, dx: Operand, target: Target, **constants: Any) -> bool:
    """The same of the gradient of an input."""
    geometry = Geometry(**constants)
    if is_depthwise_on_cards(geometry, w):
        return True
    if geometry.stride != (1, 1):
        return implicit_cuda.fits_input(dy, w, dx, geometry, target)
    return implicit_cuda.fits(dy, turned(w, geometry.group), dx, full(geometry), target)


narrows("conv2d", 0, 3, when=is_narrow)
narrows("conv2d_add", 0, 3, 4, when=sum_is_narrow)
narrows("conv2d_weight_gradient", 0, 1, when=gradient_is_narrow)
narrows("conv2d_input_gradient", 0, 2, when=input_is_narrow)
narrows("bias_gradient", 0)


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
