"""Adding gradients to the elements that were the largest of their windows, in LLVM's language: compilers widen the comparison."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from runtime.kernels.cpu.generated import cgutils, intrinsic, types
from runtime.kernels.cpu.moves import vector_at
from runtime.kernels.cpu.register_tile import INDEX, LANES, MASK, ZEROS, lanes_below, load_lanes, store_lanes


def _add_where(
    context: Any, dy: Any, places: Any, at: Any, place: Any, dx: Any, to: Any, following: Any, unit: Any, count: Any
) -> Any:
    """dx[to + i * following + n] += dy[at + i * unit + n] where places[at + i * unit + n] == place, for i < count and n < unit.

    Flat arrays; places: uint8 or uint16.
    """
    n = types.intp

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        dy, _, at, place, dx, to, following, unit, count = arguments
        kinds = signature.args
        found = context.make_array(kinds[1])(context, build, arguments[1]).data
        narrow = ir.VectorType(found.type.pointee, LANES)
        wanted = _spread(build, build.trunc(place, narrow.element), narrow)

        def add(source: Any, target: Any, mask: Any | None) -> None:
            named = build.bitcast(build.gep(found, [source]), narrow.as_pointer())
            here = build.icmp_unsigned("==", _load(build, named, mask), wanted)
            given, sums = vector_at(context, build, kinds[0], dy, source), vector_at(context, build, kinds[4], dx, target)
            if mask is None:
                gradient = build.select(here, _load(build, given, None), ZEROS)
                build.store(build.fadd(_load(build, sums, None), gradient), sums).align = 4
            else:
                gradient = load_lanes(build, given, build.and_(here, mask))
                store_lanes(build, build.fadd(load_lanes(build, sums, mask), gradient), sums, mask)

        with cgutils.for_range(build, count) as loop:
            first, target = (build.add(start, build.mul(each, loop.index)) for start, each in ((at, unit), (to, following)))
            with cgutils.for_range_slice(build, INDEX(0), unit, INDEX(LANES), INDEX) as (step, _):
                left, ends = build.sub(unit, step), (build.add(first, step), build.add(target, step))
                with build.if_else(build.icmp_signed(">=", left, INDEX(LANES))) as (whole, rest):
                    with whole:
                        add(*ends, None)
                    with rest:
                        add(*ends, lanes_below(build, left))
        return context.get_dummy_value()

    return types.void(dy, places, n, n, dx, n, n, n, n), generate


def _load(build: Any, address: Any, mask: Any | None) -> Any:
    """A vector, at any address; whole numbers that are masked out are 0."""
    kind = address.type.pointee
    if mask is None:
        loaded = build.load(address)
        loaded.align = kind.element.width // 8 if isinstance(kind.element, ir.IntType) else 4
        return loaded
    name = f"llvm.masked.load.v{LANES}i{kind.element.width}.p0v{LANES}i{kind.element.width}"
    masked = cgutils.get_or_insert_function(
        build.module, ir.FunctionType(kind, [kind.as_pointer(), ir.IntType(32), MASK, kind]), name
    )
    return build.call(masked, [address, ir.IntType(32)(1), mask, ir.Constant(kind, [0] * LANES)])


def _spread(build: Any, number: Any, kind: Any) -> Any:
    """A vector of one number."""
    undefined, places = ir.Constant(kind, ir.Undefined), ir.VectorType(ir.IntType(32), LANES)
    first = build.insert_element(undefined, number, ir.IntType(32)(0))
    return build.shuffle_vector(first, undefined, ir.Constant(places, [0] * LANES))


add_where = intrinsic(_add_where)
