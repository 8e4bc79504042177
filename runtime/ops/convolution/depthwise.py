"""Convolution whose groups have one input channel each: sums of shifted planes instead of matrix products.

Blobs are (C, H, W, N).  What windows see of a channel is laid out as a plane: the padded image, in which the rows, and the columns,
of one phase (their number modulo the stride) lie together.  There every window element is one array, moved by a constant, whatever
the stride and the dilation are:

    y  = the sum over (i, j) of w[i, j] * plane[shift(i, j) :]
    dw[i, j] = dy . plane[shift(i, j) :]
    dx = for each phase, the sum over its (i, j) of w[i, j] * plane of dy[shift(i, j) :]

A plane's rows are longer than those of the result, so that between these lie numbers that mean nothing: they are left out, and
those of dy are zero.
"""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.bias_relu import bias_relu_row
from runtime.kernels.cpu.jit import inner, jit, shared
from runtime.kernels.cpu.moves import copy_units
from runtime.kernels.cpu.register_tile import LANES
from runtime.kernels.cpu.registry import kernel as register
from runtime.ops.convolution.geometry import position_run
from runtime.ops.convolution.windows import copy

BAND = 8192  # floats of a plane, of as many rows at once: it stays in the caches
TILE = 1024  # floats of a result to which all window elements are added while they stay in the first cache
STRIP = 1024  # products that are added up as float32; strips are added up as float64


@shared
def reach(geometry, axis):
    """How many rows (axis 0) or columns (1) of a phase a window reaches beyond its first one."""
    return geometry.dilation[axis] * (geometry.kernel[axis] - 1) // geometry.stride[axis]


@shared
def covered(size, geometry, axis):
    """The first row (axis 0) or column (1) of the phases of an input of this size, and how many of them it meets."""
    first = geometry.pad[axis] // geometry.stride[axis]
    return first, (size - 1 + geometry.pad[axis]) // geometry.stride[axis] - first + 1


def row_size(width, geometry, N):
    """Floats of a row of all column phases, where the result has rows of this width."""
    return (width + reach(geometry, 1)) * N


def output_rows(y, geometry):
    """How many rows of y (O, OH, OW, N) are computed at once."""
    phases = geometry.stride[0] * geometry.stride[1]
    return position_run(y.shape[1], phases * row_size(y.shape[2], geometry, y.shape[3]), BAND)


def input_rows(dx, geometry):
    """How many rows of a phase of dx (C, H, W, N) are computed at once."""
    height, width = (covered(dx.shape[axis + 1], geometry, axis)[1] for axis in (0, 1))
    return position_run(height, row_size(width, geometry, dx.shape[3]), BAND)


def output_scratch(y, geometry, rows):
    """Floats of a plane of x and of what lies beside it: y, or its gradient, with rows as long."""
    phases = geometry.stride[0] * geometry.stride[1]
    return (phases * (rows + reach(geometry, 0)) + rows) * row_size(y.shape[2], geometry, y.shape[3])


def input_scratch(dx, geometry, rows):
    """Floats of a plane of dy, and of all phases of dx with rows as long."""
    width, phases = covered(dx.shape[2], geometry, 1)[1], geometry.stride[0] * geometry.stride[1]
    return (rows + reach(geometry, 0) + phases * rows) * row_size(width, geometry, dx.shape[3])


