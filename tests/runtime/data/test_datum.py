"""Records: protobuf's own encoding of Caffe's message read, ours read by protobuf."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from netdef.weights.wire import MalformedError
from runtime.data.datum import Datum, decode_datum, encode_datum


@pytest.fixture(scope="module")
def message():
    """Caffe's Datum, by protobuf."""
    file = descriptor_pb2.FileDescriptorProto(name="datum.proto", package="test", syntax="proto2")
    made = file.message_type.add(name="Datum")
    kind = descriptor_pb2.FieldDescriptorProto
    fields = [("channels", kind.TYPE_INT32), ("height", kind.TYPE_INT32), ("width", kind.TYPE_INT32), ("data", kind.TYPE_BYTES)]
    fields += [("label", kind.TYPE_INT32), ("float_data", kind.TYPE_FLOAT), ("encoded", kind.TYPE_BOOL)]
    for number, (name, of) in enumerate(fields, 1):
        label = kind.LABEL_REPEATED if name == "float_data" else kind.LABEL_OPTIONAL
        made.field.add(name=name, number=number, type=of, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test.Datum"))


CASES = [
    {"channels": 3, "height": 2, "width": 2, "data": bytes(range(12)), "label": 7},
    {"channels": 1, "height": 300, "width": 1, "data": bytes(300), "label": -3},
    {"channels": 2, "height": 2, "width": 1, "float_data": [0.5, -1, 3e9, 6], "label": 300},
    {"data": b"\xff\xd8 a file", "label": 2**31 - 1, "encoded": True},
    {},
]


@pytest.mark.parametrize("given", CASES)
def test_protobuf_agrees(message, given):
    theirs = message(**given)
    for record in (theirs.SerializeToString(), encode_datum(decode_datum(theirs.SerializeToString()))):
        datum = decode_datum(record)
        assert (datum.channels, datum.height, datum.width) == (theirs.channels, theirs.height, theirs.width)
        assert bytes(datum.data) == theirs.data and datum.label == theirs.label and datum.encoded == theirs.encoded
        assert ([] if datum.floats is None else datum.floats.tolist()) == list(theirs.float_data)
    back = message.FromString(encode_datum(decode_datum(theirs.SerializeToString())))
    assert (back.data, back.label, list(back.float_data)) == (theirs.data, theirs.label, list(theirs.float_data))


def test_pixels_are_in_the_order_of_images():
    datum = Datum(2, 1, 3, bytes([1, 2, 3, 4, 5, 6]))
    assert datum.pixels.tolist() == [[[1, 4], [2, 5], [3, 6]]]
    assert Datum(1, 1, 2, floats=np.float32([1.5, 2])).pixels.tolist() == [[[1.5], [2]]]


def test_fields_in_another_order_and_packed_floats(message):
    whole = message(channels=1, height=1, width=2, float_data=[1, 2], label=5).SerializeToString()
    halves = message(float_data=[1, 2]).SerializeToString(), message(channels=1, height=1, width=2, label=5).SerializeToString()
    packed = b"\x32\x08" + np.float32([1, 2]).tobytes() + halves[1]
    for record in (whole, b"".join(halves), packed):
        assert decode_datum(record).floats.tolist() == [1, 2] and decode_datum(record).label == 5


@pytest.mark.parametrize("record", [b"\x22\x05abc", b"\xff\xff", b"\x08", b"\x0a\x01a", bytes(8), b"\x35\x00\x00"])
def test_damaged_records(record):
    with pytest.raises(MalformedError):
        decode_datum(record)


@pytest.mark.parametrize("datum", [Datum(3, 2, 2, bytes(11)), Datum(0, 2, 2, b""), Datum(1, 1, 2, floats=np.zeros(3, "f4"))])
def test_sizes_that_do_not_fit(datum):
    with pytest.raises(MalformedError, match="numbers for an image of"):
        _ = datum.pixels
