"""Linear combinations of vectors with constant factors, in LLVM's language: the vectorizer takes no loop over so many arrays."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from runtime.kernels.cpu.generated import cgutils, intrinsic, types
from runtime.kernels.cpu.moves import spread_number, vector_at
from runtime.kernels.cpu.register_tile import INDEX, LANES, VECTOR

Matrix = tuple[tuple[float, ...], ...]
FLOAT = ir.FloatType()


def combination(matrix: Matrix, period: int = 0) -> Any:
    """A function (a, a_at, a_next, a_round, b, b_at, b_next) for flat arrays: vector i of b is the sum over j of matrix[i][j] times
    vector j of a; vectors of LANES floats, from *_at on, *_next apart.  a and b may not overlap.

    Parameters
    ----------
    period: after so many vectors of a the next ones begin a_round floats behind the first; 0: never.
    """
    period = period or len(matrix[0])

    @intrinsic
    def combine(context: Any, a: Any, a_at: Any, a_next: Any, a_round: Any, b: Any, b_at: Any, b_next: Any) -> Any:
        def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
            a, a_at, a_next, a_round, b, b_at, b_next = arguments

            def address(number: int, array: Any, at: Any, following: Any, i: int) -> Any:
                return vector_at(context, build, signature.args[number], array, build.add(at, build.mul(following, INDEX(i))))

            starts = [build.add(a_at, build.mul(a_round, INDEX(j // period))) for j in range(len(matrix[0]))]
            given = [build.load(address(0, a, start, a_next, j % period)) for j, start in enumerate(starts)]
            for loaded in given:
                loaded.align = 4
            for i, row in enumerate(matrix):
                build.store(_sum(build, row, given), address(4, b, b_at, b_next, i)).align = 4
            return context.get_dummy_value()

        return types.void(a, types.intp, types.intp, types.intp, b, types.intp, types.intp), generate

    return combine


def _sum(build: Any, factors: tuple[float, ...], vectors: list[Any]) -> Any:
    """The sum of vectors times factors; those of factor 1 or -1 are not multiplied."""
    total = None
    fma = cgutils.get_or_insert_function(build.module, ir.FunctionType(VECTOR, [VECTOR] * 3), f"llvm.fma.v{LANES}f32")
    for factor, vector in sorted(zip(factors, vectors, strict=True), key=lambda pair: pair[0] != 1):
        constant = ir.Constant(VECTOR, [factor] * LANES)
        if factor == 0:
            continue
        if total is None:
            total = vector if factor == 1 else build.fmul(vector, constant)
        elif factor in (1, -1):
            total = build.fadd(total, vector) if factor == 1 else build.fsub(total, vector)
        else:
            total = build.call(fma, [vector, constant, total])
    return total


def _store_activated(context: Any, a: Any, a_at: Any, b: Any, b_at: Any, bias: Any, relu: Any, slope: Any) -> Any:
    """b = a + bias for LANES floats of flat arrays, from *_at on, then ReLU with a slope below zero if asked."""

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        a, a_at, b, b_at, bias, relu, slope = arguments
        loaded = build.load(vector_at(context, build, signature.args[0], a, a_at))
        loaded.align = 4
        value, zeros = build.fadd(loaded, spread_number(build, bias)), ir.Constant(VECTOR, [0.0] * LANES)
        no_slope = build.fcmp_ordered("==", slope, ir.Constant(FLOAT, 0.0))
        small = build.select(no_slope, zeros, build.fmul(value, spread_number(build, slope)))
        clipped = build.select(build.fcmp_ordered("<", value, zeros), small, value)  # a NaN is not below zero, and stays
        result = build.select(cgutils.is_not_null(build, relu), clipped, value)
        build.store(result, vector_at(context, build, signature.args[2], b, b_at)).align = 4
        return context.get_dummy_value()

    return types.void(a, types.intp, b, types.intp, types.float32, types.boolean, types.float32), generate


store_activated = intrinsic(_store_activated)