@register(
    items=lambda x, w, b, y, geometry, epilogue, rows: geometry.group * -(-y.shape[1] // rows),
    scratch=lambda x, w, b, y, geometry, epilogue, rows: output_scratch(y, geometry, rows),
)
@jit
def conv2d_depthwise(begin, end, x, w, b, y, scratch, geometry, epilogue, rows):
    """What `conv2d_direct` computes, of x (C, H, W, N) and w (C * M, 1, kh, kw).  Item: some rows of a channel's M outputs."""
    OH, OW, N = y.shape[1:]
    M, blocks, columns = y.shape[0] // x.shape[0], -(-OH // rows), OW + reach(geometry, 1)
    shifts = output_shifts(geometry, rows, columns, N)
    total, plane = scratch[: ((rows - 1) * columns + OW) * N], scratch[rows * columns * N :]
    biases = b.reshape(-1)  # without any, b is the weights
    for item in range(begin, end):
        c, row0 = item // blocks, item % blocks * rows
        fill_plane(x[c], plane, rows + reach(geometry, 0), columns, row0, geometry.stride, geometry.pad)
        for o in range(c * M, (c + 1) * M):
            total[:] = biases[o] if epilogue.has_bias else np.float32(0)
            add_shifted(plane, w[o].reshape(-1), shifts, total)
            if epilogue.relu:
                bias_relu_row(total, np.float32(0), True, epilogue.slope)
            result = y[o].reshape(-1)
            for row in range(min(rows, OH - row0)):
                copy_columns(total, row * columns * N, 1, result, (row0 + row) * OW * N, 1, OW, N)


@register(
    items=lambda x, dy, dw, geometry, rows: geometry.group,
    scratch=lambda x, dy, dw, geometry, rows: output_scratch(dy, geometry, rows),
)
@jit
def conv2d_weight_gradient_depthwise(begin, end, x, dy, dw, scratch, geometry, rows):
    """dw (C * M, 1, kh, kw) from x (C, H, W, N) and dy (C * M, OH, OW, N), by strips, in order.  Item: a channel."""
    OH, OW, N = dy.shape[1:]
    M, columns = dy.shape[0] // x.shape[0], OW + reach(geometry, 1)
    shifts = output_shifts(geometry, rows, columns, N)
    gradients, plane = scratch[: rows * columns * N], scratch[rows * columns * N :]
    inside = gradients[: ((rows - 1) * columns + OW) * N]
    sums = np.empty((M, shifts.size), np.float64)
    for c in range(begin, end):
        sums[:] = 0
        for row0 in range(0, OH, rows):
            fill_plane(x[c], plane, rows + reach(geometry, 0), columns, row0, geometry.stride, geometry.pad)
            for m in range(M):
                fill_plane(dy[c * M + m], gradients, rows, columns, row0, (1, 1), (0, 0))
                add_products(plane, inside, shifts, sums[m])
        for m in range(M):
            result = dw[c * M + m].reshape(-1)
            for t in range(result.size):
                result[t] = sums[m, t]


@register(
    items=lambda dy, w, dx, geometry, rows: geometry.group * -(-covered(dx.shape[1], geometry, 0)[1] // rows),
    scratch=lambda dy, w, dx, geometry, rows: input_scratch(dx, geometry, rows),
)
@jit
def conv2d_input_gradient_depthwise(begin, end, dy, w, dx, scratch, geometry, rows):
    """dx (C, H, W, N) from dy (C * M, OH, OW, N) and w (C * M, 1, kh, kw).  Item: some rows of a channel, in every phase."""
    C, H, W, N = dx.shape
    M, phases = dy.shape[0] // C, geometry.stride[0] * geometry.stride[1]
    (top, height), (left, width) = covered(H, geometry, 0), covered(W, geometry, 1)
    down, along = reach(geometry, 0), reach(geometry, 1)
    columns, blocks = width + along, -(-height // rows)
    span = ((rows - 1) * columns + width) * N
    totals, plane = scratch[: phases * span], scratch[phases * span :]
    weights, shifts = np.empty(w[0].size, np.float32), np.empty(w[0].size, np.int64)
    for item in range(begin, end):
        c, row0 = item // blocks, top + item % blocks * rows
        totals[:] = 0
        for o in range(c * M, (c + 1) * M):
            fill_plane(dy[o], plane, rows + down, columns, row0, (1, 1), (down, along - left))
            for phase in range(phases):
                taps = phase_taps(w[o, 0], geometry, phase, columns, N, weights, shifts)
                add_shifted(plane, weights[:taps], shifts[:taps], totals[phase * span : (phase + 1) * span])
        for phase in range(phases):
            end_row = min(rows, top + height - row0)
            write_phase(totals[phase * span : (phase + 1) * span], dx[c], geometry, phase, row0, end_row, columns)


@inner
def fill_plane(x, plane, rows, columns, row0, stride, pad):
    """plane, (sh, sw, rows, columns, N) flat: [a, b, r, q] = x (H, W, N)[(row0 + r) * sh + a - ph, q * sw + b - pw], 0 outside."""
    H, W, N = x.shape
    sh, sw = stride
    source = x.reshape(-1)
    plane[: sh * sw * rows * columns * N] = 0
    for b in range(sw):
        shift = b - pad[1]
        first = min(max(-(shift // sw), 0), columns)
        last = max(min(-((shift - W) // sw), columns), first)
        for a in range(sh):
            start = ((a * sw + b) * rows * columns + first) * N
            for r in range(rows):
                ih = (row0 + r) * sh + a - pad[0]
                if 0 <= ih < H:
                    at = (ih * W + first * sw + shift) * N
                    copy_columns(source, at, sw, plane, start + r * columns * N, 1, last - first, N)


@inner
def write_phase(total, dx, geometry, phase, row0, rows, columns):
    """A phase's rows and columns of dx (H, W, N) = total, whose rows have `columns`; row0: the first of the phase's rows."""
    H, W, N = dx.shape
    (sh, sw), (ph, pw) = geometry.stride, geometry.pad
    left, width = covered(W, geometry, 1)
    shift = left * sw + phase % sw - pw
    first = min(max(-(shift // sw), 0), width)
    last = max(min(-((shift - W) // sw), width), first)
    result = dx.reshape(-1)
    for r in range(rows):
        ih = (row0 + r) * sh + phase // sw - ph
        if 0 <= ih < H:
            to = (ih * W + first * sw + shift) * N
            copy_columns(total, (r * columns + first) * N, 1, result, to, sw, last - first, N)


@inner
def copy_columns(source, at, step, target, to, to_step, columns, N):
    """From `to` on, each to_step-th column of target = from `at` on each step-th one of source; a column is N floats."""
    if step == to_step == 1:
        copy(source[at : at + columns * N], target[to : to + columns * N])
    elif N <= LANES:
        copy_units(source, at, step * N, target, to, to_step * N, N, columns)
    else:
        for q in range(columns):
            start, end = at + q * step * N, to + q * to_step * N
            copy(source[start : start + N], target[end : end + N])


@inner
def output_shifts(geometry, rows, columns, N):
    """Where in a plane for so many output rows each window element of the first output lies."""
    (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
    shifts, height = np.empty(kh * kw, np.int64), rows + reach(geometry, 0)
    for i in range(kh):
        for j in range(kw):
            phase = i * dh % sh * sw + j * dw % sw
            shifts[i * kw + j] = ((phase * height + i * dh // sh) * columns + j * dw // sw) * N
    return shifts


@inner
def phase_taps(w, geometry, phase, columns, N, weights, shifts):
    """Write the weights of w (kh, kw) that meet a phase of the input, and where in dy's plane they begin; returns how many."""
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    down, along, taps = reach(geometry, 0), reach(geometry, 1), 0
    for i in range(w.shape[0]):
        if i * dh % sh == phase // sw:
            for j in range(w.shape[1]):
                if j * dw % sw == phase % sw:
                    weights[taps] = w[i, j]
                    shifts[taps] = ((down - i * dh // sh) * columns + along - j * dw // sw) * N
                    taps += 1
    return taps


@inner
def add_shifted(plane, weights, shifts, total):
    """total += the sum over t of weights[t] * plane[shifts[t] :]; three a pass."""
    whole = shifts.size // 3 * 3
    for start in range(0, total.size, TILE):
        out = total[start : start + TILE]
        for t in range(0, whole, 3):
            w0, w1, w2 = weights[t], weights[t + 1], weights[t + 2]
            p0, p1, p2 = plane[shifts[t] + start :], plane[shifts[t + 1] + start :], plane[shifts[t + 2] + start :]
            for n in range(out.size):
                out[n] += w0 * p0[n] + w1 * p1[n] + w2 * p2[n]
        for t in range(whole, shifts.size):
            w0, p0 = weights[t], plane[shifts[t] + start :]
            for n in range(out.size):
                out[n] += w0 * p0[n]


@inner
def add_products(plane, gradients, shifts, sums):
    """sums[t] += gradients . plane[shifts[t] :]; three a pass."""
    whole = shifts.size // 3 * 3
    for start in range(0, gradients.size, STRIP):
        dy = gradients[start : start + STRIP]
        for t in range(0, whole, 3):
            p0, p1, p2 = plane[shifts[t] + start :], plane[shifts[t + 1] + start :], plane[shifts[t + 2] + start :]
            sum0, sum1, sum2 = np.float32(0), np.float32(0), np.float32(0)
            for n in range(dy.size):
                sum0 += dy[n] * p0[n]
                sum1 += dy[n] * p1[n]
                sum2 += dy[n] * p2[n]
            sums[t] += sum0
            sums[t + 1] += sum1
            sums[t + 2] += sum2
        for t in range(whole, shifts.size):
            p0, sum0 = plane[shifts[t] + start :], np.float32(0)
            for n in range(dy.size):
                sum0 += dy[n] * p0[n]
            sums[t] += sum0
