"""The rules of the layer families, those without kernels too: what a share is given makes what it is to make."""

import pytest

import netdef
from netdef.graph.cuts import Cuts, Region, even_cuts, joined, overlap
from netdef.graph.layer import LAYERS, Layer
from netdef.layers.function import FUNCTIONS
from runtime.compiler.placement.choice import SPLITS
from runtime.compiler.placement.divide import divide
from runtime.compiler.placement.search import Gradients, Search
from runtime.ir.division import Division
from runtime.ops.transfer.layer import Transfer, contains, moves, union

IMAGES = "layer x: Input { shape { dim: [4, 12, 6, 6] } }\n"
CONV = "layer a: Convolution(x) { num_output: 12 kernel_size: 1 }\n"
VECTORS = "layer x: Input { shape { dim: [4, 12] } }\nlayer a: InnerProduct(x) { num_output: 12 }\n"

# A layer of each type on `a`, which groups cut by channels and batch by images, and by which splits it is divided.
ALL, BATCH, NONE = {"groups", "batch", "hybrid"}, {"batch", "hybrid"}, set()
CASES = {
    **{f"{name}(a) {{ {function.cases[0]} }}": ALL for name, function in FUNCTIONS.items()},
    "PReLU(a)": ALL,
    "PReLU(a) { channel_shared: true }": ALL,
    "Dropout(a)": ALL,
    "Split(a) -> y1, y2": ALL,
    "Eltwise(a, a)": ALL,
    "Pooling(a) { kernel_size: 2 stride: 2 }": ALL,
    "Pooling(a) { kernel_size: 2 pool: STOCHASTIC }": NONE,
    "LRN(a)": ALL,
    "LRN(a) { group: 2 }": ALL,
    "LRN(a) { norm_region: WITHIN_CHANNEL }": ALL,
    "Convolution(a) { num_output: 6 kernel_size: 3 }": ALL,
    "Convolution(a) { num_output: 8 kernel_size: 3 group: 4 bias_term: false }": ALL,
    "Convolution(a, a) -> y1, y2 { num_output: 6 kernel_size: 3 }": ALL,
    "DepthwiseConvolution(a) { num_output: 12 kernel_size: 3 }": ALL,
    "ConvolutionDepthwise(a) { num_output: 12 kernel_size: 3 }": ALL,
    "Deconvolution(a) { num_output: 6 kernel_size: 3 }": ALL,
    "Deconvolution(a) { num_output: 8 kernel_size: 3 group: 4 }": ALL,
    "InnerProduct(a) { num_output: 10 }": ALL,
    "InnerProduct(a) { num_output: 10 transpose: true bias_term: false }": ALL,
    "InnerProduct(a) { num_output: 10 axis: 2 }": BATCH,
    "Concat(a, a)": ALL,
    "Concat(a, a) { axis: 2 }": ALL,
    "Concat(a, a) { axis: 0 }": NONE,
    "Slice(a) -> y1, y2 { slice_point: 5 }": ALL,
    "Slice(a) -> y1, y2 { axis: 3 }": ALL,
    "Slice(a) -> y1, y2 { axis: 0 }": NONE,
    "Flatten(a)": ALL,
    "Flatten(a) { axis: 2 }": ALL,
    "Flatten(a) { axis: 0 }": NONE,
    "Softmax(a)": BATCH,
    "Softmax(a) { axis: 2 }": ALL,
    "Softmax(a) { axis: 0 }": NONE,
    "ArgMax(a)": BATCH,
    "Reduction(a) { axis: 2 }": ALL,
    "Reduction(a) { axis: 1 }": BATCH,
    "Reduction(a)": NONE,
    "Tile(a) { tiles: 2 axis: 2 }": ALL,
    "Tile(a) { tiles: 2 }": BATCH,
    "Im2col(a) { kernel_size: 3 }": BATCH,
    "SPP(a) { pyramid_height: 2 }": BATCH,
    "SPP(a) { pyramid_height: 1 pool: STOCHASTIC }": NONE,
    "MVN(a)": ALL,
    "MVN(a) { across_channels: true }": BATCH,
    "BatchNorm(a)": ALL,
    "BatchNorm(a) { use_global_stats: false }": {"groups"},
    "Scale(a) { bias_term: true }": ALL,
    "Scale(a) { axis: 2 num_axes: 2 }": ALL,
    "Scale(a) { axis: 0 num_axes: 2 }": NONE,
    "Scale(a, a) { axis: 0 }": ALL,
    "Bias(a)": ALL,
    "EuclideanLoss(a, a)": NONE,
    "Crop(a, a)": NONE,
}


def divided(text: str, split: str, count: int = 2) -> Division:
    net = netdef.parse(text, phase="test")
    return divide(net, count, Search(net, count, split, Gradients()).run())


