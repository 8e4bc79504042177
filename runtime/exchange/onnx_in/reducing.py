"""Layers of sums over axes, of the largest along one, of copies, and of what lies at fixed indices."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from netdef.graph.shape import Shape
from runtime.exchange.onnx_in.layers import Layers, reads
from runtime.exchange.onnx_in.model import Node

AVE, PROD = 1, 0  # of PoolingParameter's and EltwiseParameter's enums
OPERATIONS = {"ReduceSum": 1, "ReduceL1": 2, "ReduceSumSquare": 3, "ReduceMean": 4}  # those of ReductionParameter
MOST_PIECES = 64  # of an axis whose entries are put in another order


@reads(*OPERATIONS)
def reduce(node: Node, into: Layers) -> None:
    """A sum over the last axes is a Reduction; a mean over rows and columns a Pooling, as in Caffe's nets."""
    shape = into.shape_of(node.inputs[0])
    given = into.constant(node.input(1)) if node.input(1) else node.attributes.get("axes")
    if node.input(1) and given is None:
        raise into.model.refused(node, "its axes are not fixed")
    named = [] if given is None else list(given)
    if not shape:
        raise into.model.refused(node, "it is of a single number, without axes")
    if not named and node.attributes.get("noop_with_empty_axes", 0):
        raise into.model.refused(node, "without axes it sums nothing (noop_with_empty_axes)")
    axes = sorted(counted(node, into, axis, len(shape)) for axis in named) if named else list(range(len(shape)))
    if node.kind == "ReduceMean" and len(shape) == 4 and axes == [2, 3]:
        with_ones(node, into, (*shape[:2], 1, 1), lambda top: into.add(
            node, "Pooling", node.inputs[:1], [top], pool=AVE, global_pooling=True
        ))  # fmt: skip
        return
    if axes != list(range(axes[0], len(shape))):
        raise into.model.refused(node, "a sum over other axes than the last ones has no layer")
    settings: dict[str, Any] = {"operation": OPERATIONS[node.kind], "axis": axes[0] or None}
    with_ones(node, into, shape[: axes[0]], lambda top: into.add(node, "Reduction", node.inputs[:1], [top], **settings))


def counted(node: Node, into: Layers, index: int, size: int) -> int:
    """An axis, or an index, counted from the front; one below 0 counts from the end.  Raises NetdefError: it is out of range."""
    if not -size <= index < size:
        raise into.model.refused(node, f"{index} is out of range: there are {size}")
    return int(index) % size


def with_ones(node: Node, into: Layers, made: Shape, add: Callable[[str], object]) -> None:
    """Let a layer make a value of some shape, and a Reshape give it the output's, which has an axis of 1 more or less."""
    output = node.outputs[0]
    wanted = into.shape_of(output)
    if wanted == made:
        add(output)
        return
    between = f"{output}/reduced"
    into.model.shapes[between] = made
    add(between)
    if wanted == (*made[:1], prod(made[1:])) and len(made) > 1:
        into.add(node, "Flatten", [between], [output], suffix="/shape")
        return
    dims = into.add(node, "Reshape", [between], [output], suffix="/shape").reshape_param.shape
    dims.dim.extend([0, *wanted[1:]] if wanted[:1] == made[:1] else wanted)


@reads("ArgMax")
def largest(node: Node, into: Layers) -> None:
    shape = into.shape_of(node.inputs[0])
    axis = counted(node, into, node.attributes.get("axis", 0), len(shape))
    if not node.attributes.get("select_last_index", 0):
        into.notes.append(f"node {node.label} (ArgMax): of equal numbers the net takes the last, the file the first")
    with_ones(node, into, (*shape[:axis], 1, *shape[axis + 1 :]), lambda top: into.add(
        node, "ArgMax", node.inputs[:1], [top], axis=axis
    ))  # fmt: skip


