"""Merge messages and the positions of their fields, as layers take what `defaults` give."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from netdef.language.kept import KEPT, merge_kept
from netdef.schema.origins import Origins


def merge_under(message: Message, origins: Origins, below: Message, below_origins: Origins) -> None:
    """Give a message the fields that another has and it lacks; messages within are merged field by field."""
    for info, value in below.ListFields():
        name = info.name
        entry = below_origins.fields.get(name)
        if name == KEPT:
            merge_kept(message, origins, value, entry)
        elif name not in origins.fields:
            target: Any = getattr(message, name)
            if isinstance(entry, list):
                target.MergeFrom(value)
            elif isinstance(entry, Origins):
                target.CopyFrom(value)
            else:
                setattr(message, name, value)
            if entry is not None:
                origins.fields[name] = entry if not isinstance(entry, Origins) else entry.copy()
        elif isinstance(entry, Origins):
            inner = origins.fields[name]
            if isinstance(inner, Origins):  # otherwise it was given, and wrong
                merge_under(getattr(message, name), inner, value, entry)
