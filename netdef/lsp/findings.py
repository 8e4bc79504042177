"""What `netdef check` finds, as the protocol's diagnostics: each for the file that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from lsprotocol import types

from netdef.language.diagnostics import Diagnostic
from netdef.language.source import Position
from netdef.language.units import plural
from netdef.lsp.document import Document, Units, range_of
from netdef.lsp.outline import statements

_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}
_UNNECESSARY = ("ND201", "ND202", "ND221")  # what nothing uses; editors show it faded
_RELATED = 20  # positions shown of one diagnostic

Findings = dict[str, list[types.Diagnostic]]  # by the uri of the file


def by_file(
    document: Document, found: Iterable[Diagnostic], uri_of: Callable[[Path], str], units: Units, related: bool
) -> Findings:
    """The diagnostics of a text and of the files that it includes or names.

    A file with errors is noted in `document` too, where that names it.

    Parameters
    ----------
    related: whether the editor shows the positions that belong to a diagnostic; otherwise its message lists them.
    """

    def uri(at: Position) -> str:
        return document.uri if at.file == document.name else uri_of(Path(at.file).resolve())

    result: Findings = {document.uri: []}
    elsewhere: dict[str, list[Diagnostic]] = {}
    for one in found:
        at = one.position
        if at is not None and at.file != document.name:
            elsewhere.setdefault(at.file, []).append(one)
        file = uri(at) if at is not None else document.uri
        result.setdefault(file, []).append(_diagnostic(one, document, uri, units, related))
    for theirs in elsewhere.values():
        errors = [one for one in theirs if one.severity == "error"]
        if errors:
            result[document.uri].append(_summary(document, errors, uri, units, related))
    return result


def _diagnostic(
    one: Diagnostic, document: Document, uri: Callable[[Position], str], units: Units, related: bool
) -> types.Diagnostic:
    """One diagnostic; without a position, it stands in the first line."""
    message = f"{one.message}\n{one.hint}" if one.hint else one.message
    notes = [(note.message, note.position) for note in one.notes]
    at = one.position
    while at is not None and at.source is not None and at.source.included_from is not None:
        at = at.source.included_from
        notes.append(("included from here", at))
    message += "".join(
        f"\n{text}" + (f": {position}" if position else "") for text, position in notes if not related or position is None
    )
    made = types.Diagnostic(
        range=range_of(one.position, units) if one.position is not None else _first_line(document, units),
        message=message,
        severity=_SEVERITIES[one.severity],
        code=one.code or None,
        source="netdef",
    )
    if one.code in _UNNECESSARY:
        made.tags = [types.DiagnosticTag.Unnecessary]
    if related:
        made.related_information = [_related(text, position, uri, units) for text, position in notes[:_RELATED] if position] or None
    return made


def _related(text: str, at: Position, uri: Callable[[Position], str], units: Units) -> types.DiagnosticRelatedInformation:
    return types.DiagnosticRelatedInformation(types.Location(uri(at), range_of(at, units)), text)


def _summary(
    document: Document, errors: list[Diagnostic], uri: Callable[[Position], str], units: Units, related: bool
) -> types.Diagnostic:
    """The error at the statement that includes or names a file with errors."""
    first = errors[0].position
    assert first is not None
    lines = [f"{Path(first.file).name} has {plural(len(errors), 'error')}"]
    if not related:
        lines += [f"{one.position}: {one.message}" for one in errors[:_RELATED]]
    made = types.Diagnostic(
        range=_naming(document, first, units), message="\n".join(lines), severity=_SEVERITIES["error"], source="netdef"
    )
    if related:
        made.related_information = [_related(one.message, one.position, uri, units) for one in errors[:_RELATED] if one.position]
    return made


def _naming(document: Document, at: Position, units: Units) -> types.Range:
    """Where a text includes or names the file that the cursor is in, by others or by itself."""
    outer: Position | None = at
    while outer is not None and outer.source is not None and outer.file != document.name:
        at, outer = outer, outer.source.included_from
    if outer is not None and outer.file == document.name:
        return range_of(outer, units)
    name = Path(at.file).name
    for one in statements(document):
        if one.head.kind == "net" and Path(one.head.name.text).name == name:
            return document.range(one.at + one.head.name.start, one.at + one.head.name.end, units)
    return _first_line(document, units)


def _first_line(document: Document, units: Units) -> types.Range:
    line = document.source.line(1)
    return document.range(0, max(1, len(line)) if document.text else 0, units)
