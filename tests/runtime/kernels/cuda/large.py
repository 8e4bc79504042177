"""Kernels on arrays of more than 2 ** 31 numbers: the last blocks of a huge batch give what they give in a small one.

    LD_PRELOAD=... python -m tests.runtime.kernels.cuda.large LIBRARIES.json

prints the kernels that it has run.  The arrays are address space without memory; only the last images' pages come to be.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import Launch, Plan, plan
from runtime.kernels.operand import Operand, Pointer, Workspace
from runtime.ops.update.table import ROWS
from tests.runtime.kernels.cuda.on_cpu import Module
from tests.runtime.kernels.cuda.running import pointers_of, run_step
from tests.runtime.kernels.cuda.sanitizers import modules_of

# Images: at least those of one block, and so many that a blob has more than 2 ** 31 numbers; in whole packs, and not.
SIZES = ((1024, 1 << 26), (1023, (1 << 26) + 31))
NO_LIMIT = 1 << 50
NO_RESERVE = 0x4000  # Linux's MAP_NORESERVE, which Python's mmap lacks before 3.13


@dataclass(frozen=True)
class Array:
    """An array for one image.

    Parameters
    ----------
    axis: of images; None for an array that does not grow with them.
    most: its integers are below that.
    result: nothing is in it yet.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    axis: int | None = -1
    most: int = 100
    result: bool = False

    def of(self, images: int) -> Operand:
        """With so many times as many images as it says."""
        shape = list(self.shape)
        if self.axis is not None:
            shape[self.axis] *= images
        return Operand(tuple(shape), self.dtype)

    def values(self, images: int, random: np.random.Generator) -> np.ndarray:
        shape = self.of(images).shape
        if self.result:
            return np.full(shape, np.nan if self.dtype == "float32" else 99, self.dtype)
        if self.dtype == "float32":
            return random.random(shape, np.float32)
        return random.integers(0, self.most, shape).astype(self.dtype)


@dataclass(frozen=True)
class Case:
    """An instruction, its arrays for one image, its constants for a number of images, and its workspace if it has one."""

    kernel: str
    arrays: tuple[Array, ...]
    constants: Callable[[int], dict[str, Any]] = lambda images: {}
    workspace: Array | None = None

    def plan(self, images: int) -> Plan:
        target = Target(NO_LIMIT, 1, conv="im2col")
        return plan(self.kernel, [array.of(images) for array in self.arrays], self.constants(images), target)


def given(**constants: Any) -> Callable[[int], dict[str, Any]]:
    return lambda images: constants


def out(*shape: int, dtype: str = "float32") -> Array:
    return Array(shape, dtype, result=True)


