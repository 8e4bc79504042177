"""Every kernel moves its arrays 16 bytes at a time where their length and their addresses allow it, or it says here why not."""

from __future__ import annotations

import re

import pytest

from runtime.kernels.cuda.registry import FOLDER, Launch, files, plan, source
from runtime.kernels.operand import Operand
from runtime.kernels.rooms import load_rooms
from runtime.ops.update.table import ROWS
from tests.runtime.kernels.cuda import nvrtc, zoo
from tests.runtime.kernels.cuda.checks import Check

# Kernels of packs: how many of their arrays they take number by number, and which.
ALSO_SINGLY = {
    "accuracy_hits": (0, "of the scores the label's own, which lies elsewhere for each image"),
    "accuracy_per_class": (1, "the one share of a block"),
    "accuracy_mean": (1, "the share"),
    "accumulate": (1, "how many are added"),
    "bias_gradient": (1, "the one sum of a block"),
    "bias_relu": (1, "the bias, one for a row"),
    "clip_scale": (1, "the scale"),
    "dropout": (1, "the iteration"),
    "dropout_region": (1, "the iteration"),
    "image_transform": (4, "bytes of images and their mean, as a crop starts at any pixel; where each does, and which is mirrored"),
    "image_transform_shifted": (5, "the same, and each image's shift"),
    "rounding_error": (1, "the sums of a block"),
    "rebatch": (1, "the batch as it was, where the numbers of a pack lie apart"),
    "remember": (2, "the number of the run, and the one sum of a block"),
    "larc_rate": (3, "the solver's rate, the scale and the array's rate"),
    "softmax_loss": (3, "of the probabilities the label's, which lies elsewhere for each image; the loss and its divisor"),
    "softmax_loss_backward": (2, "the loss's gradient and its divisor"),
    "sum_of_squares": (1, "the one sum of a block"),
    "sum_products": (1, "the bias, one for a row"),
}
ALSO_SINGLY |= {row.kernel: (len(row.numbers), "numbers of the iteration") for row in ROWS.values()}
SUM, SCALE = "the one sum and count of a block", "the loss's gradient and its divisor"
ALSO_SINGLY |= {
    "add_images": (2, "numbers of images, and the gradients they name"),
    "contrastive_backward": (2, SCALE),
    "contrastive_terms": (1, SUM),
    "embed": (2, "rows of the table by their numbers, and a column's bias"),
    "embed_gradient": (2, "numbers of rows, and gradients, which have the table's columns apart"),
    "euclidean_backward": (2, SCALE),
    "euclidean_terms": (1, SUM),
    "hinge_backward": (2, SCALE),
    "hinge_terms": (1, SUM),
    "infogain_backward": (3, "the label's row of the matrix; " + SCALE),
    "infogain_terms": (3, "chances and the matrix by the label; " + SUM),
    "likelihood_backward": (2, SCALE),
    "likelihood_terms": (2, "of the chances the label's; " + SUM),
    "loss_of_terms": (2, "the loss and its divisor"),
    "pool_stochastic_forward": (1, "the iteration"),
    "sigmoid_cross_entropy_backward": (2, SCALE),
    "sigmoid_cross_entropy_terms": (1, SUM),
    "take_images": (1, "images by their numbers"),
}
ALSO_SINGLY |= {
    "depthwise_forward": (2, "a channel's weights and bias"),
    "depthwise_input_gradient": (1, "a channel's weights"),
    "depthwise_weight_terms": (1, "the sums of a block"),
}
WITH_BIAS = ("lrn_backward_relu_bias", "pool_max_backward_relu_bias", "relu_backward_bias")
ALSO_SINGLY |= dict.fromkeys(WITH_BIAS, (1, "the sums of a warp"))
FACTOR = "a row's factor, bias or slope"
ALSO_SINGLY |= {
    "add_rows": (1, FACTOR),
    "batch_statistics": (3, "the statistics of a block"),
    "channel_moments": (1, "the moments of a block"),
    "normalize_channels": (2, "a channel's statistics"),
    "normalize_channels_backward": (3, "a channel's statistics and sums"),
    "normalize_scale": (4, "a channel's statistics, factor and bias"),
    "normalize_scale_add": (4, "a channel's statistics, factor and bias"),
    "normalize_scale_add_relu_terms": (3, "a channel's statistics, and the sums of a block"),
    "normalize_scale_backward": (5, "a channel's statistics, factor and sums"),
    "normalize_scale_relu_terms": (3, "a channel's statistics, and the sums of a block"),
    "normalize_scale_terms": (3, "a channel's statistics, and the sums of a block"),
    "prelu_backward": (1, FACTOR),
    "prelu_forward": (1, FACTOR),
    "product_terms": (1, "the sums of a block"),
    "scale_add_rows": (2, FACTOR),
    "scale_rows": (1, FACTOR),
    "sums_of_terms": (2, "the sums of a block"),
}
ALSO_SINGLY |= {
    "smooth_l1_backward": (4, "the loss's gradient and its divisor; weights that there may be or not"),
    "smooth_l1_terms": (3, "the sums of a block; weights that there may be or not"),
}
TILES = ("conv_tiles", "conv_input_tiles", "conv_weight_tiles", "product_tiles")
# Kernels without packs.
SINGLY = {
    "depthwise_weight_sums": "sums of weights, a thread for each",
    **dict.fromkeys(TILES, "tiles of products: images in packs, always; weights and results singly"),
    "weights_by_phase": "weights, which are no batch",
    "flip_weights": "weights, which are no batch: those of a window are read backwards",
    "global_statistics": "a number or two of each channel",
    "running_statistics": "a number or two of each channel",
    **dict.fromkeys(("roi_max_forward", "roi_align_forward", "psroi_forward"), "regions, each of an image and a place of its own"),
    **dict.fromkeys(("roi_max_backward", "roi_align_backward", "psroi_backward"), "regions, each of an image of its own"),
    "sum_warps": "the sums of a row's warps",
    **dict.fromkeys(("unpool_scatter", "unpool_in_order", "unpool_backward"), "positions, each somewhere else"),
}
NOT_WHOLE = {  # what some net of the zoo launches number by number, whatever its batch
    "copy_box<1>": "LRCN's blobs, whose time is last in memory, turned so that it is first",
    "rebatch<1>": "SSD's true boxes, given as several images, put in one order",
    **dict.fromkeys(("normalize_channels<1>", "scale_add_rows<1>", "scale_rows<1>"), "weights that BatchNorm is folded into, once"),
}
OF_ONE = "pool_max_forward<4, unsigned char, 1, 1, 3, 3, 0, 0, 1>"  # whose places, all 0, are stored as one number
BOUNDS = r"(?:__launch_bounds__\([^)]*\) )?"
KERNEL = re.compile(r"(?P<template>template <[^>]*>\s*)?__global__ void " + BOUNDS + r"(?P<name>\w+)\((?P<given>[^)]*)\)")
WHOLE = ("4", "2")  # numbers in a pack: floats, and bytes or places beside them; doubles


