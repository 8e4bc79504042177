"""Where blobs come from: the shapes of inputs and of data."""

import pytest

import netdef
from netdef.graph.layer import SIZE_FROM_OUTSIDE
from tests.netdef.layers.one_layer import complaint, net_of

PHOTOS = 'source: "builtin:photos" batch_size: 4'


def shapes(layer):
    return [top.shape for top in net_of(layer).layer("op").tops]


def test_input():
    assert shapes("layer op: Input { shape { dim: 2 dim: 3 } }") == [(2, 3)]
    assert shapes("layer op: Input -> a, b { shape { dim: 2 dim: 3 } }") == [(2, 3)] * 2
    assert shapes("layer op: Input -> a, b { shape { dim: 2 dim: 3 } shape { dim: 2 } }") == [(2, 3), (2,)]
    assert shapes("layer op: Input { shape { } }") == [()]
    assert [str(blob) for blob in net_of("layer op: Input -> a, b { shape { dim: 2 } }").inputs] == ["a", "b"]


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("Input", "Input op: the shape is missing | add shape { dim: 1 dim: 3 dim: 227 dim: 227 }, say"),
        (
            "Input -> a, b, c { shape { dim: 1 } shape { dim: 2 } }",
            "Input op: 2 shapes for 3 tops: give one for all, or one for each",
        ),
        ("Input { shape { dim: 2 dim: 0 } }", "Input op: shape 2 x 0: a dimension must be at least 1"),
        ("DummyData", "DummyData op: the shape is missing | add shape { dim: 1 dim: 3 dim: 227 dim: 227 }, say"),
        (
            "DummyData -> a, b, c { shape { dim: 1 } data_filler { } data_filler { } }",
            "DummyData op: 2 data_fillers for 3 tops: give none, one for all, or one for each",
        ),
        ("DummyData { num: 1 channels: 3 height: 0 width: 2 }", "DummyData op: height must be at least 1"),
        ("ImageData", "ImageData op: source is missing: a list of images and labels, builtin:photos or builtin:digits"),
        (
            'ImageData { source: "list.txt" }',
            "ImageData op: the size of its images is not known here | "
            f"set new_height and new_width, or transform_param {{ crop_size }}; {SIZE_FROM_OUTSIDE}",
        ),
        (
            f"ImageData {{ {PHOTOS} transform_param {{ crop_size: 300 }} }}",
            "ImageData op: crop_size 300 is larger than the images, 256 x 256",
        ),
        (
            'Data { source: "db" batch_size: 4 }',
            f"Data op: the size of its images is not known here | set transform_param {{ crop_size }}; {SIZE_FROM_OUTSIDE}",
        ),
        (
            'Data { source: "db" batch_size: 4 transform_param { crop_size: 9 force_color: true force_gray: true } }',
            "Data op: force_color and force_gray exclude each other",
        ),
        (
            "MemoryData -> data, label { batch_size: 4 channels: 1 height: 9 width: 8 transform_param { crop_size: 8 } }",
            "MemoryData op: crop_size 8 is not the images' height and width | height and width are those after cropping",
        ),
        (
            'HDF5Data -> a, b, c { source: "list.txt" batch_size: 4 transform_param { crop_size: 9 } }',
            f"HDF5Data op: only its HDF5 files give the shapes of its tops | use Input with those shapes; {SIZE_FROM_OUTSIDE}",
        ),
        (
            'Data { source: "db" transform_param { crop_size: 28 } }',
            "Data op: batch_size is missing | add batch_size: 32, say",
        ),
    ],
)
def test_sources_name_the_missing_field(layer, said):
    assert complaint(f"layer op: {layer}") == said


def test_dummy_data():
    assert shapes("layer op: DummyData -> a, b { shape { dim: 2 dim: 3 } shape { dim: 2 } }") == [(2, 3), (2,)]
    legacy = "layer op: DummyData -> a, b { num: 2 num: 5 channels: 3 height: 4 width: 1 }"
    assert shapes(legacy) == [(2, 3, 4, 1), (5, 3, 4, 1)]
    (plain,) = net_of("layer op: DummyData { shape { dim: 2 } }").layer("op").fillers
    assert (plain.type, plain.value) == ("constant", 0)
    both = net_of('layer op: DummyData -> a, b { shape { dim: 2 } data_filler { type: "gaussian" } }').layer("op")
    assert [filler.type for filler in both.fillers] == ["gaussian", "gaussian"]


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        (PHOTOS, (4, 3, 256, 256)),
        (PHOTOS + " is_color: false", (4, 1, 256, 256)),
        (PHOTOS + " new_height: 64 new_width: 48", (4, 3, 64, 48)),
        ('source: "list.txt" batch_size: 4 new_height: 64', (4, 3, 64, 64)),
        (PHOTOS + " transform_param { crop_size: 227 }", (4, 3, 227, 227)),
        (PHOTOS + " crop_size: 227", (4, 3, 227, 227)),
        (PHOTOS + " transform_param { force_gray: true }", (4, 1, 256, 256)),
        ('source: "list.txt" transform_param { crop_size: 32 }', (1, 3, 32, 32)),
    ],
)
def test_image_data(body, shape):
    assert shapes(f"layer op: ImageData -> data, label {{ {body} }}") == [shape, shape[:1]]


def test_other_samples():
    assert shapes('layer op: Data -> d, l { source: "db" batch_size: 8 transform_param { crop_size: 28 force_gray: true } }') == [
        (8, 1, 28, 28),
        (8,),
    ]
    assert shapes("layer op: MemoryData -> d, l { batch_size: 8 channels: 2 height: 5 width: 6 }") == [(8, 2, 5, 6), (8,)]
    assert shapes('layer op: WindowData -> d, l { source: "w" batch_size: 8 crop_size: 5 }') == [(8, 3, 5, 5), (8,)]


def test_batch_size_of_every_source():
    text = (
        "layer a: Input { shape { dim: 2 dim: 3 } }\n"
        "layer b: DummyData { shape { dim: 2 dim: 3 } }\n"
        "layer c: DummyData { num: 2 channels: 1 height: 1 width: 1 }\n"
        f"layer d: ImageData -> d, l {{ {PHOTOS} }}\n"
        "layer e: Input { shape { } }"
    )
    net = netdef.parse(text, batch_size=9)
    assert {name: blob.shape[:1] for name, blob in net.blobs.items()} == dict.fromkeys("abcdl", (9,)) | {"e": ()}
    with pytest.raises(netdef.NetdefError, match="a batch of 0 images"):
        netdef.parse(text, batch_size=0)
