"""The schema of network and solver files: messages, fields, defaults and enums, wire-compatible with Caffe 1.0.

`schema.NetParameter`, `schema.LayerParameter`, `schema.SolverParameter` and so on are protobuf message classes.
They are built at first use, from the descriptors in netdef.desc, in a private pool: there is no generated code that needs one
release of protobuf, and no conflict with another package's caffe.proto in the same process.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor, descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from netdef.schema.layer_types import LAYER_TYPES, NO_TOPS, layer_fields

__all__ = [
    "LAYER_TYPES",
    "NO_TOPS",
    "TEST",
    "TRAIN",
    "Message",
    "descriptor_of",
    "documentation",
    "is_repeated",
    "layer_fields",
    "message_class",
]

TRAIN, TEST = 0, 1  # the values of the enum Phase

_FOLDER = Path(__file__).parent
_PACKAGE = "caffe"


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    """The private pool that holds the schema."""
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString((_FOLDER / "netdef.desc").read_bytes())
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@cache
def descriptor_of(name: str) -> descriptor.Descriptor:
    """The descriptor of the message called `name`, such as "LRNParameter". Raises KeyError if there is none."""
    return _pool().FindMessageTypeByName(f"{_PACKAGE}.{name}")


def is_repeated(field: Any) -> bool:
    """Whether a field is repeated."""
    # Releases of protobuf before 6.31 have no is_repeated; those from 7 on have no label.
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


@cache
def _factory() -> Any:
    """Releases of protobuf before 4.22 build classes with a factory object."""
    return message_factory.MessageFactory(_pool())


@cache
def message_class(name: str) -> type[Message]:
    """The class of the message called `name`, such as "NetParameter". Raises KeyError if there is none."""
    found = descriptor_of(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(found)
    return _factory().GetPrototype(found)


@cache
def _documentation() -> dict[str, str]:
    import json

    return json.loads((_FOLDER / "documentation.json").read_text(encoding="utf-8"))


def documentation(name: str) -> str:
    """The documentation of a message, field, enum or enum value: of "LRNParameter", "LRNParameter.group",
    "PoolingParameter.PoolMethod.AVE". Raises KeyError if there is no such name."""
    return _documentation()[name]


def __getattr__(name: str) -> Any:
    if name[:1].isupper():
        try:
            return message_class(name)
        except KeyError:
            pass
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
