"""What the records of a log may hold: what is damaged, or no log, is refused before it is drawn or compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LARGEST = 1 << 53  # a whole number that a float holds exactly


def is_sound(record: dict[str, Any]) -> bool:
    """Whether each known field of a record has a value that it can have; unknown fields may hold anything."""
    event = record["event"]
    if not isinstance(event, str) or (event in NUMBERED and not _is_count(record.get("iteration"))):
        return False
    if event == "test" and not _is_count(record.get("net", 0)):  # elsewhere the name of a file
        return False
    return all(is_right(record[field]) for field, is_right in FIELDS.items() if field in record)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def _is_number(value: Any) -> bool:
    """null stands for a number that is not finite."""
    return value is None or (type(value) in (int, float) and -LARGEST < value < LARGEST) or type(value) is float


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_outputs(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_number(one) for one in value.values())


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


NUMBERED = ("train", "test", "snapshot")  # events that are nothing without their iteration
FIELDS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("iteration", "max_iter"), _is_count),
    **dict.fromkeys(("loss", "batch_loss", "rate", "epoch", "seconds", "images_per_second", "eta_seconds", "elapsed"), _is_number),
    "time": lambda value: value is not None and _is_number(value),
    **dict.fromkeys(("name", "reason", "text"), _is_text),
    "outputs": _are_outputs,
    "accuracies": _are_texts,
}
