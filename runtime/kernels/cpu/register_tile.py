"""The innermost loop of matrix products: a tile of the result stays in vector registers while it is summed up.

Written in LLVM's language, as its vectorizer keeps no tile in registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir

from runtime.kernels.cpu.generated import cgutils, intrinsic, types


def tile_for(features: dict[str, bool]) -> tuple[int, int]:
    """(floats of a vector, rows of a tile) for a processor: a tile of 3 vectors a row takes 3/4 of its registers."""
    if features.get("avx512f"):
        return 16, 8
    return (8, 4) if features.get("avx") else (4, 4)


LANES, ROWS = tile_for(dict(binding.get_host_cpu_features()))
VECTORS = 3
WIDTH = LANES * VECTORS  # columns of a tile
INDEX, BIT = ir.IntType(64), ir.IntType(1)
VECTOR, MASK = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(BIT, LANES)
ZEROS = ir.Constant(VECTOR, [0.0] * LANES)


def _intrinsic(vectors: int) -> Any:
    """The function for tiles of so many vectors a row."""

    @intrinsic
    def multiply_tile(
        context: Any, a: Any, a_at: Any, a_row: Any, b: Any, b_at: Any, depth: Any, c: Any, c_at: Any, c_row: Any,
        rows: Any, columns: Any, bias: Any, bias_at: Any, more: Any, more_at: Any, first: Any, has_bias: Any, added: Any, relu: Any,
        slope: Any,
    ) -> Any:  # fmt: skip
        """c (rows, columns) = a (rows, depth) times b (depth, columns), plus bias (rows,) if it has one, plus c unless this is the
        first part of the sum; then plus more (rows, columns), and ReLU, if asked.

        Arrays are flat, each from *_at on.  Rows of a and c are *_row floats apart, those of more as those of c, those of b WIDTH,
        padded to whole vectors.
        """
        n, flag = types.intp, types.boolean
        signature = types.void(a, n, n, b, n, n, c, n, n, n, n, bias, n, more, n, flag, flag, flag, flag, types.float32)
        return signature, lambda *parts: _Tile(vectors, *parts).generate()

    return multiply_tile


class _Tile:
    """The code of one call, as it is built."""

    def __init__(self, vectors: int, context: Any, build: Any, signature: Any, arguments: Any):
        self.vectors, self.build, self.nothing = vectors, build, context.get_dummy_value()
        names = ("a", "a_at", "a_row", "b", "b_at", "depth", "c", "c_at", "c_row", "rows", "columns", "bias", "bias_at")
        flags = ("more", "more_at", "first", "has_bias", "added", "relu", "slope")
        self.given = dict(zip((*names, *flags), arguments, strict=True))
        for name in ("a", "b", "c", "bias", "more"):
            kind = signature.args[list(self.given).index(name)]
            data = context.make_array(kind)(context, build, self.given[name]).data
            self.given[name] = build.gep(data, [self.given[f"{name}_at"]])
        last_row = build.sub(self.given["rows"], INDEX(1))
        # Rows beyond the last repeat it: they compute and store the same numbers again.
        self.rows = [self._smaller(INDEX(i), last_row) for i in range(ROWS)]
        self.mask = lanes_below(build, build.sub(self.given["columns"], INDEX((vectors - 1) * LANES)))

    def generate(self) -> Any:
        slope, given = self.given["slope"], self.given
        sums = self._sums()
        sums = self._if(self._bit("first"), lambda: sums, lambda: self._plus("c", sums))
        sums = self._if(self._bit("added"), lambda: self._plus("more", sums), lambda: sums)
        no_slope = self.build.fcmp_ordered("==", slope, ir.Constant(ir.FloatType(), 0.0))
        # Ways of their own, as numbers that only one of them needs would push sums out of the registers.
        sums = self._if(
            cgutils.is_not_null(self.build, given["relu"]),
            lambda: self._if(no_slope, lambda: self._clipped(sums), lambda: self._leaking(sums)),
            lambda: sums,
        )
        for i, row in enumerate(self.rows):
            for v in range(self.vectors):
                self._store(sums[i][v], row, v)
        return self.nothing

    def _sums(self) -> list[list[Any]]:
        """The loop over the depth."""
        build, before = self.build, self.build.block
        lines = [build.gep(self.given["a"], [build.mul(self.given["a_row"], row)]) for row in self.rows]
        starts = [bias for bias in self._biases() for _ in range(self.vectors)]
        loop, done = build.append_basic_block("sum"), build.append_basic_block("summed")
        build.branch(loop)
        build.position_at_end(loop)
        k = build.phi(INDEX)
        sums = [[build.phi(VECTOR) for _ in range(self.vectors)] for _ in self.rows]
        at = build.gep(self.given["b"], [build.mul(k, INDEX(WIDTH))])
        right = [self._load(build.gep(at, [INDEX(v * LANES)]), VECTOR) for v in range(self.vectors)]
        fma = cgutils.get_or_insert_function(build.module, ir.FunctionType(VECTOR, [VECTOR] * 3), f"llvm.fma.v{LANES}f32")
        found = []
        for line, row in zip(lines, sums, strict=True):
            left = self._spread(build.load(build.gep(line, [k])))
            found.append([build.call(fma, [left, right[v], row[v]]) for v in range(self.vectors)])
        following = build.add(k, INDEX(1))
        for phi, start, next_value in [
            (k, INDEX(0), following),
            *zip(_flat(sums), starts, _flat(found), strict=True),
        ]:
            phi.add_incoming(start, before)
            phi.add_incoming(next_value, loop)
        build.cbranch(build.icmp_signed("<", following, self.given["depth"]), loop, done)
        build.position_at_end(done)
        return found

    def _biases(self) -> list[Any]:
        """What the sums of each row begin with, as vectors."""
        build, zero, has = self.build, ir.Constant(ir.FloatType(), 0.0), self._bit("has_bias")
        return [self._spread(build.select(has, build.load(build.gep(self.given["bias"], [row])), zero)) for row in self.rows]

    def _plus(self, array: str, sums: list[list[Any]]) -> list[list[Any]]:
        return [
            [self.build.fadd(one, self._load_result(array, row, v)) for v, one in enumerate(line)]
            for row, line in zip(self.rows, sums, strict=True)
        ]

    def _clipped(self, sums: list[list[Any]]) -> list[list[Any]]:
        return [[self._below(one, ZEROS) for one in line] for line in sums]

    def _leaking(self, sums: list[list[Any]]) -> list[list[Any]]:
        slope = self._spread(self.given["slope"])
        return [[self._below(one, self.build.fmul(one, slope)) for one in line] for line in sums]

    def _below(self, value: Any, small: Any) -> Any:
        """`small` where a value is below zero; a NaN is not, and stays."""
        return self.build.select(self.build.fcmp_ordered("<", value, ZEROS), small, value)

    def _if(self, flag: Any, yes: Any, no: Any) -> list[list[Any]]:
        """The sums that one of two ways gives."""
        build = self.build
        blocks = [build.append_basic_block(name) for name in ("yes", "no", "both")]
        build.cbranch(flag, *blocks[:2])
        ways = []
        for block, way in zip(blocks, (yes, no), strict=False):
            build.position_at_end(block)
            ways.append((way(), build.block))
            build.branch(blocks[2])
        build.position_at_end(blocks[2])
        joined = [[build.phi(VECTOR) for _ in range(self.vectors)] for _ in self.rows]
        for values, block in ways:
            for phi, value in zip(_flat(joined), _flat(values), strict=True):
                phi.add_incoming(value, block)
        return joined

    def _bit(self, name: str) -> Any:
        return cgutils.is_not_null(self.build, self.given[name])

    def _smaller(self, one: Any, other: Any) -> Any:
        return self.build.select(self.build.icmp_signed("<", one, other), one, other)

    def _spread(self, number: Any) -> Any:
        """A vector of one number."""
        undefined, places = ir.Constant(VECTOR, ir.Undefined), ir.VectorType(ir.IntType(32), LANES)
        first = self.build.insert_element(undefined, number, ir.IntType(32)(0))
        return self.build.shuffle_vector(first, undefined, ir.Constant(places, [0] * LANES))

    def _load(self, address: Any, kind: Any) -> Any:
        loaded = self.build.load(self.build.bitcast(address, kind.as_pointer()))
        loaded.align = 4
        return loaded

    def _address(self, array: str, row: Any, v: int) -> Any:
        build = self.build
        at = build.add(build.mul(self.given["c_row"], row), INDEX(v * LANES))
        return build.bitcast(build.gep(self.given[array], [at]), VECTOR.as_pointer())

    def _load_result(self, array: str, row: Any, v: int) -> Any:
        if v < self.vectors - 1:
            return self._load(self._address(array, row, v), VECTOR)
        return load_lanes(self.build, self._address(array, row, v), self.mask)

    def _store(self, value: Any, row: Any, v: int) -> None:
        if v < self.vectors - 1:
            self.build.store(value, self._address("c", row, v)).align = 4
        else:
            store_lanes(self.build, value, self._address("c", row, v), self.mask)


def lanes_below(build: Any, count: Any) -> Any:
    """The mask of a vector's first `count` lanes."""
    numbers, places = ir.VectorType(INDEX, LANES), ir.VectorType(ir.IntType(32), LANES)
    first = build.insert_element(ir.Constant(numbers, ir.Undefined), count, ir.IntType(32)(0))
    spread = build.shuffle_vector(first, ir.Constant(numbers, ir.Undefined), ir.Constant(places, [0] * LANES))
    return build.icmp_signed("<", ir.Constant(numbers, list(range(LANES))), spread)


