"""A file that has been read: its message, and the position of each field."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

from netdef.language.diagnostics import Diagnostic, OldFormatWarning, Remark
from netdef.language.source import Position, Source, excerpt
from netdef.language.written import is_written
from netdef.schema.origins import Origins, Path, Span


@dataclass(frozen=True, slots=True)
class Unknown:
    """A field that the schema lacks, kept as text."""

    name: str
    span: Span  # of its name
    text: str


@dataclass
class Bound:
    """A file's message, and the position of each of its fields."""

    message: Any
    filename: str
    source: Source | None = None  # None for a binary file
    origins: Origins = field(default_factory=lambda: Origins((0, 0)))
    notes: list[str] = field(default_factory=list)  # what was converted from older formats
    idle_defaults: list[Span] = field(default_factory=list)  # types of `defaults` that no layer uses
    broken: frozenset[int] = frozenset()  # numbers of the layers with errors; of a partial message only
    unknown: list[Unknown] = field(default_factory=list)  # a solver's fields that forks of Caffe may have
    removed: dict[str, str] = field(default_factory=dict)  # for each top of a removed layer, what to write instead
    changed: dict[Path, Position] = field(default_factory=dict)  # fields that the caller set since it was read
    outside: list[Diagnostic] = field(default_factory=list)  # files that are included from outside of the folder

    def position(self, path: Path) -> Position | None:
        """The position of a field, such as ("layer", 3, "convolution_param", "kernel_size", 0), or of the nearest message around
        it that has one; None in a binary file."""
        if path in self.changed:
            return self.changed[path]
        if self.source is None:
            return None
        return self.source.position(*self.origins.find(path))

    def announce(self) -> None:
        """Warn of an older format (OldFormatWarning), of unknown fields and of includes from elsewhere (Remark)."""
        if self.notes:
            more = f", and {len(self.notes) - 1} more notes; netdef check lists them" if len(self.notes) > 1 else ""
            text = f"{self.filename}: {self.notes[0]}{more}; netdef fmt --to prototxt writes the present format"
            warnings.warn(text, OldFormatWarning, stacklevel=3)
        if self.unknown:
            names = ", ".join(dict.fromkeys(excerpt(one.name) for one in self.unknown))
            warnings.warn(f"{self.filename}: unknown fields without effect: {names}", Remark, stacklevel=3)
        for one in self.outside:
            if one.position is not None and is_written(one.position.file):
                continue
            warnings.warn(f"{one.position}: {one.message}", Remark, stacklevel=1)