@reads("Tile", "Expand")
def copies(node: Node, into: Layers) -> None:
    """A Tile along each axis that grows."""
    before, after = into.shape_of(node.inputs[0]), into.shape_of(node.outputs[0])
    if len(before) != len(after):
        raise into.model.refused(node, f"from {len(before)} axes it makes {len(after)}")
    grown = [axis for axis, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    if not grown:
        into.add(node, "Split", node.inputs[:1], node.outputs[:1])
    value, sizes = node.inputs[0], list(before)
    for number, axis in enumerate(grown, 1):
        name = node.outputs[0] if number == len(grown) else f"{node.outputs[0]}/{number}"
        sizes[axis] = after[axis]
        into.model.shapes[name] = tuple(sizes)
        suffix = "" if number == len(grown) else f"/{number}"
        into.add(node, "Tile", [value], [name], suffix=suffix, axis=axis, tiles=after[axis] // before[axis])
        value = name


@reads("Gather")
def gather(node: Node, into: Layers) -> None:
    """Entries of an axis at fixed indices: those that follow one another are cut out, others put in their order by a Concat."""
    shape, indices = into.shape_of(node.inputs[0]), into.constant(node.inputs[1])
    axis = counted(node, into, node.attributes.get("axis", 0), len(shape))
    if indices is None or indices.ndim > 1:
        raise into.model.refused(node, "its indices are not fixed, or have several axes")
    wanted = [counted(node, into, index, shape[axis]) for index in np.ravel(indices)]
    made = (*shape[:axis], len(wanted), *shape[axis + 1 :])
    if not prod(made):
        raise into.model.refused(node, "it takes nothing")
    if wanted == list(range(wanted[0], wanted[0] + len(wanted))):
        cuts = [0, wanted[0], wanted[-1] + 1, shape[axis]]
    elif shape[axis] <= MOST_PIECES:
        cuts = list(range(shape[axis] + 1))
    else:
        raise into.model.refused(node, f"it puts more than {MOST_PIECES} entries in another order")
    with_ones(node, into, made, lambda top: _taken(node, into, axis, cuts, wanted, top))


def _taken(node: Node, into: Layers, axis: int, cuts: list[int], wanted: list[int], top: str) -> None:
    """Cut an axis into pieces, and join those that are wanted."""
    shape = into.shape_of(node.inputs[0])
    ends = sorted(set(cuts))
    if len(ends) == 2 and len(wanted) > shape[axis]:  # the one entry of an axis, several times
        into.add(node, "Tile", node.inputs[:1], [top], suffix="/copies", axis=axis, tiles=len(wanted))
        return
    if len(ends) == 2:  # all of it
        into.add(node, "Split", node.inputs[:1], [top], suffix="/all")
        return
    pieces = {begin: f"{node.outputs[0]}/{begin}" for begin in ends[:-1]}
    for begin, end in pairwise(ends):
        into.model.shapes[pieces[begin]] = (*shape[:axis], end - begin, *shape[axis + 1 :])
    taken = list(dict.fromkeys(begin for begin in wanted if begin in pieces))
    joined = [pieces[begin] for begin in wanted if begin in pieces]
    tops = [top if len(joined) == 1 and begin == taken[0] else pieces[begin] for begin in ends[:-1]]
    into.add(node, "Slice", node.inputs[:1], tops, suffix="/pieces", axis=axis, slice_point=ends[1:-1])
    unread = [name for begin, name in zip(ends[:-1], tops, strict=True) if begin not in taken]
    if unread:
        into.add(node, "Silence", unread, [], suffix="/unread")
    if len(joined) > 1:
        into.add(node, "Concat", joined, [top], axis=axis)


@reads("HardSigmoid", "HardSwish")
def hard(node: Node, into: Layers) -> None:
    """min(max(alpha * x + beta, 0), 1), as a Power and a Clip; HardSwish multiplies it by x."""
    x, output, swish = node.inputs[0], node.outputs[0], node.kind == "HardSwish"
    alpha, beta = (1 / 6, 0.5) if swish else (node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5))
    line, share = f"{output}/line", f"{output}/share" if swish else output
    into.model.shapes |= {line: into.shape_of(x), share: into.shape_of(x)}
    into.add(node, "Power", [x], [line], suffix="/line", apart=swish, scale=alpha, shift=beta)
    into.add(node, "Clip", [line], [share], suffix="/share" if swish else "", min=0.0, max=1.0)
    if swish:
        into.add(node, "Eltwise", [x, share], [output], operation=PROD)
