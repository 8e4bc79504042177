"""Records as people of Python take them: a list of dictionaries, or a DataFrame of pandas."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from netdef.language.diagnostics import NetdefError


def as_table(records: Sequence[Mapping[str, Any]], whole: Collection[str] = (), frame: bool | None = None) -> Any:
    """The records as a list of dictionaries, or as a DataFrame.

    Parameters
    ----------
    whole: the columns of whole numbers, which stay so where one is None.
    frame: whether a DataFrame is wanted; None: where pandas is installed.

    Raises
    ------
    NetdefError: a DataFrame is wanted, and pandas is not installed.
    """
    there = find_spec("pandas") is not None
    if frame and not there:
        raise NetdefError("a DataFrame takes pandas, which is not installed", hint="pip install pandas; or frame=False")
    if frame is False or not there:
        return [dict(record) for record in records]
    made = import_module("pandas").DataFrame.from_records(records)
    return made.astype({name: "Int64" for name in whole if name in made})