def load_lanes(build: Any, address: Any, mask: Any) -> Any:
    """A vector of which only the lanes of a mask are read; the others are 0."""
    kind = ir.FunctionType(VECTOR, [VECTOR.as_pointer(), ir.IntType(32), MASK, VECTOR])
    masked = cgutils.get_or_insert_function(build.module, kind, f"llvm.masked.load.v{LANES}f32.p0v{LANES}f32")
    return build.call(masked, [address, ir.IntType(32)(4), mask, ZEROS])


def store_lanes(build: Any, value: Any, address: Any, mask: Any) -> None:
    """Write the lanes of a mask, floats or whole numbers, at an address of a vector of them."""
    single = value.type.element
    name = "f32" if isinstance(single, ir.FloatType) else f"i{single.width}"
    kind = ir.FunctionType(ir.VoidType(), [value.type, value.type.as_pointer(), ir.IntType(32), MASK])
    masked = cgutils.get_or_insert_function(build.module, kind, f"llvm.masked.store.v{LANES}{name}.p0v{LANES}{name}")
    build.call(masked, [value, address, ir.IntType(32)(1), mask])


def _flat(rows: list[list[Any]]) -> list[Any]:
    return [one for row in rows for one in row]


multiply_one, multiply_two, multiply_three = (_intrinsic(vectors) for vectors in (1, 2, 3))