@pytest.fixture(scope="module")
def kernels() -> dict[str, re.Match[str]]:
    """Every kernel's declaration."""
    found = [kernel for file in files() for kernel in KERNEL.finditer(source(file))]
    headers = [path.read_text() for path in FOLDER.glob("*.cuh")]
    assert len(found) == sum(text.count("__global__") for text in (*map(source, files()), *headers)) > 50
    return {kernel["name"]: kernel for kernel in found}


def is_whole(function: str) -> bool:
    """Whether a function takes packs of 16 bytes: its first template argument."""
    return re.split("[<,>]", f"{function}<>")[1] in WHOLE


def takes_packs(kernel: re.Match[str]) -> bool:
    return "<int V" in (kernel["template"] or "")


def leaves_some_over(kernel: re.Match[str]) -> bool:
    """Whether it is given a flat array of any size, whose last numbers make no whole pack."""
    return "Index size" in kernel["given"]


def test_every_kernel_takes_packs_or_says_why_not(kernels: dict[str, re.Match[str]]) -> None:
    assert set(SINGLY) == {name for name, kernel in kernels.items() if not takes_packs(kernel)}
    assert set(ALSO_SINGLY) <= set(kernels) - set(SINGLY)


@pytest.mark.slow
def test_whole_packs_are_moved_at_once(
    kernels: dict[str, re.Match[str]], every_form: list[nvrtc.Compiled], checks: list[Check]
) -> None:
    """In every form of a kernel, each array that is taken in packs is loaded or stored 16 bytes wide, and never otherwise."""
    arrays = {nvrtc.bare(launch.function): len(launch.pointers) for launch in launches(checks)}
    packed = [form for form in every_form if takes_packs(kernels[nvrtc.bare(form.function)]) and is_whole(form.function)]
    packed = [form for form in packed if form.function != OF_ONE]
    assert {nvrtc.bare(form.function) for form in packed} == set(kernels) - set(SINGLY)
    for form in packed:
        kernel = nvrtc.bare(form.function)
        singly, _ = ALSO_SINGLY.get(kernel, (0, ""))
        assert form.wide >= arrays[kernel] - singly > 0, form
        assert (form.single > 0) == (kernel in ALSO_SINGLY or leaves_some_over(kernels[kernel])), form


