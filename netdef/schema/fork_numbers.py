"""Fields of forks in binary files, where a fork's number is not the one that the schema has for the field.

Caffe 1.0's numbers come first, then those of the fork that had the layer type first. A number that means something else there is
read by the layer's type. (Numbers from the forks' caffe.proto: SegNet, DeepLab and PSPNet, yjxiong, R-FCN, Intel, NVIDIA,
makefile/frcnn, eric612, sophgo, Synopsys.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from zlib import crc32

from google.protobuf.unknown_fields import UnknownFieldSet

# BNParameter of yjxiong's fork and those after it: their numbers, and the schema's.
_OF_YJXIONG = {1: 1001, 2: 1002, 3: 1003}
_SAME: Mapping[int, int] = {}

# By layer type: the schema's field, and the numbers that other forks have for it, each with what is numbered otherwise inside.
OTHER_NUMBERS: dict[str, tuple[str, dict[int, Mapping[int, int]]]] = {
    "BN": ("bn_param", {137: _OF_YJXIONG, 152: _OF_YJXIONG, 162: _OF_YJXIONG}),
    "Bias": ("bias_param", {161: _SAME}),
    "BoxAnnotatorOHEM": ("box_annotator_ohem_param", {152: _SAME, 241: _SAME}),
    "DetectionOutput": ("detection_output_param", {219: _SAME}),
    "Interp": ("interp_param", {143: _SAME, 161: _SAME, 163: _SAME}),
    "LSTM": ("recurrent_param", {151: _SAME}),
    "Normalize": ("norm_param", {209: _SAME}),
    "PSROIPooling": ("psroi_pooling_param", {153: _SAME, 240: _SAME}),
    "Permute": ("permute_param", {210: _SAME}),
    "PriorBox": ("prior_box_param", {211: _SAME}),
    "RNN": ("recurrent_param", {151: _SAME}),
    "ROIPooling": ("roi_pooling_param", {150: _SAME, 154: _SAME, 201: _SAME}),
    "Reorg": ("reorg_param", {149: _SAME, 159: _SAME}),
    "Scale": ("scale_param", {160: _SAME}),
    "ShuffleChannel": ("shuffle_channel_param", {159: _SAME, 166: _SAME}),
    "SmoothL1Loss": ("smooth_l1_loss_param", {148: _SAME, 202: _SAME}),
    "Swish": ("swish_param", {206: _SAME}),
    "Upsample": ("upsample_param", {137: _SAME, 160: _SAME, 177: _SAME}),
}
SHOWN = 16  # bytes of an unknown field
_VARINT, _FIXED64, _BYTES, _GROUP, _FIXED32 = 0, 1, 2, 3, 5


def read_other_numbers(layer: Any) -> None:
    """Move what a layer of a binary file has under another fork's number to the schema's field, unless that is there."""
    if layer.type not in OTHER_NUMBERS:
        return
    field, numbers = OTHER_NUMBERS[layer.type]
    if layer.HasField(field):
        return
    target = getattr(layer, field)
    for number, inside in numbers.items():
        known = layer.DESCRIPTOR.fields_by_number.get(number)
        if known is not None and known.message_type is not None and layer.HasField(known.name):
            data = getattr(layer, known.name).SerializeToString()
            layer.ClearField(known.name)
        else:
            data = b"".join(one.data for one in _unknown(layer) if one.field_number == number and one.wire_type == _BYTES)
        if data:
            target.SetInParent()
            target.MergeFromString(_renumbered(data, inside))


def _renumbered(data: bytes, numbers: Mapping[int, int]) -> bytes:
    """The fields of a message under other numbers."""
    if not numbers:
        return data
    return b"".join(_encoded(numbers.get(one.field_number, one.field_number), one.wire_type, one.data) for one in _every(data))


def numbered(data: bytes) -> list[tuple[str, str]]:
    """The fields of a message by their numbers, and what they hold in words: ("field 88", "7")."""
    return [(f"field {one.field_number}", _words(one.data)) for one in _every(data)]


def _words(data: Any) -> str:
    """What an unknown field holds: a number, a text, other bytes, or a group's fields."""
    if isinstance(data, int):
        return str(data)
    if isinstance(data, bytes):
        whole = data.hex() if len(data) <= SHOWN else f"CRC {crc32(data):08x}"
        return f'"{data.decode()}"' if data.isascii() and data.decode().isprintable() else f"{len(data)} bytes {whole}"
    return "{ " + " ".join(f"{one.field_number}: {_words(one.data)}" for one in data) + " }"


def _every(data: bytes) -> list[Any]:
    """All fields of a message, as unknown ones."""
    from google.protobuf.empty_pb2 import Empty  # to which every field is unknown

    return _unknown(Empty.FromString(data))


def unknown_fields(message: Any) -> bytes:
    """The fields of a message that was read from a binary file which the schema does not know, as they stand there."""
    taken = OTHER_NUMBERS.get(message.type, ("", {}))[1] if message.DESCRIPTOR.name == "LayerParameter" else {}
    fields = (one for one in _unknown(message) if one.field_number not in taken)
    return b"".join(_encoded(one.field_number, one.wire_type, one.data) for one in fields)


def move_unknown_fields(old: Any, layer: Any) -> list[int]:
    """Give a layer the unknown fields of a message of an older format, but for those whose number is a field's of the layer.

    Returns
    -------
    The numbers of those that were left out.
    """
    taken = {*layer.DESCRIPTOR.fields_by_number, *OTHER_NUMBERS.get(layer.type, ("", {}))[1]}
    fields = _unknown(old)
    layer.MergeFromString(
        b"".join(_encoded(one.field_number, one.wire_type, one.data) for one in fields if one.field_number not in taken)
    )
    return sorted({one.field_number for one in fields if one.field_number in taken})


def _unknown(message: Any) -> list[Any]:
    """The unknown fields of a message: each has field_number, wire_type and data."""
    found = UnknownFieldSet(message)
    return [found[index] for index in range(len(found))]


def _encoded(number: int, kind: int, data: Any) -> bytes:
    key = _varint(number << 3 | kind)
    if kind == _VARINT:
        return key + _varint(data)
    if kind == _BYTES:
        return key + _varint(len(data)) + data
    if kind == _GROUP:
        inner = b"".join(_encoded(one.field_number, one.wire_type, one.data) for one in data)
        return key + inner + _varint(number << 3 | _GROUP + 1)
    return key + int(data).to_bytes(4 if kind == _FIXED32 else 8, "little")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def messages_in(message: Any, path: str = "") -> Iterator[tuple[Any, str]]:
    """A message and those inside it, but for weights and layers, each with its path from the first."""
    yield message, path
    for field, value in message.ListFields():
        if field.message_type is None or field.name in ("blobs", "kept", "layer", "layers"):
            continue
        single = hasattr(value, "DESCRIPTOR")
        for index, one in enumerate([value] if single else value):
            name = field.name if single else f"{field.name}[{index}]"
            yield from messages_in(one, f"{path}.{name}" if path else name)
