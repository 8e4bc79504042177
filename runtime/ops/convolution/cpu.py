"""Convolution by im2col and GEMM, batch innermost (Chellapilla et al. 2006; layout of Krizhevsky's cuda-convnet).

A blob is (C, H, W, N).  For a run of output positions, im2col copies rows of contiguous floats into a matrix of
(C/group * kh * kw) rows, and one GEMM with the weights writes the outputs where they belong.  The three directions:

    y  = w . col(x)                     by runs of output positions
    dw = dy . col(x)^T                  by blocks of the weights' columns, summed over the positions in order
    dx = col2im(w^T . dy)               by blocks of input channels, or for stride 1 as a convolution of dy with flipped weights

Every item writes its own part of the result, so nothing depends on the number of threads.

Small windows that move by 1 go by tiles where that is faster: `winograd`, with runs of tiles and blocks of channels
(runtime/ops/convolution/winograd.py, winograd_gradient.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from runtime.kernels.cpu.bias_relu import bias_relu_rows
from runtime.kernels.cpu.jit import JIT
from runtime.kernels.cpu.registry import kernel
from runtime.ops.convolution.product_cuts import product_cuts
from runtime.ops.convolution.winograd import tiles_of, winograd_conv2d
from runtime.ops.convolution.winograd_gradient import winograd_weight_gradient


@njit(inline="always")
def copy(source, target):
    """target[:] = source[:].  Both start at 0, so that the compiler sees no index can be negative and copies whole vectors."""
    for n in range(target.size):
        target[n] = source[n]


@njit(**JIT)
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


@njit(**JIT)
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


def position_run(positions: int, N: int, target: int) -> int:
    """How many output positions one GEMM takes: about `target` columns, and all runs of about one length."""
    runs = max(1, round(positions * N / target))
    return -(-positions // runs)


def row_block(rows: int, group: int) -> int:
    """How many of a group's weight columns one item of the weight gradient takes.

    Wide blocks make efficient GEMMs, several blocks keep several workers busy: 8 blocks in all, within 180 to 600 columns each.
    """
    blocks = max(1, min(round(8 / group), rows // 180), -(-rows // 600))
    return -(-rows // blocks)


def _conv_items(x, w, b, y, kernel, stride, pad, dilation, group, run, parts, winograd, has_bias, relu, slope):
    return group * -(-(tiles_of(*y.shape[1:3]) if winograd else y.shape[1] * y.shape[2]) // run)


@kernel(items=_conv_items)
def conv2d(
    begin, end, x, w, b, y, scratch, kernel, stride, pad, dilation, group, run, parts, winograd, has_bias, relu, slope
):  # fmt: skip
    """y (O, OH, OW, N) = w (O, C/group, kh, kw) * x (C, H, W, N) + b (O,), then ReLU if asked.

    Item: a run of positions in a group, with winograd of its tiles.  parts: of a group's outputs, see `product_cuts`.
    """
    if winograd:
        winograd_conv2d(begin, end, x, w, b, y, scratch, kernel, pad, group, run, parts, has_bias, relu, slope)
        return
    (C, _, _, N), (O, OH, OW, _) = x.shape, y.shape
    rows, positions = w[0].size, OH * OW
    columns = y.reshape(O, positions * N)
    weights = w.reshape(O, rows)
    runs = -(-positions // run)
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
        for cut in product_cuts(O // group, rows, result.shape[1], parts):
            np.matmul(weights[outputs][cut], col, out=result[cut])
        if has_bias or relu:
            bias_relu_rows(result, b[outputs] if has_bias else weights[0], has_bias, relu, slope)


def _weight_items(x, dy, dw, kernel, stride, pad, dilation, group, run, block, tall, parts, winograd):
    return group * (parts * -(-dw.shape[1] // block) if winograd else -(-dw[0].size // block))


@kernel(items=_weight_items)
def conv2d_weight_gradient(
    begin, end, x, dy, dw, scratch, kernel, stride, pad, dilation, group, run, block, tall, parts, winograd
):  # fmt: skip
    """dw (O, C/group, kh, kw) = sum over batch and positions of dy (O, OH, OW, N) times x's windows.

    Item: a block of dw's columns, with winograd of its channels in one of the parts.  tall: they, and not the outputs, are the rows
    of its products.  parts: of a group's outputs, see `product_cuts`.
    """
    if winograd:
        winograd_weight_gradient(begin, end, x, dy, dw, scratch, pad, group, run, block, parts)
        return
    (C, _, _, N), (O, OH, OW, _) = x.shape, dy.shape
    rows, positions, M = dw[0].size, OH * OW, O // group
    gradients = dy.reshape(O, positions * N)
    result = dw.reshape(O, rows)
    blocks = -(-rows // block)
    for item in range(begin, end):
        g, row0 = item // blocks, item % blocks * block
        row1 = min(row0 + block, rows)
        height = row1 - row0
        size = M * height
        total, part = (scratch[i * size : (i + 1) * size].reshape((height, M) if tall else (M, height)) for i in (0, 1))
        space = scratch[2 * size :]
        inputs = x[g * C // group : (g + 1) * C // group]
        for position0 in range(0, positions, run):
            position1 = min(position0 + run, positions)
            where = slice(position0 * N, position1 * N)
            col = space[: height * (where.stop - where.start)].reshape(height, -1)
            im2col(inputs, col, row0, row1, position0, position1, OW, kernel, stride, pad, dilation)
            product = part if position0 else total
            outputs = gradients[g * M : (g + 1) * M, where]
            for cut in product_cuts(M, outputs.shape[1], height, parts, transposed=True, tall=tall):
                if tall:
                    np.matmul(col, outputs[cut].T, out=product[:, cut])
                else:
                    np.matmul(outputs[cut], col.T, out=product[cut])
            if position0:
                total += part
        result[g * M : (g + 1) * M, row0:row1] = total.T if tall else total


def _input_items(dy, w, dx, kernel, stride, pad, dilation, group, run, block, winograd):
    return group * (-(-tiles_of(*dx.shape[1:3]) // run) if winograd else -(-w.shape[1] // block))


@kernel(items=_input_items)
def conv2d_input_gradient(begin, end, dy, w, dx, scratch, kernel, stride, pad, dilation, group, run, block, winograd):
    """dx (C, H, W, N) = the transposed convolution of dy (O, OH, OW, N) with w, by col2im.

    Item: a block of a group's channels.  winograd: as a convolution with flipped weights; a run of a group's tiles.
    """
    (O, OH, OW, N), per_group = dy.shape, w.shape[1]
    if winograd:
        flipped, space = scratch[: w.size].reshape(dx.shape[0], O // group, *kernel), scratch[w.size :]
        flip_weights(0, dx.shape[0], w, flipped, group)
        around = kernel[0] - 1 - pad[0], kernel[1] - 1 - pad[1]
        winograd_conv2d(begin, end, dy, flipped, flipped, dx, space, kernel, around, group, run, 1, False, False, 0.0)
        return
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
@njit(**JIT)
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


@kernel(items=lambda dy, db: db.size)
@njit(**JIT)
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
