"""Nets as texts that tests change."""

from __future__ import annotations

from collections.abc import Mapping


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """A text with other words for some of its own, each of which is there."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text