def cases() -> Iterator[Case]:
    """Every kernel whose blocks can be run apart; the others go through all of their arrays with indices of 64 bits."""
    flat, x, y, place = Array((48,)), Array((5, 4, 4, 1)), out(5, 5, 5, 1), Array((5, 5, 5, 1), "uint8", most=4)
    number = Array((1,), axis=None)
    yield Case("scale", (flat, out(48)), given(factor=2.0))
    yield Case("add", (flat, flat, out(48)))
    yield Case("relu_backward", (flat, flat, out(48)), given(slope=0.5))
    yield Case("maximum_pair", (flat, flat, out(48), out(48, dtype="uint8")))
    yield Case("accumulate", (flat, number, flat))
    for row in ROWS.values():
        arrays = (flat, flat, *(flat for _ in row.states), *(number for _ in row.numbers))
        yield Case(row.kernel, arrays, given(lr_mult=1.0, decay=0.1, l1=False, **dict.fromkeys(row.constants, 0.9)))
    window = given(kernel=(2, 2), stride=(1, 1), pad=(1, 1))
    yield Case("pool_max_forward", (x, y, out(5, 5, 5, 1, dtype="uint8")), window)
    yield Case("pool_max_backward", (Array((5, 5, 5, 1)), place, out(5, 4, 4, 1)), window)
    yield Case("pool_positions", (place, y), given(kernel=(2, 2), stride=(1, 1), pad=(1, 1), size=(4, 4)))
    yield Case("pool_ave_forward", (x, y), window)
    turn, drawn = Array((1,), "int64", axis=None), out(5, 5, 5, 1, dtype="uint8")
    draw = given(key=(1, 2), kernel=(2, 2), stride=(1, 1), pad=(1, 1))
    yield Case("pool_stochastic_forward", (x, turn, y, drawn), draw)
    yield Case("pool_weighted_forward", (x, y), window)
    yield Case("pool_ave_backward", (Array((5, 5, 5, 1)), out(5, 4, 4, 1)), window)
    for size in (3, 11):
        norm = {"size": size, "alpha": 0.5, "beta": 0.75, "k": 1.0, "group": 2}
        yield Case("lrn_forward", (Array((34, 2)), out(34, 2)), given(**norm))
        yield Case("lrn_backward", (Array((34, 2)), Array((34, 2)), out(34, 2)), given(**norm))
    within = given(size=3, alpha=0.5, beta=0.75)
    yield Case("lrn_within_forward", (x, out(5, 4, 4, 1), out(5, 4, 4, 1)), within)
    yield Case("lrn_within_backward", (x, x, x, x, out(5, 4, 4, 1)), within)
    geometry = {"kernel": (3, 3), "stride": (1, 1), "pad": (1, 1), "dilation": (1, 1), "group": 1}
    convolve = given(**geometry, has_bias=True, relu=False, slope=0.0)
    w, b = Array((2, 5, 3, 3), axis=None), Array((2,), axis=None)
    yield Case("conv2d", (x, w, b, Array((2, 4, 4, 1))), convolve, out(45, 4, 4, 1))
    as_convolution = (Array((2, 4, 4, 1)), w, Array((5, 4, 4, 1)))  # the product writes its result, not a kernel
    yield Case("conv2d_input_gradient", as_convolution, given(**geometry), out(18, 4, 4, 1))
    by_col2im = (Array((10, 4, 4, 1)), Array((10, 5, 3, 3), axis=None), out(5, 4, 4, 1))
    yield Case("conv2d_input_gradient", by_col2im, given(**geometry), Array((45, 4, 4, 1)))
    alone, filters, by_channel = given(**{**geometry, "group": 5}), Array((5, 1, 3, 3), axis=None), Array((5,), axis=None)
    arrays = (x, filters, by_channel, out(5, 4, 4, 1))
    yield Case("conv2d", arrays, given(**{**geometry, "group": 5}, has_bias=True, relu=False, slope=0.0))
    yield Case("conv2d_input_gradient", (x, filters, out(5, 4, 4, 1)), alone)
    scores, labels = Array((1, 33, 1)), Array((1,), most=33)
    yield Case("softmax_forward", (scores, out(1, 33, 1)))
    yield Case("softmax_backward", (scores, scores, out(1, 33, 1)))
    yield Case("accuracy_hits", (scores, labels, out(1)), given(top_k=1, ignore=-1.0))
    yield Case("largest", (scores, out(1, 3, 1)), given(values=False))
    rows = Array((1, 1), most=33), Array((33, 40), axis=None), Array((40,), axis=None)
    yield Case("embed", (*rows, out(1, 40, 1)), given(has_bias=True))
    state, gates, streams = Array((33, 1)), Array((132, 1)), Array((1,), most=2)
    yield Case("lstm_unit", (state, gates, streams, out(33, 1), out(33, 1)))
    yield Case("lstm_unit_backward", (state, gates, streams, *(state,) * 3, out(33, 1), out(132, 1)))
    yield Case("softmax_loss_backward", (scores, labels, number, number, out(1, 33, 1)), given(ignore=-1.0))
    yield Case("rebatch", (Array((33, 1)), out(33, 1)))
    yield Case("join_columns", (Array((3, 16)), out(3, 32)), lambda images: {"offset": 16 * images})
    yield Case("take_columns", (Array((3, 32)), out(3, 16)), lambda images: {"offset": 16 * images})
    images, crops = Array((1, 4, 4, 3), "uint8", axis=0), Array((1, 2), "int32", axis=0, most=1)
    data, mean = (images, crops, Array((1,), "uint8", axis=0, most=2)), np.ones((3, 4, 4), np.float32)
    yield Case("image_transform", (*data, out(3, 4, 4, 1)), given(mean=mean, scale=0.5))
    yield Case("image_transform_shifted", (*data, Array((1, 3), axis=0), out(3, 4, 4, 1)), given(mean=mean, scale=0.5))
    rows, channels, of_rows = Array((1, 5, 16)), Array((5, 16)), Array((5,), axis=None)
    yield Case("scale_rows", (rows, of_rows, out(1, 5, 16)))
    yield Case("scale_add_rows", (rows, of_rows, of_rows, out(1, 5, 16)))
    yield Case("prelu_backward", (channels, channels, of_rows, out(5, 16)))
    yield Case("normalize_channels", (channels, of_rows, of_rows, out(5, 16)))
    arrays = (channels, *(of_rows,) * 4, out(5, 16))
    yield Case("normalize_scale", arrays, given(relu=True, slope=0.1))
    arrays = (channels, *(of_rows,) * 4, channels, out(5, 16))
    yield Case("normalize_scale_add", arrays, given(relu=True, slope=0.1))
    columns, of_columns, result = Array((2, 33, 1)), Array((2, 1)), out(2, 33, 1)
    yield Case("scale_columns", (columns, of_columns, result))
    yield Case("reduce_columns", (columns, out(2, 1)), given(operation=2, factor=0.5))
    yield Case("product_columns", (columns, columns, out(2, 1)))
    yield Case("spread_columns_by", (columns, of_columns, result), given(factor=0.5, sign=False))
    yield Case("centre_columns", (columns, result))
    yield Case("standardize_columns", (columns, result, out(2, 1)), given(eps=1e-5))
    yield Case("standardize_columns_backward", (columns, columns, of_columns, result))


