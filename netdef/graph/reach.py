"""Files that layers name outside of the folder of their net."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import Diagnostic, Position, Remark
from netdef.language.reach import CODE, REMEDY, folder_of, named_outside
from netdef.language.written import is_written

if TYPE_CHECKING:
    from netdef.graph.layer import Layer

FILES = (  # fields that name files, which a run reads or writes
    ("data_param", "source"),
    ("image_data_param", "source"),
    ("image_data_param", "root_folder"),
    ("window_data_param", "source"),
    ("window_data_param", "root_folder"),
    ("hdf5_data_param", "source"),
    ("hdf5_output_param", "file_name"),
    ("transform_param", "mean_file"),
    ("infogain_loss_param", "source"),
)
WRITTEN = ("file_name",)  # of them, those of files that a run makes, from the current folder
UNNAMED = "<text>"  # what `netdef.parse` calls a text without a file
_reported: ContextVar[bool] = ContextVar("reported", default=False)


@contextmanager
def reach_reported() -> Iterator[None]:
    """Let nothing be remarked in this context: findings say it."""
    token = _reported.set(True)
    try:
        yield
    finally:
        _reported.reset(token)


def reaches(message: Any, where: Callable[[tuple[str | int, ...]], Position | None], file: str) -> Iterator[Diagnostic]:
    """An error for each file that a layer's message names outside.

    where: the position of a field of the message.  file: that of its net.
    """
    for holder, field in FILES:
        path = getattr(getattr(message, holder), field) if message.HasField(holder) else ""
        if not path:
            continue
        at = where((holder, field))
        if (found := named_outside(path, at, file, field in WRITTEN)) is not None:
            text = f"{field} of layer {message.name} leads to {found}, outside of {folder_of(at, file)}"
            yield Diagnostic(text, at, REMEDY, code=CODE)


def remark_on_reach(layer: Layer) -> None:
    """Warn (Remark) of the files outside that a layer's data are read from; the same warning is shown once.

    Of a text that a program holds (`netdef.parse`) there is no folder to leave; of one that netdef wrote it is the user's choice.
    """
    for one in () if _reported.get() else reaches(layer.message, layer.within, layer.file):
        if one.position is None or not (one.position.file == UNNAMED or is_written(one.position.file)):
            warnings.warn(f"{one.position or layer.file}: {one.message}", Remark, stacklevel=1)
