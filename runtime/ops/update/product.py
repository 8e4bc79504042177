"""CPU kernels that update the weights of a fully connected layer while their gradient, a product, is made block by block.

The gradient of a block stays in a cache.  Written to memory it would be as large as the weights, and be read again.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.intrinsics import SCOPE
from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.printed import Printed
from runtime.kernels.cpu.product import PANEL, multiply, pack_transposed, packed_size
from runtime.kernels.cpu.register_tile import LANES
from runtime.kernels.cpu.registry import CPU_PLANS, WORK, Plan, Work, kernel, launch
from runtime.kernels.operand import Operand, Workspace
from runtime.ops.update.printing import EXACT, flops, loops_text, moved, numbers_text
from runtime.ops.update.table import OF_PRODUCT, ROWS, Row

TALL, WIDE = 32, 20 * PANEL  # rows and columns of a block
PLAIN = Epilogue()
TEXT = """\
def {name}(begin, end, dy, packed, {arrays}, scratch, {constants}):
    rate = np.float32(rate[0] * np.float32(lr_mult))
    decay = np.float32(decay)
    {numbers}
    gradients, N, length = dy.reshape(-1), dy.shape[1], weight.size // dy.shape[0]
    across = -(-length // WIDE)
    for item in range(begin, end):
        top, left = item // across * TALL, item % across * WIDE
        rows, columns = min(TALL, dy.shape[0] - top), min(WIDE, length - left)
        right = packed[left * N :]
        if N > 0:
            multiply(gradients, top * N, N, rows, right, N, scratch, 0, WIDE, columns, scratch, 0, True, True, PLAIN, scratch, 0)
        else:
            scratch[:] = 0
        for row in range(rows):
            first = (top + row) * length + left
            last = first + columns
            {tiles}; gradient_tile = scratch[row * WIDE : row * WIDE + columns]
{loops}"""


def text(row: Row) -> str:
    """The source of a row's kernel."""
    arrays = ("weight", *row.states)
    constants = row.parameters[row.parameters.index("lr_mult") :]
    return TEXT.format(
        name=name_of(row),
        arrays=", ".join((*arrays, *row.numbers)),
        constants=", ".join(constants),
        numbers=numbers_text(row),
        tiles="; ".join(f"{name}_tile = {name}[first:last]" for name in arrays),
        loops=loops_text(row).replace("\n", "\n    ").rstrip(" ").replace("        if", "            if", 1),
    )


def name_of(row: Row) -> str:
    return f"{row.kernel}_from_blocks"


@kernel(items=lambda x, packed: -(-x.shape[0] // PANEL))
@jit
def pack_columns(begin, end, x, packed):
    """packed, flat: x (K, N) as the right side, N rows of K columns, of a product.  Item: PANEL columns."""
    (K, N), flat = x.shape, x.reshape(-1)
    for item in range(begin, end):
        for column in range(item * PANEL, min((item + 1) * PANEL, K), LANES):
            pack_transposed(flat, column * N, N, min(LANES, K - column), packed, column, N)


def plan(row: Row, x: Operand, dy: Operand, weight: Operand, *others: Operand, **constants: Any) -> Plan:
    """The launches: x packed, then blocks of the product and their updates."""
    packed = Operand((packed_size(x.shape[1], x.shape[0]),), pointer=Workspace())
    return Plan((launch("pack_columns", x, packed), launch(name_of(row), dy, packed, weight, *others, **constants)), packed.bytes)


def moved_with(row: Row, x: Operand, dy: Operand, weight: Operand, *others: Operand, **_: Any) -> int:
    """Bytes; the gradient, which `moved` counts as read, is not moved."""
    return moved(row, weight, weight, *others) - weight.bytes + x.bytes + dy.bytes


def flops_with(row: Row, x: Operand, dy: Operand, weight: Operand, *_: Any, **__: Any) -> int:
    """With those of the product, as no other device's plan says them."""
    return flops(row, weight) + 2 * x.shape[1] * weight.size


for _row in ROWS.values():
    _function = _row.function
    _parameters = ("dy", "packed", *(name for name in _row.parameters if name != "gradient"))
    _at = _parameters.index("lr_mult")
    _printed = Printed(
        _function,
        (*_parameters[:_at], "scratch", *_parameters[_at:]),
        partial(text, _row),
        {**SCOPE, "multiply": multiply, "PLAIN": PLAIN, "TALL": TALL, "WIDE": WIDE},
        EXACT,
        str(Path(__file__).with_name("cpu.py")),  # which imports this one: numba keeps both files' kernels as those of the table
        name_of(_row),
    )
    kernel(
        items=lambda dy, packed, weight, *_: -(-dy.shape[0] // TALL) * -(-(weight.size // dy.shape[0]) // WIDE),
        scratch=lambda *_: TALL * WIDE,
    )(_printed)
    _name = _row.kernel + OF_PRODUCT
    CPU_PLANS[_name] = partial(plan, _row)
    WORK[_name] = Work(partial(flops_with, _row), partial(moved_with, _row))