def reserve(operand: Operand) -> np.ndarray:
    """An array without memory behind it."""
    dtype = np.dtype(operand.dtype)
    space = mmap.mmap(-1, operand.size * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE)
    return np.frombuffer(space, dtype).reshape(operand.shape)


def last(array: np.ndarray, spec: Array, few: int) -> np.ndarray:
    """The part of a large array that stands for the whole of one of a few images: of its flat or image axis the end."""
    if spec.axis is None:
        return array
    count = spec.of(few).shape[spec.axis]
    return array[-count:] if spec.axis == 0 or array.ndim == 1 else array[..., -count:]


def workspaces(case: Case, images: int) -> dict[Pointer, Array]:
    """What lies in the workspace: at its end what grows with the images, before that what does not."""
    offsets = sorted(pointer.offset for pointer in pointers_of(case.plan(images)) if isinstance(pointer, Workspace))
    if case.workspace is None or not offsets:
        assert case.workspace is None and not offsets, f"{case.kernel}: it has a workspace, or says so, but not both"
        return {}
    sizes = [Array(((end - start) // 4,), axis=None) for start, end in pairwise(offsets)]
    return {Workspace(offset): array for offset, array in zip(offsets, (*sizes, case.workspace), strict=True)}


def run(case: Case, few: int, many: int, modules: Mapping[str, Module]) -> None:
    """Run the kernels of an instruction on both batches, of the large one the last blocks, and compare what these have written."""
    specs: dict[Pointer, Array] = {**dict(enumerate(case.arrays)), **workspaces(case, few)}
    random = np.random.default_rng(1)
    small: dict[Pointer, np.ndarray] = {key: spec.values(few, random) for key, spec in specs.items()}
    large: dict[Pointer, np.ndarray] = {key: reserve(spec.of(many)) for key, spec in specs.items()}
    for key, spec in specs.items():
        last(large[key], spec, few)[...] = small[key]
    before = {key: np.copy(last(large[key], spec, few)) for key, spec in specs.items()}
    arrays = {key: value for key, value in case.constants(1).items() if isinstance(value, np.ndarray)}
    for mine, theirs in zip(case.plan(many).launches, case.plan(few).launches, strict=True):
        if not isinstance(mine, Launch):
            continue
        assert mine.function == theirs.function
        library = modules[mine.file].code
        library.only_the_edge(True)
        run_step(mine, large | arrays, modules, 1)
        library.only_the_edge(False)
        run_step(theirs, small | arrays, modules, 1)
    written = 0
    for key, spec in specs.items():
        now = last(large[key], spec, few)
        changed = ~((now == before[key]) | ((now != now) & (before[key] != before[key])))
        np.testing.assert_array_equal(now[changed], small[key][changed], f"{case.kernel}, array {key}")
        written += int(changed.sum())
        if spec.result:  # to the very end: what went astray is missing there
            assert changed.reshape(-1, changed.shape[-1])[-1].any(), f"{case.kernel}, array {key}: its last row is not written"
    assert written >= 16, f"{case.kernel}: the last blocks have written {written} numbers of the last images"


def main(listed: str) -> None:
    modules = modules_of(listed)
    for few, many in SIZES:
        for case in cases():
            run(case, few, many, modules)
            print(case.kernel, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
