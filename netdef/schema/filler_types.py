"""The recipes that arrays can start with, by the names of `weight_filler { type }` and its like; and what stands for none."""

from __future__ import annotations

from typing import Any

from netdef.schema import message_class

FILLERS = ("constant", "uniform", "gaussian", "xavier", "msra", "positive_unitball", "bilinear")
# The fields that each of them reads, apart from `type`.
READS = {
    "constant": {"value"}, "uniform": {"min", "max"}, "gaussian": {"mean", "std", "sparse"}, "xavier": {"variance_norm"},
    "msra": {"variance_norm"}, "positive_unitball": set[str](), "bilinear": set[str](),
}  # fmt: skip
SPARSE = ("gaussian",)  # those that can leave out most of the weights
# The constants of the fields that are not 0 where the filler is left out (Caffe's scale_layer.cpp and prelu_layer.cpp, SSD's
# normalize_layer.cpp, NVIDIA's batch_norm_layer.cpp).
FIRST_VALUES = {
    "BatchNormParameter.scale_filler": 1.0,
    "NormalizeParameter.scale_filler": 1.0,
    "PReLUParameter.filler": 0.25,
    "ScaleParameter.filler": 1.0,
}


def reads(filler: Any, field: str) -> bool:
    """Whether a FillerParameter of its type takes a field into account; one of an unknown type takes all."""
    return field == "type" or field in READS.get(filler.type, {field})


def first_value(message: str, field: str) -> float:
    """The constant that an array starts with where the message of its layer has no such filler."""
    return FIRST_VALUES.get(f"{message}.{field}", 0.0)


def filler_of(message: Any, field: str) -> Any:
    """The FillerParameter in a field of a layer's message, or what stands for it where it is left out."""
    if message.HasField(field):
        return getattr(message, field)
    return message_class("FillerParameter")(type="constant", value=first_value(message.DESCRIPTOR.name, field))
