"""CUDA kernels of the solvers' updates, printed from their rows; launches of these and of gradients.cu.  All arrays are flat."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

import numpy as np

from runtime.ir.runs import ELEMENTS
from runtime.kernels.cuda.grids import THREADS, blocks, flat, name, width
from runtime.kernels.cuda.registry import Launch, plans, prints
from runtime.kernels.formula import CPP
from runtime.kernels.operand import Operand
from runtime.ops.update.table import ROWS, STATES, Row

UPDATES, GRADIENTS = "update.cu", "gradients.cu"
HEAD = """\
// Printed from the rows of runtime/ops/update/table.py; on flat arrays.  L1: weight decay pulls by the weight's sign.
#include "common.cuh"
"""
UPDATE = """
template <int V, bool L1>
__device__ inline void {name}_pack(Index pack, float* weight, const float* gradient, {states}, {scalars}) {{
  Pack<float, V> weights = load<V>(weight, pack){loads};
  const Pack<float, V> gradients = load<V>(gradient, pack);
  for (int v = 0; v < V; ++v) {{
    const float w = weights.at[v], pull = L1 ? float(w > 0) - float(w < 0) : w;
    {update}
  }}
  {stores}
  store<V>(weight, pack, weights);
}}

template <int V, bool L1> __global__ void {name}(
    float* __restrict__ weight, const float* __restrict__ gradient, {arrays}, Index size, float lr_mult, float decay{constants}) {{
  const Index thread = flat_thread(), packs = size / V, left = packs * V + thread - packs;
  const float local_rate = rate[0] * lr_mult;
  if (thread < packs) {name}_pack<V, L1>(thread, weight, gradient, {given});
  else if (left < size) {name}_pack<1, L1>(left, weight, gradient, {given});
}}
"""


def text(row: Row) -> str:
    """The source of a row's kernel."""
    scalars = row.numbers[1:]
    decayed = "" if row.decays_by_itself else " + decay * pull"
    update = [f"const float g = scale * gradients.at[v]{decayed};"]
    update += [f"const float {name} = {STATES[name]}_pack.at[v];" for name in row.histories]
    update += [f"const float {name} = {CPP.text(value)};" for name, value in row.expression.locals]
    *histories, loss = map(CPP.text, row.expression.results)
    update += [f"{state}_pack.at[v] = {value};" for state, value in zip(row.states, histories, strict=True)]
    return UPDATE.format(
        name=row.kernel,
        states=", ".join(f"float* {state}" for state in row.states),
        scalars=", ".join(f"float {name}" for name in ("rate", *scalars, "decay", *row.constants)),
        loads="".join(f", {state}_pack = load<V>({state}, pack)" for state in row.states),
        update="\n    ".join([*update, f"weights.at[v] = w - {loss};"]),
        stores="\n  ".join(f"store<V>({state}, pack, {state}_pack);" for state in row.states),
        arrays=", ".join(
            [f"float* __restrict__ {state}" for state in row.states]
            + [f"const float* __restrict__ {name}" for name in ("rate", *scalars)]
        ),
        constants="".join(f", float {name}" for name in row.constants),
        given=", ".join([*row.states, "local_rate", *(f"{name}[0]" for name in scalars), "decay", *row.constants]),
    )


@prints(UPDATES)
def source() -> str:
    """The file's text."""
    return HEAD + "".join(map(text, ROWS.values()))


def launcher(row: Row) -> Callable[..., Launch]:
    """The plan of a row's kernel."""
    numbers = ("lr_mult", "decay", *row.constants)

    def launch(*operands: Operand, l1: bool, **constants: Any) -> Launch:
        weight = operands[0]
        wide = width(*operands[: 2 + len(row.states)])
        grid = (blocks(weight.size // wide + weight.size % wide), 1, 1)
        scalars: tuple[np.generic, ...] = (np.int64(weight.size), *(np.float32(constants[name]) for name in numbers))
        return Launch(UPDATES, name(row.kernel, wide, l1), grid, (THREADS, 1, 1), tuple(range(len(operands))), scalars)

    launch.__name__ = row.kernel
    kind = Parameter.POSITIONAL_OR_KEYWORD
    launch.__signature__ = Signature([Parameter(name, kind) for name in row.parameters])  # type: ignore[attr-defined]
    return launch


for _row in ROWS.values():
    plans(launcher(_row))


@plans
def accumulate(gradient: Operand, added: Operand, total: Operand) -> Launch:
    return flat(GRADIENTS, "accumulate", (gradient, added, total))


@plans
def sum_of_squares(x: Operand, partials: Operand) -> Launch:
    scalars = (np.int64(x.size),)
    return Launch(GRADIENTS, name("sum_of_squares", width(x), ELEMENTS), (partials.size, 1, 1), (THREADS, 1, 1), (0, 1), scalars)


@plans
def clip_scale(squares: Operand, out: Operand, clip: float, scale: float) -> Launch:
    scalars = np.int64(squares.size), np.float64(clip), np.float64(scale)
    return Launch(GRADIENTS, name("clip_scale", pairs(squares)), (1, 1, 1), (THREADS, 1, 1), (0, 1), scalars)


@plans
def larc_rate(
    weight_squares: Operand, gradient_squares: Operand, rate: Operand, scale: Operand, local_rate: Operand, eta: float,
    decay: float, clip: bool,
) -> Launch:  # fmt: skip
    function = name("larc_rate", pairs(weight_squares, gradient_squares), clip)
    scalars = np.int64(weight_squares.size), np.float64(eta), np.float64(decay)
    return Launch(GRADIENTS, function, (1, 1, 1), (THREADS, 1, 1), (0, 1, 2, 3, 4), scalars)


def pairs(*operands: Operand) -> int:
    """How many doubles a thread takes at once: 2, which are 16 bytes, where every address allows it."""
    return 2 if all(operand.fits(2) for operand in operands) else 1
