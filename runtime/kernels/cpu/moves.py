"""Moves of floats between flat arrays, in LLVM's language: numba's loops and slices check for indices from the end."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from runtime.kernels.cpu.generated import cgutils, intrinsic, types
from runtime.kernels.cpu.register_tile import INDEX, LANES, VECTOR, VECTORS, lanes_below, load_lanes, store_lanes

BYTE_POINTER, BIT, FLOAT_BYTES = ir.IntType(8).as_pointer(), ir.IntType(1), 4


def _copy_floats(context: Any, a: Any, a_at: Any, b: Any, b_at: Any, count: Any) -> Any:
    """b[b_at + i] = a[a_at + i] for `count` floats of flat arrays."""

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        a, a_at, b, b_at, count = arguments
        source, target = (_address(context, build, signature.args[i], array, at) for i, array, at in ((0, a, a_at), (2, b, b_at)))
        kind = ir.FunctionType(ir.VoidType(), [BYTE_POINTER, BYTE_POINTER, INDEX, BIT])
        copy = cgutils.get_or_insert_function(build.module, kind, "llvm.memcpy.p0i8.p0i8.i64")
        build.call(copy, [target, source, build.mul(count, INDEX(FLOAT_BYTES)), BIT(0)])
        return context.get_dummy_value()

    return types.void(a, types.intp, b, types.intp, types.intp), generate


def _clear_floats(context: Any, b: Any, b_at: Any, count: Any) -> Any:
    """b[b_at + i] = 0 for `count` floats of a flat array."""

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        b, b_at, count = arguments
        kind = ir.FunctionType(ir.VoidType(), [BYTE_POINTER, ir.IntType(8), INDEX, BIT])
        fill = cgutils.get_or_insert_function(build.module, kind, "llvm.memset.p0i8.i64")
        size = build.mul(count, INDEX(FLOAT_BYTES))
        build.call(fill, [_address(context, build, signature.args[0], b, b_at), ir.IntType(8)(0), size, BIT(0)])
        return context.get_dummy_value()

    return types.void(b, types.intp, types.intp), generate


def _address(context: Any, build: Any, kind: Any, array: Any, at: Any) -> Any:
    """The address of a float of a flat array, as one of bytes."""
    return build.bitcast(build.gep(context.make_array(kind)(context, build, array).data, [at]), BYTE_POINTER)


def vector_at(context: Any, build: Any, kind: Any, array: Any, at: Any) -> Any:
    """The address of a vector in a flat array."""
    data = context.make_array(kind)(context, build, array).data
    return build.bitcast(build.gep(data, [at]), VECTOR.as_pointer())


def spread_number(build: Any, number: Any) -> Any:
    """A vector of one number."""
    undefined, places = ir.Constant(VECTOR, ir.Undefined), ir.VectorType(ir.IntType(32), LANES)
    first = build.insert_element(undefined, number, ir.IntType(32)(0))
    return build.shuffle_vector(first, undefined, ir.Constant(places, [0] * LANES))


def _copy_row(context: Any, a: Any, a_at: Any, b: Any, b_at: Any) -> Any:
    """b[b_at + i] = a[a_at + i] for WIDTH floats of flat arrays."""

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        a, a_at, b, b_at = arguments
        for v in range(VECTORS):
            loaded = build.load(vector_at(context, build, signature.args[0], a, build.add(a_at, INDEX(v * LANES))))
            loaded.align = 4
            build.store(loaded, vector_at(context, build, signature.args[2], b, build.add(b_at, INDEX(v * LANES)))).align = 4
        return context.get_dummy_value()

    return types.void(a, types.intp, b, types.intp), generate


def _copy_units(context: Any, a: Any, a_at: Any, a_next: Any, b: Any, b_at: Any, b_next: Any, unit: Any, count: Any) -> Any:
    """b[b_at + i * b_next + j] = a[a_at + i * a_next + j] for i < count and j < unit, at most LANES, of flat arrays."""
    signature = types.void(a, types.intp, types.intp, b, types.intp, types.intp, types.intp, types.intp)

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        a, a_at, a_next, b, b_at, b_next, unit, count = arguments
        source, target = (context.make_array(signature.args[i])(context, build, array).data for i, array in ((0, a), (3, b)))
        mask = lanes_below(build, unit)
        with build.if_else(build.icmp_signed("==", unit, INDEX(1))) as (single, several):
            for way, alone in ((single, True), (several, False)):
                with way, cgutils.for_range(build, count) as loop:
                    at = build.gep(source, [build.add(a_at, build.mul(a_next, loop.index))])
                    to = build.gep(target, [build.add(b_at, build.mul(b_next, loop.index))])
                    if alone:  # a vector of which one lane is stored takes several times as long
                        build.store(build.load(at), to)
                    else:
                        loaded = load_lanes(build, build.bitcast(at, VECTOR.as_pointer()), mask)
                        store_lanes(build, loaded, build.bitcast(to, VECTOR.as_pointer()), mask)
        return context.get_dummy_value()

    return signature, generate


UNITS = tuple(2**i for i in range(LANES.bit_length() - 1))  # floats that `deal_by_four` and `join_by_four` move together
FOUR = ir.VectorType(ir.FloatType(), 4 * LANES)


def _for_each_unit(build: Any, unit: Any, write: Any) -> None:
    """Code for each of UNITS, of which that of `unit` runs."""
    for one in UNITS:
        with build.if_then(build.icmp_signed("==", unit, INDEX(one))):
            write(one)


def _deal_by_four(context: Any, a: Any, a_at: Any, b: Any, b_at: Any, b_next: Any, unit: Any) -> Any:
    """b[b_at + p * b_next + i * unit + j] = a[a_at + (4 * i + p) * unit + j] for p < 4 and j < unit, LANES floats for each p.

    Flat arrays; unit: one of UNITS.
    """

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        a, a_at, b, b_at, b_next, unit = arguments
        address = vector_at(context, build, signature.args[0], a, a_at)
        loaded = build.load(build.bitcast(address, FOUR.as_pointer()))
        loaded.align = 4
        places = ir.VectorType(ir.IntType(32), LANES)

        def write(size: int) -> None:
            for p in range(4):
                order = ir.Constant(places, [(4 * (i // size) + p) * size + i % size for i in range(LANES)])
                line = build.shuffle_vector(loaded, ir.Constant(FOUR, ir.Undefined), order)
                to = build.add(b_at, build.mul(b_next, INDEX(p)))
                build.store(line, vector_at(context, build, signature.args[2], b, to)).align = 4

        _for_each_unit(build, unit, write)
        return context.get_dummy_value()

    return types.void(a, types.intp, b, types.intp, types.intp, types.intp), generate


def _join_by_four(context: Any, a: Any, a_at: Any, a_next: Any, b: Any, b_at: Any, unit: Any) -> Any:
    """b[b_at + (4 * i + p) * unit + j] = a[a_at + p * a_next + i * unit + j], what `deal_by_four` undoes."""

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        a, a_at, a_next, b, b_at, unit = arguments
        lines = []
        for p in range(4):
            at = build.add(a_at, build.mul(a_next, INDEX(p)))
            lines.append(build.load(vector_at(context, build, signature.args[0], a, at)))
            lines[-1].align = 4
        whole = ir.Constant(ir.VectorType(ir.IntType(32), 2 * LANES), list(range(2 * LANES)))
        halves = [build.shuffle_vector(lines[p], lines[p + 1], whole) for p in (0, 2)]
        address = build.bitcast(vector_at(context, build, signature.args[3], b, b_at), FOUR.as_pointer())

        def write(size: int) -> None:
            columns = ((i // size, i % size) for i in range(4 * LANES))
            order = [column % 4 * LANES + column // 4 * size + j for column, j in columns]
            joined = build.shuffle_vector(*halves, ir.Constant(ir.VectorType(ir.IntType(32), 4 * LANES), order))
            build.store(joined, address).align = 4

        _for_each_unit(build, unit, write)
        return context.get_dummy_value()

    return types.void(a, types.intp, types.intp, b, types.intp, types.intp), generate


def _transpose_square(context: Any, a: Any, a_at: Any, a_row: Any, b: Any, b_at: Any, b_row: Any) -> Any:
    """b[j, i] = a[i, j] for LANES rows and columns of flat arrays, from *_at on, whose rows are *_row floats apart."""
    signature = types.void(a, types.intp, types.intp, b, types.intp, types.intp)

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        a, a_at, a_row, b, b_at, b_row = arguments

        def row(number: int, array: Any, at: Any, length: Any, i: int) -> Any:
            return vector_at(context, build, signature.args[number], array, build.add(at, build.mul(length, INDEX(i))))

        rows = [build.load(row(0, a, a_at, a_row, i)) for i in range(LANES)]
        for loaded in rows:
            loaded.align = 4
        places, half = ir.VectorType(ir.IntType(32), LANES), LANES // 2
        low, high = (ir.Constant(places, [i // 2 + i % 2 * LANES + start for i in range(LANES)]) for start in (0, half))
        for _ in range(LANES.bit_length() - 1):  # each round deals the rows of both halves out in turn
            pairs = [(rows[i], rows[i + half]) for i in range(half)]
            rows = [build.shuffle_vector(one, other, order) for one, other in pairs for order in (low, high)]
        for i, line in enumerate(rows):
            build.store(line, row(3, b, b_at, b_row, i)).align = 4
        return context.get_dummy_value()

    return signature, generate


copy_floats = intrinsic(_copy_floats)
clear_floats = intrinsic(_clear_floats)
copy_row = intrinsic(_copy_row)
deal_by_four = intrinsic(_deal_by_four)
join_by_four = intrinsic(_join_by_four)
copy_units = intrinsic(_copy_units)
transpose_square = intrinsic(_transpose_square)
