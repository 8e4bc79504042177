"""Windows that move by s positions as smaller ones that move by 1, of an image that is dealt out.

Phase (p, q) of a channel has each s-th row from p on, and of it each s-th column from q on.  A window of k x k of a channel is
then one of ceil(k / s) x ceil(k / s) of its s x s phases, which stand for s x s channels; weights beyond k are 0.  AlexNet's first
layer, 11 x 11 by 4, becomes windows of 3 x 3 of 48 channels, which tiles compute with 31 of 100 multiplications.
"""

from __future__ import annotations

from runtime.kernels.cpu.jit import inlined, jit
from runtime.kernels.cpu.moves import clear_floats, copy_floats, copy_units
from runtime.kernels.cpu.register_tile import LANES
from runtime.kernels.cpu.registry import kernel
from runtime.kernels.operand import Operand, Pointer
from runtime.ops.convolution.geometry import Geometry


def of_phases(geometry: Geometry) -> Geometry:
    """The windows of the phases, whose image has its padding in it."""
    (kh, kw), (sh, sw) = geometry.kernel, geometry.stride
    return Geometry((-(-kh // sh), -(-kw // sw)), (1, 1), (0, 0), (1, 1), geometry.group)


def dealt_image(x: Operand, y: Operand, geometry: Geometry, pointer: Pointer) -> Operand:
    """The phases of the image x (C, H, W, N) of which windows make y."""
    (sh, sw), (kh, kw) = geometry.stride, of_phases(geometry).kernel
    return Operand((x.shape[0] * sh * sw, y.shape[1] + kh - 1, y.shape[2] + kw - 1, x.shape[3]), pointer=pointer)


def dealt_weights(w: Operand, geometry: Geometry, pointer: Pointer) -> Operand:
    """The phases of weights w (O, C/group, kh, kw)."""
    sh, sw = geometry.stride
    return Operand((w.shape[0], w.shape[1] * sh * sw, *of_phases(geometry).kernel), pointer=pointer, lasting=w.lasting)


@inlined
def phase_of(channel, stride):
    """(channel of the image, its phase) of a channel of the phases."""
    area = stride[0] * stride[1]
    return channel // area, channel % area // stride[1], channel % stride[1]


@kernel(items=lambda x, phases, stride, pad: phases.shape[0] * phases.shape[1])
@jit
def deal_image(begin, end, x, phases, stride, pad):
    """phases (C * s * s, H', W', N) of x (C, H, W, N), zero in the padding.  Item: a row of it."""
    (_, H, W, N), (_, rows, columns, _) = x.shape, phases.shape
    source, target, (sh, sw) = x.reshape(-1), phases.reshape(-1), stride
    for item in range(begin, end):
        c, p, q = phase_of(item // rows, stride)
        ih, to, shift = item % rows * sh + p - pad[0], item * columns * N, q - pad[1]
        if ih < 0 or ih >= H:
            clear_floats(target, to, columns * N)
            continue
        left = min(max(-(shift // sw), 0), columns)
        right = max(min(-((shift - W) // sw), columns), left)
        clear_floats(target, to, left * N)
        first = ((c * H + ih) * W + left * sw + shift) * N
        if N <= LANES:
            copy_units(source, first, sw * N, target, to + left * N, N, N, right - left)
        else:
            for column in range(right - left):
                copy_floats(source, first + column * sw * N, target, to + (left + column) * N, N)
        clear_floats(target, to + right * N, (columns - right) * N)


@kernel(items=lambda w, phases, stride: w.shape[0])
@jit
def deal_weights(begin, end, w, phases, stride):
    """phases (O, C * s * s, kh', kw') of the weights w (O, C, kh, kw), zero beyond the window.  Item: an output."""
    (_, _, kh, kw), (_, channels, rows, columns), (sh, sw) = w.shape, phases.shape, stride
    for o in range(begin, end):
        for channel in range(channels):
            c, p, q = phase_of(channel, stride)
            for i in range(rows):
                for j in range(columns):
                    a, b = i * sh + p, j * sw + q
                    phases[o, channel, i, j] = w[o, c, a, b] if a < kh and b < kw else 0


@kernel(items=lambda phases, dw, stride: dw.shape[0])
@jit
def join_weights(begin, end, phases, dw, stride):
    """dw (O, C, kh, kw) from its phases: those beyond the window are left out.  Item: an output."""
    (_, C, kh, kw), (sh, sw) = dw.shape, stride
    for o in range(begin, end):
        for c in range(C):
            for a in range(kh):
                for b in range(kw):
                    dw[o, c, a, b] = phases[o, (c * sh + a % sh) * sw + b % sw, a // sh, b // sw]


@kernel(items=lambda phases, dx, stride, pad: dx.shape[0] * dx.shape[1])
@jit
def join_image(begin, end, phases, dx, stride, pad):
    """dx (C, H, W, N) from its phases; zero where no window reaches.  Item: a row of it."""
    (_, H, W, N), (_, rows, columns, _), (sh, sw) = dx.shape, phases.shape, stride
    source, target = phases.reshape(-1), dx.reshape(-1)
    for item in range(begin, end):
        c, h = item // H, item % H + pad[0]
        for iw in range(W):
            w, to = iw + pad[1], (item * W + iw) * N
            if h // sh < rows and w // sw < columns:
                channel = (c * sh + h % sh) * sw + w % sw
                copy_floats(source, ((channel * rows + h // sh) * columns + w // sw) * N, target, to, N)
            else:
                clear_floats(target, to, N)
