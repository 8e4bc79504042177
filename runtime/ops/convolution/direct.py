"""Convolution by im2col and GEMM, batch innermost (Chellapilla et al. 2006; layout of Krizhevsky's cuda-convnet).

A blob is (C, H, W, N).  For a run of output positions, im2col copies rows of contiguous floats into a matrix of
(C/group * kh * kw) rows, and one GEMM with the weights writes the outputs where they belong.  The three directions:

    y  = w . col(x)                     by runs of output positions
    dw = dy . col(x)^T                  by blocks of the weights' columns, summed over the positions in order
    dx = col2im(w^T . dy)               by blocks of input channels

Every item writes its own region of the result, so nothing depends on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from runtime.kernels.cpu.bias_relu import bias_relu_rows
from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel

MOST_BLOCKS, NARROWEST, WIDEST = 8, 180, 600  # blocks of the weight gradient's columns, and columns in one


@njit(inline="always")
def copy(source, target):
    """target[:] = source[:].  Both start at 0, so that the compiler sees no index can be negative and copies whole vectors."""
    for n in range(target.size):
        target[n] = source[n]


@jit
def im2col(x, col, row0, row1, position0, position1, output_width, kernel, stride, pad, dilation):
    """col (row1 - row0, (position1 - position0) * N) = the windows' rows [row0, row1) at these output positions.

    x (C, H, W, N).  Row (c * kh + i) * kw + j holds channel c of every window at offset (i, j); zero outside the image.
    """
    _, H, W, N = x.shape
    kh, kw = kernel
    for row in range(row0, row1):
        c = row // (kh * kw)
        i = (row // kw) % kh
        j = row % kw
        target = col[row - row0]
        at = 0
        position = position0
        while position < position1:
            oh = position // output_width
            ow0 = position - oh * output_width
            ow1 = min(output_width, ow0 + position1 - position)
            ih = oh * stride[0] + i * dilation[0] - pad[0]
            shift = j * dilation[1] - pad[1]
            if ih < 0 or ih >= H:
                target[at : at + (ow1 - ow0) * N] = 0
            elif stride[1] == 1:
                left = min(max(-shift, ow0), ow1)
                right = max(min(W - shift, ow1), left)
                target[at : at + (left - ow0) * N] = 0
                source = x[c, ih].reshape(-1)[(left + shift) * N : (right + shift) * N]
                copy(source, target[at + (left - ow0) * N : at + (right - ow0) * N])
                target[at + (right - ow0) * N : at + (ow1 - ow0) * N] = 0
            else:
                for ow in range(ow0, ow1):
                    iw = ow * stride[1] + shift
                    start = at + (ow - ow0) * N
                    if iw < 0 or iw >= W:
                        target[start : start + N] = 0
                    else:
                        copy(x[c, ih, iw], target[start : start + N])
            at += (ow1 - ow0) * N
            position += ow1 - ow0


@jit
def col2im_add(dx, col, row0, row1, position0, position1, output_width, kernel, stride, pad, dilation):
    """The transpose of im2col: dx (C, H, W, N) += col, where the windows lie inside the image."""
    _, H, W, N = dx.shape
    kh, kw = kernel
    for row in range(row0, row1):
        c = row // (kh * kw)
        i = (row // kw) % kh
        j = row % kw
        source = col[row - row0]
        for position in range(position0, position1):
            oh = position // output_width
            ow = position - oh * output_width
            ih = oh * stride[0] + i * dilation[0] - pad[0]
            iw = ow * stride[1] + j * dilation[1] - pad[1]
            if 0 <= ih < H and 0 <= iw < W:
                start = (position - position0) * N
                part, total = source[start : start + N], dx[c, ih, iw]
                for n in range(N):
                    total[n] += part[n]


def row_block(rows: int, group: int) -> int:
    """How many of a group's weight columns one item of the weight gradient takes.

    Wide blocks make efficient products, several blocks keep several workers busy.
    """
    blocks = max(1, min(round(MOST_BLOCKS / group), rows // NARROWEST), -(-rows // WIDEST))
    return -(-rows // blocks)


def _runs(y, run):
    return -(-(y.shape[1] * y.shape[2]) // run)


@kernel(
    items=lambda x, w, b, y, geometry, epilogue, run: geometry.group * _runs(y, run),
    scratch=lambda x, w, b, y, geometry, epilogue, run: w.size // w.shape[0] * run * x.shape[3],
)
def conv2d_direct(begin, end, x, w, b, y, scratch, geometry, epilogue, run):
    """y (O, OH, OW, N) = w (O, C/group, kh, kw) * x (C, H, W, N) + b (O,), then ReLU if asked.

    Item: a run of a group's positions.
    """
    (C, _, _, N), (O, OH, OW, _) = x.shape, y.shape
    kernel, stride, pad, dilation, group = geometry
    rows, positions = w[0].size, OH * OW
    columns = y.reshape(O, positions * N)
    weights = w.reshape(O, rows)
    runs = _runs(y, run)
    pointwise = kernel == (1, 1) and stride == (1, 1) and pad == (0, 0)
    for item in range(begin, end):
        g, position0 = item // runs, item % runs * run
        position1 = min(position0 + run, positions)
        outputs, inputs = slice(g * O // group, (g + 1) * O // group), slice(g * C // group, (g + 1) * C // group)
        where = slice(position0 * N, position1 * N)
        if pointwise:
            col = x[inputs].reshape(rows, positions * N)[:, where]
        else:
            col = scratch[: rows * (where.stop - where.start)].reshape(rows, -1)
            im2col(x[inputs], col, 0, rows, position0, position1, OW, kernel, stride, pad, dilation)
        result = columns[outputs, where]
        np.matmul(weights[outputs], col, out=result)
        if epilogue.has_bias or epilogue.relu:
            bias_relu_rows(result, b[outputs] if epilogue.has_bias else weights[0], epilogue)


@kernel(
    items=lambda x, dy, dw, geometry, run, block: geometry.group * -(-dw.size // (dw.shape[0] * block)),
    scratch=lambda x, dy, dw, geometry, run, block: 2 * dw.shape[0] // geometry.group * block + block * run * x.shape[3],
)
def conv2d_weight_gradient_direct(begin, end, x, dy, dw, scratch, geometry, run, block):
    """dw (O, C/group, kh, kw) = sum over batch and positions of dy (O, OH, OW, N) times x's windows.

    Item: a block of a group's columns of dw, the positions added up in runs.  The longer side of a product comes first, as BLAS is
    a fifth faster so.
    """
    (C, _, _, N), (O, OH, OW, _) = x.shape, dy.shape
    kernel, stride, pad, dilation, group = geometry
    rows, positions, M = dw[0].size, OH * OW, O // group
    gradients = dy.reshape(O, positions * N)
    result = dw.reshape(O, rows)
    blocks = -(-rows // block)
    transposed_product = block >= M
    for item in range(begin, end):
        g, row0 = item // blocks, item % blocks * block
        row1 = min(row0 + block, rows)
        height = row1 - row0
        size = M * height
        total, more = (
            scratch[i * size : (i + 1) * size].reshape((height, M) if transposed_product else (M, height)) for i in (0, 1)
        )
        space = scratch[2 * size :]
        inputs = x[g * C // group : (g + 1) * C // group]
        for position0 in range(0, positions, run):
            position1 = min(position0 + run, positions)
            where = slice(position0 * N, position1 * N)
            col = space[: height * (where.stop - where.start)].reshape(height, -1)
            im2col(inputs, col, row0, row1, position0, position1, OW, kernel, stride, pad, dilation)
            product = more if position0 else total
            outputs = gradients[g * M : (g + 1) * M, where]
            if transposed_product:
                np.matmul(col, outputs.T, out=product)
            else:
                np.matmul(outputs, col.T, out=product)
            if position0:
                total += more
        result[g * M : (g + 1) * M, row0:row1] = total.T if transposed_product else total


@kernel(
    items=lambda dy, w, dx, geometry, run, block: geometry.group * -(-w.shape[1] // block),
    scratch=lambda dy, w, dx, geometry, run, block: block * geometry.kernel[0] * geometry.kernel[1] * run * dy.shape[3],
)
def conv2d_input_gradient_direct(begin, end, dy, w, dx, scratch, geometry, run, block):
    """dx (C, H, W, N) = the transposed convolution of dy (O, OH, OW, N) with w, by col2im.  Item: a block of a group's channels."""
    (O, OH, OW, N), per_group = dy.shape, w.shape[1]
    kernel, stride, pad, dilation, group = geometry
    positions, M, area = OH * OW, O // group, kernel[0] * kernel[1]
    gradients = dy.reshape(O, positions * N)
    weights = w.reshape(O, -1)
    blocks = -(-per_group // block)
    for item in range(begin, end):
        g, c0 = item // blocks, item % blocks * block
        c1 = min(c0 + block, per_group)
        target = dx[g * per_group + c0 : g * per_group + c1]
        target[...] = 0
        transposed = weights[g * M : (g + 1) * M, c0 * area : c1 * area].T
        for position0 in range(0, positions, run):
            position1 = min(position0 + run, positions)
            where = slice(position0 * N, position1 * N)
            height = (c1 - c0) * area
            col = scratch[: height * (where.stop - where.start)].reshape(height, -1)
            np.matmul(transposed, gradients[g * M : (g + 1) * M, where], out=col)
            col2im_add(target, col, 0, height, position0, position1, OW, kernel, stride, pad, dilation)


@kernel(items=lambda w, flipped, group: flipped.shape[0])
@jit
def flip_weights(begin, end, w, flipped, group):
    """flipped (C, O/group, kh, kw): w (O, C/group, kh, kw) with inputs and outputs exchanged and both window axes reversed."""
    O, per_group, kh, kw = w.shape
    M = O // group
    for c in range(begin, end):
        g = c // per_group
        for o in range(M):
            for i in range(kh):
                for j in range(kw):
                    flipped[c, o, i, j] = w[g * M + o, c - g * per_group, kh - 1 - i, kw - 1 - j]


@kernel(items=lambda x, y, *_: y.shape[0])
@jit
def im2col_rows(begin, end, x, y, kernel, stride, pad, dilation):
    """y (C * kh * kw, OH, OW, N): every window of x (C, H, W, N) as a column.  Item: a row."""
    rows, OH, OW, N = y.shape
    col = y.reshape(rows, OH * OW * N)
    for row in range(begin, end):
        im2col(x, col[row : row + 1], row, row + 1, 0, OH * OW, OW, kernel, stride, pad, dilation)


@kernel(items=lambda dy, dx, *_: dx.shape[0])
@jit
def col2im_rows(begin, end, dy, dx, kernel, stride, pad, dilation):
    """dx (C, H, W, N) = the sum of the windows dy (C * kh * kw, OH, OW, N).  Item: a channel."""
    rows, OH, OW, N = dy.shape
    col, area = dy.reshape(rows, OH * OW * N), kernel[0] * kernel[1]
    for c in range(begin, end):
        dx[c] = 0
        col2im_add(dx[c : c + 1], col[c * area : (c + 1) * area], 0, area, 0, OH * OW, OW, kernel, stride, pad, dilation)


@kernel(items=lambda dy, db: db.size, flops=1)
@jit
def bias_gradient(begin, end, dy, db):
    """db (O,) = the sum of dy (A, O, rows, columns) over the rest; float32 along a row, float64 over the rows."""
    for o in range(begin, end):
        total = np.float64(0)
        for a in range(dy.shape[0]):
            for row in range(dy.shape[2]):
                part = np.float32(0)
                for j in range(dy.shape[3]):
                    part += dy[a, o, row, j]
                total += part
        db[o] = total
