"""Weighted sums of pixels of three bytes, in LLVM's language: its vectorizer does not put a pixel's channels into one vector."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from runtime.kernels.cpu.generated import cgutils, intrinsic, types

INDEX, BYTE, WORD = ir.IntType(64), ir.IntType(8), ir.IntType(32)
CHANNELS, SIZE = 3, 4  # a pixel's bytes, and those that are loaded and stored: the one behind it too
ROWS = 4  # whose pixels are weighed at once
BYTES, SUMS = ir.VectorType(BYTE, SIZE), ir.VectorType(WORD, SIZE)
SHIFT = 22  # binary digits of a weight behind the point: the sum of 255 times 1 stays within 32


def _weigh_pixels(context: Any, x: Any, x_at: Any, x_row: Any, w: Any, w_at: Any, count: Any, y: Any, y_at: Any, y_row: Any) -> Any:
    """In each of ROWS rows, the pixel y[y_at:] = the sum of the `count` pixels x[x_at:] times the weights w[w_at:], rounded.

    Arrays are flat, with rows *_row bytes apart.  The byte behind the last pixel is read, the one behind that of y overwritten.
    """

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, x_row, w, w_at, count, y, y_at, y_row = arguments

        def address(number: int, array: Any, at: Any) -> Any:
            return build.gep(context.make_array(signature.args[number])(context, build, array).data, [at])

        def in_rows(number: int, array: Any, at: Any, row: Any) -> list[Any]:
            return [address(number, array, build.add(at, build.mul(row, INDEX(i)))) for i in range(ROWS)]

        half, undefined = ir.Constant(SUMS, [1 << (SHIFT - 1)] * SIZE), ir.Constant(SUMS, ir.Undefined)
        rows, weights = in_rows(0, x, x_at, x_row), address(3, w, w_at)
        totals = [cgutils.alloca_once(build, SUMS) for _ in rows]
        for total in totals:
            build.store(half, total)
        with cgutils.for_range(build, count) as loop:
            weight = build.insert_element(undefined, build.load(build.gep(weights, [loop.index])), WORD(0))
            spread = build.shuffle_vector(weight, undefined, ir.Constant(SUMS, [0] * SIZE))
            for row, total in zip(rows, totals, strict=True):
                pixel = build.bitcast(build.gep(row, [build.mul(loop.index, INDEX(CHANNELS))]), BYTES.as_pointer())
                loaded = build.load(pixel)
                loaded.align = 1
                build.store(build.add(build.load(total), build.mul(build.zext(loaded, SUMS), spread)), total)
        for row, total in zip(in_rows(6, y, y_at, y_row), totals, strict=True):
            rounded = build.lshr(build.load(total), ir.Constant(SUMS, [SHIFT] * SIZE))
            build.store(build.trunc(rounded, BYTES), build.bitcast(row, BYTES.as_pointer())).align = 1
        return context.get_dummy_value()

    n = types.intp
    return types.void(x, n, n, w, n, n, y, n, n), generate


weigh_pixels = intrinsic(_weigh_pixels)
