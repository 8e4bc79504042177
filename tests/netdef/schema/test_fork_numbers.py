"""Binary files of forks whose numbers mean something else in Caffe 1.0."""

from netdef import schema
from netdef.language import read_text


def layer(kind, number, inside):
    """A layer of a binary file that has a message under a number."""
    made = schema.LayerParameter(name="x", type=kind).SerializeToString()
    made += key(number, 2) + bytes([len(inside)]) + inside
    data = b"\xa2\x06" + bytes([len(made)]) + made
    return read_text(data, "x.caffemodel", "NetParameter").message.layer[0]


def key(number, kind):
    value, out = number << 3 | kind, bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def test_a_number_that_caffe_has_for_another_type():
    found = layer("Upsample", 137, b"\x30\xe8\x02\x38\xe0\x03")  # SegNet's upsample_param; Caffe's embed_param
    assert (found.upsample_param.upsample_h, found.upsample_param.upsample_w) == (360, 480)
    assert not found.HasField("embed_param")
    found = layer("Interp", 143, b"\x08\x3c\x10\x3d")  # DeepLab's interp_param; Caffe's input_param
    assert (found.interp_param.height, found.interp_param.width) == (60, 61)


def test_a_message_whose_fields_are_numbered_otherwise():
    found = layer("BN", 152, b"\x0a\x05\x15\x00\x00\x80\x3f" + b"\x1d\x00\x00\x00\x3f" + b"\x28\x01")
    assert (found.bn_param.slope_filler.value, found.bn_param.momentum, found.bn_param.frozen) == (1, 0.5, True)
    found = layer("BN", 45, b"\x0a\x05\x15\x00\x00\x80\x3f" + b"\x18\x01")  # SegNet's
    assert (found.bn_param.scale_filler.value, found.bn_param.bn_mode) == (1, 1)


def test_the_schema_has_other_fields_under_their_own_numbers():
    assert layer("Embed", 137, b"\x08\x05").embed_param.num_output == 5
    assert layer("ROIPooling", 8266711, b"\x08\x07").roi_pooling_param.pooled_h == 7
    assert layer("ROIPooling", 154, b"\x08\x07").roi_pooling_param.pooled_h == 7
