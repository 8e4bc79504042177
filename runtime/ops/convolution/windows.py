"""The windows of a convolution as a matrix: im2col, by rows and packed for products, and its transpose (Chellapilla et al. 2006).

A blob is (C, H, W, N), so that rows of the matrix are made of runs of contiguous floats (layout of Krizhevsky's cuda-convnet).
"""

from __future__ import annotations

from runtime.kernels.cpu.jit import inlined, inner, jit
from runtime.kernels.cpu.moves import clear_floats, copy_floats, copy_units
from runtime.kernels.cpu.product import pack_row, pack_transposed
from runtime.kernels.cpu.register_tile import LANES
from runtime.kernels.cpu.registry import kernel
from runtime.ops.convolution.geometry import Geometry, is_pointwise

pointwise = inlined(is_pointwise)  # for kernels


@inlined
def copy(source, target):
    """target[:] = source[:].  Both start at 0, so that the compiler sees no index can be negative and copies whole vectors."""
    for n in range(target.size):
        target[n] = source[n]


@inner
def window_row(x, target, to, row, position0, position1, output_width, geometry):
    """target, flat, from `to` on: a row of the windows' columns, (position1 - position0) * N floats, at these output positions.

    x (C, H, W, N).  Row (c * kh + i) * kw + j holds channel c of every window at offset (i, j); zero outside the image.
    """
    _, H, W, N = x.shape
    (kh, kw), stride, pad, dilation, _ = geometry
    c, i, j = row // (kh * kw), (row // kw) % kh, row % kw
    flat, shift = x.reshape(-1), j * dilation[1] - pad[1]
    position = position0
    while position < position1:
        oh = position // output_width
        ow0 = position - oh * output_width
        ow1 = min(output_width, ow0 + position1 - position)
        ih, at = oh * stride[0] + i * dilation[0] - pad[0], to + (position - position0) * N
        line = (c * H + ih) * W
        if ih < 0 or ih >= H:
            clear_floats(target, at, (ow1 - ow0) * N)
        elif stride[1] == 1:
            left = min(max(-shift, ow0), ow1)
            right = max(min(W - shift, ow1), left)
            clear_floats(target, at, (left - ow0) * N)
            copy_floats(flat, (line + left + shift) * N, target, at + (left - ow0) * N, (right - left) * N)
            clear_floats(target, at + (right - ow0) * N, (ow1 - right) * N)
        elif N <= LANES:
            left = min(max(-(shift // stride[1]), ow0), ow1)
            right = max(min(-((shift - W) // stride[1]), ow1), left)
            clear_floats(target, at, (left - ow0) * N)
            first, following = (line + left * stride[1] + shift) * N, stride[1] * N
            copy_units(flat, first, following, target, at + (left - ow0) * N, N, N, right - left)
            clear_floats(target, at + (right - ow0) * N, (ow1 - right) * N)
        else:
            for ow in range(ow0, ow1):
                iw = ow * stride[1] + shift
                if iw < 0 or iw >= W:
                    clear_floats(target, at + (ow - ow0) * N, N)
                else:
                    copy_floats(flat, (line + iw) * N, target, at + (ow - ow0) * N, N)
        position += ow1 - ow0


@inner
def pack_windows(x, packed, line, row0, row1, position0, position1, output_width, geometry):
    """The windows' rows [row0, row1) at these output positions, packed for a product.  line: scratch of a row."""
    N, depth, flat, plane = x.shape[3], row1 - row0, x.reshape(-1), x[0].size
    size, as_it_lies = (position1 - position0) * N, pointwise(geometry)
    source = flat if as_it_lies else line
    for row in range(row0, row1):
        if not as_it_lies:
            window_row(x, line, 0, row, position0, position1, output_width, geometry)
        pack_row(source, row * plane + position0 * N if as_it_lies else 0, size, packed, row - row0, depth)


@inner
def pack_windows_transposed(x, packed, lines, row0, row1, position0, position1, output_width, geometry):
    """The same, rows exchanged with positions.  lines: scratch of LANES rows."""
    N, size, flat, plane = x.shape[3], (position1 - position0) * x.shape[3], x.reshape(-1), x[0].size
    as_it_lies = pointwise(geometry)
    source, length = (flat, plane) if as_it_lies else (lines, size)
    for first in range(row0, row1, LANES):
        count = min(LANES, row1 - first)
        if not as_it_lies:
            for i in range(count):
                window_row(x, lines, i * size, first + i, position0, position1, output_width, geometry)
        at = first * plane + position0 * N if as_it_lies else 0
        pack_transposed(source, at, length, count, packed, first - row0, size)


@inner
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


@kernel(items=lambda x, y, *_: y.shape[0])
@jit
def im2col_rows(begin, end, x, y, kernel, stride, pad, dilation):
    """y (C * kh * kw, OH, OW, N): every window of x (C, H, W, N) as a column.  Item: a row."""
    (_, OH, OW, _), flat = y.shape, y.reshape(-1)
    for row in range(begin, end):
        window_row(x, flat, row * y[0].size, row, 0, OH * OW, OW, Geometry(kernel, stride, pad, dilation, 1))


@kernel(items=lambda dy, dx, *_: dx.shape[0])
@jit
def col2im_rows(begin, end, dy, dx, kernel, stride, pad, dilation):
    """dx (C, H, W, N) = the sum of the windows dy (C * kh * kw, OH, OW, N).  Item: a channel."""
    rows, OH, OW, N = dy.shape
    col, area = dy.reshape(rows, OH * OW * N), kernel[0] * kernel[1]
    for c in range(begin, end):
        dx[c] = 0
        col2im_add(dx[c : c + 1], col[c * area : (c + 1) * area], 0, area, 0, OH * OW, OW, kernel, stride, pad, dilation)
