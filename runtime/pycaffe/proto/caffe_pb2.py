"""caffe.proto.caffe_pb2: the messages of netdef's schema, which has Caffe's and those of its forks."""

from __future__ import annotations

from typing import Any

from netdef import schema
from netdef.schema import TEST, TRAIN

__all__ = ["TEST", "TRAIN"]


def __getattr__(name: str) -> Any:
    """A message's class.  Raises AttributeError: there is none of that name."""
    try:
        return schema.message_class(name)
    except KeyError:
        raise AttributeError(f"caffe_pb2: netdef's schema has no message {name}") from None
