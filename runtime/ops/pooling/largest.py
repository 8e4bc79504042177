"""The largest of some numbers and which one it is, for a run of windows, in LLVM's language: both stay in registers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from runtime.kernels.cpu.generated import cgutils, intrinsic, types
from runtime.kernels.cpu.moves import vector_at
from runtime.kernels.cpu.register_tile import INDEX, LANES, lanes_below, load_lanes, store_lanes

PLACES = ir.VectorType(ir.IntType(32), LANES)


def _keep_largest(
    context: Any, x: Any, x_at: Any, offsets: Any, places: Any, count: Any, y: Any, where: Any, to: Any, size: Any
) -> Any:
    """y[to + n] = the largest of x[x_at + offsets[e] + n] over e < count, and where[to + n] = places[e], for n < size.

    Of equals the first wins.  A NaN is larger than nothing, and stays where it is first.  Flat arrays; offsets int64, places int32.
    """
    signature = types.void(x, types.intp, offsets, places, types.intp, y, where, types.intp, types.intp)

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, _, _, count, y, _, to, size = arguments
        kinds = signature.args
        moved, named, found = (context.make_array(kinds[i])(context, build, arguments[i]).data for i in (2, 3, 6))
        zero = INDEX(0)

        def place_of(element: Any) -> Any:
            return _spread(build, build.load(build.gep(named, [element])))

        with cgutils.for_range_slice(build, zero, size, INDEX(LANES), INDEX) as (n, _):
            mask = lanes_below(build, build.sub(size, n))

            def value_of(element: Any) -> Any:
                at = build.add(build.add(x_at, n), build.load(build.gep(moved, [element])))
                return load_lanes(build, vector_at(context, build, kinds[0], x, at), mask)

            start, before = (value_of(zero), place_of(zero)), build.block
            loop, done = build.append_basic_block("element"), build.append_basic_block("largest")
            build.branch(loop)
            build.position_at_end(loop)
            element, best, place = build.phi(INDEX), build.phi(start[0].type), build.phi(PLACES)
            value = value_of(element)
            better = build.fcmp_ordered(">", value, best)
            following = build.add(element, INDEX(1))
            kept = build.select(better, value, best), build.select(better, place_of(element), place)
            for phi, first, other in ((element, zero, following), (best, start[0], kept[0]), (place, start[1], kept[1])):
                phi.add_incoming(first, before)
                phi.add_incoming(other, loop)
            build.cbranch(build.icmp_signed("<", following, count), loop, done)
            build.position_at_end(done)
            result = build.add(to, n)
            store_lanes(build, kept[0], vector_at(context, build, kinds[5], y, result), mask)
            address = build.gep(found, [result])
            narrow = ir.VectorType(address.type.pointee, LANES)
            store_lanes(build, build.trunc(kept[1], narrow), build.bitcast(address, narrow.as_pointer()), mask)
        return context.get_dummy_value()

    return signature, generate


def _spread(build: Any, number: Any) -> Any:
    """A vector of one place."""
    first = build.insert_element(ir.Constant(PLACES, ir.Undefined), number, ir.IntType(32)(0))
    return build.shuffle_vector(first, ir.Constant(PLACES, ir.Undefined), ir.Constant(PLACES, [0] * LANES))


keep_largest = intrinsic(_keep_largest)