def launches(checks: list[Check]) -> list[Launch]:
    return [launch for check in checks for launch in check.plan.launches if isinstance(launch, Launch)]


def in_packs(function: str) -> bool:
    return is_whole(function) or nvrtc.bare(function) in SINGLY


@pytest.mark.slow
def test_the_zoos_batches_are_taken_in_packs() -> None:
    """Whole packs, in every launch of every net; a single image number by number, but for arrays that are flat."""
    whole, odd = ({name for names in zoo.functions(batch, zoo.ONE).values() for name in names} for batch in (4, 1))
    assert {function for function in whole if not in_packs(function)} == set(NOT_WHOLE)
    assert {nvrtc.bare(function) for function in odd if not in_packs(function)} > {"pool_max_forward", "im2col", "softmax_loss"}


def test_whole_packs_are_taken_in_packs(checks: list[Check]) -> None:
    """Wherever every array starts at a multiple of 16 bytes, and its rows are whole packs."""
    seen = set()
    for check in checks:
        rows = [spec.shape[-1] for spec in check.case.arrays if spec.shape != (1,)]
        places = [check.case.constants.get(name, 0) for name in ("first", "offset", "width", "pitch")]
        if "box" in check.case.constants:
            box = check.case.constants["box"]
            inner = 1 if (box.x_strides[-1], box.y_strides[-1]) != (1, 1) else box.extents[-1]
            places += [*box.x_strides[:-1], *box.y_strides[:-1], box.x_offset, box.y_offset, inner]
        if check.aligned and rows and not any(number % 4 for number in rows + places):
            for launch in launches([check]):
                assert in_packs(launch.function), f"{check.case}: {launch.function}"
                seen.add(nvrtc.bare(launch.function))
    assert len(seen) > 30


@pytest.mark.parametrize(("batch", "address", "width"), [(32, 0, 4), (32, 4, 1), (3, 0, 1)])
def test_what_allows_packs(batch: int, address: int, width: int) -> None:
    """Four numbers a thread where addresses and rows allow it, else one."""
    load_rooms("cuda")
    x, y = Operand((2, 5, 5, batch), address=address), Operand((2, 2, 2, batch))
    window = {"kernel": (3, 3), "stride": (2, 2), "pad": (0, 0)}
    assert function_of("pool_max_forward", [x, y, Operand(y.shape, "uint8")], **window).startswith(f"pool_max_forward<{width}, uns")
    scores, hits = Operand((1, 10, batch), address=address), Operand((batch,))
    assert function_of("softmax_forward", [scores, scores]) == f"softmax_forward<{width}, 2>"
    assert function_of("accuracy_hits", [scores, hits, hits], top_k=1, ignore=-1.0) == f"accuracy_hits<{width}, 2>"
    number = Operand((1,))
    assert function_of("softmax_loss", [scores, hits, number, number], divisor=1.0, ignore=-1.0) == f"softmax_loss<{width}>"
    assert function_of("rebatch", [Operand((8, 12)), Operand((96 // batch, batch), address=address)]) == f"rebatch<{width}>"


def function_of(name: str, operands: list[Operand], **constants: object) -> str:
    (launch,) = plan(name, operands, constants).launches
    assert isinstance(launch, Launch)
    return launch.function


def test_few_long_columns_fill_many_blocks() -> None:
    """ImageNet's scores for a batch of 128: a thread for every pack of 8 classes, in rows of 64 bytes."""
    scores = Operand((1, 1000, 128))
    (launch,) = plan("softmax_forward", [scores, scores], {}).launches
    assert isinstance(launch, Launch)
    assert (launch.function, launch.grid, launch.block) == ("softmax_forward<4, 128>", (8, 1, 1), (4, 128, 1))


@pytest.mark.parametrize("C", [1, 3, 4, 7, 8, 100, 511, 512, 1000, 21841])
def test_slices(C: int) -> None:
    """A power of two, with at least four elements each where there are as many; all lanes of a block are threads of it."""
    scores = Operand((2, C, 40))
    (launch,) = plan("softmax_backward", [scores] * 3, {}).launches
    assert isinstance(launch, Launch)
    lanes, slices, _ = launch.block
    assert lanes * slices == 512 and slices & (slices - 1) == 0 and launch.function == f"softmax_backward<4, {slices}>"
    assert slices == 1 or 4 * slices <= C
    assert slices == 128 or 8 * slices > C
    assert (launch.grid[0] - 1) * lanes < 10 <= launch.grid[0] * lanes and launch.grid[1] == 2