def twins(division: Division, name: str) -> list[Layer]:
    return [layer for layer in division.net.layers if layer.name == name and not isinstance(layer, Transfer)]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("layer", CASES)
def test_shares_fit(layer: str, count: int, split: str) -> None:
    division = divided(IMAGES + CONV + f"layer y: {layer}\n", split, count)
    shares = twins(division, "y")
    whole = division.whole.layer("y")
    if split in CASES[layer]:
        assert len(shares) == count or layer.startswith(("Slice(a) -> y1", "Convolution(a) { num_output: 8"))
    else:
        assert len(shares) == 1
    for share in shares:
        check(share)
    for blob in whole.tops:
        assert sum(piece.region.count(blob.shape) for piece in division.pieces[blob]) == blob.count
    for parameter in whole.parameters:
        parts = division.shards[parameter]
        copies = all(part.cut is None for part in parts)
        assert copies or sum(part.parameter.count for part in parts) == parameter.count


def check(share: Layer) -> None:
    """That a share's own rules give the shapes it was given."""
    shapes = [blob.shape for blob in share.bottoms]
    made = type(share)(share.name, share.message, share.phase, share.within)  # nothing is remembered from the whole
    made.bottoms, made.tops = share.bottoms, share.tops
    made.message.ClearField("top")
    made.message.top.extend(top.name for top in share.tops)
    assert made.output_shapes(*shapes) == [top.shape for top in share.tops]
    assert [shape for shape, _ in made.parameter_shapes(*shapes)] == [parameter.shape for parameter in share.parameters]


@pytest.mark.parametrize("layer", ["InnerProduct(a) { num_output: 5 }", "Softmax(a)", "ReLU(a)", "Scale(a)", "Dropout(a)"])
@pytest.mark.parametrize("split", SPLITS)
def test_vectors(layer: str, split: str) -> None:
    for share in twins(divided(VECTORS + f"layer y: {layer}\n", split), "y"):
        check(share)


def test_every_type_with_a_rule_is_tried() -> None:
    tried = {case.partition("(")[0] for case in CASES} | {"Input", "DummyData", "Silence", "Reshape", "Embed"}
    tried |= {"ImageData", "Data", "HDF5Data", "MemoryData", "WindowData"}
    with_rule = {name for name, family in LAYERS.items() if type(family.cuts) is not Cuts}
    assert with_rule <= tried


@pytest.mark.parametrize(
    ("count", "parts", "groups", "runs"),
    [
        (96, 2, 1, [(0, 48), (48, 96)]),
        (20, 3, 1, [(0, 7), (7, 14), (14, 20)]),
        (2, 4, 1, [(0, 1), (1, 1), (1, 2), (2, 2)]),
        (96, 2, 2, [(0, 48), (48, 96)]),
        (96, 3, 2, [(0, 24), (24, 48), (48, 96)]),
        (96, 4, 2, [(0, 24), (24, 48), (48, 72), (72, 96)]),
        (12, 2, 4, [(0, 6), (6, 12)]),
        (12, 3, 4, [(0, 6), (6, 9), (9, 12)]),
        (5, 1, 1, [(0, 5)]),
    ],
)
def test_even_cuts(count: int, parts: int, groups: int, runs: list[tuple[int, int]]) -> None:
    assert even_cuts(count, parts, groups) == runs


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("parts", range(1, 9))
def test_even_cuts_are_all_of_it_and_cross_no_border(groups: int, parts: int) -> None:
    runs, size = even_cuts(24, parts, groups), 24 // groups
    assert list(joined(runs)) == [(0, 24)]
    for begin, end in runs:
        aligned = begin % size == 0 and end % size == 0
        assert aligned or begin // size == (end - 1) // size or begin == end


def test_runs() -> None:
    assert joined([(0, 2), (2, 5), (7, 7), (8, 9)]) == ((0, 5), (8, 9))
    assert overlap(((0, 4), (6, 9)), ((2, 7),)) == ((2, 4), (6, 7))


def test_regions() -> None:
    a, b = Region((0, 4), ((0, 4), (8, 12))), Region((2, 6), ((3, 9),))
    assert a.meet(b) == Region((2, 4), ((3, 4), (8, 9)))
    assert a.meet(Region((4, 5), ((0, 4),))) is None
    assert a.shape((9, 16, 3, 3)) == (4, 8, 3, 3)
    assert contains(a, Region((1, 2), ((9, 11),)))
    assert not contains(a, b)
    assert union([a, b]) == Region((0, 6), ((0, 12),))


def test_moves_count_from_the_start_of_each_region() -> None:
    held, wanted = Region((2, 4), ((4, 8), (12, 16))), Region((0, 4), ((6, 14),))
    found = [(move.channels, move.images, move.to_channel, move.to_image) for move in moves(0, held, wanted)]
    assert found == [((2, 4), (0, 2), 0, 2), ((4, 6), (0, 2), 6, 2)]
