"""The file that is edited: its text, what tells whether it changed, and how it is saved."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from netdef.language.contents import bytes_of, check_text, text_of
from netdef.language.diagnostics import NetdefError
from netdef.language.find import RUN_NET, find_net, models_folder, packaged
from netdef.language.kinds import WEIGHT_ENDINGS
from netdef.language.source import Source
from netdef.language.writing import write_over

_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}".encode()  # of UTF-8, at the start of files of some editors
NEW = ""  # the digest where there is no file


@dataclass(frozen=True)
class OnDisk:
    """A file as it is now: its text with newlines only, and the digest of its bytes; NEW where there is none."""

    text: str
    digest: str


class Edited:
    """A net's or a solver's file.

    Attributes
    ----------
    path: where it is saved. origin: where its text comes from at first: a net of the package cannot be saved where it is.
    """

    def __init__(self, path: Path, origin: Path | None = None) -> None:
        self.path = path
        self.origin = origin or path

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)

    def on_disk(self) -> OnDisk:
        """The file as it is now; nothing where there is none. Raises NetdefError: it cannot be read, or is no text."""
        if not os.path.exists(self.path):
            return OnDisk("", NEW)
        data = bytes_of(self.path)
        return OnDisk(Source(self.name, text_of(data, self.name)).text, _digest(data))

    def opened(self) -> OnDisk:
        """What an editor begins with: the file, or what it is made from."""
        if self.origin == self.path or os.path.exists(self.path):
            return self.on_disk()
        return OnDisk(Source(self.name, text_of(bytes_of(self.origin), str(self.origin))).text, NEW)

    def before(self, found: OnDisk) -> str:
        """What messages call the text that an editor began with."""
        if found.digest != NEW:
            return f"{self.name} on disk"
        return f"an empty {self.name}" if self.origin == self.path else str(self.origin)

    def save(self, text: str, seen: str | None) -> str:
        """Write a text, all of it or nothing, with the line ends that the file has; returns the digest.

        Parameters
        ----------
        seen: the digest of the file that the text was made from; None writes over whatever is there.

        Raises
        ------
        ChangedError: the file is another one by now.
        NetdefError: the text is no text, or cannot be written.
        """
        check_text(text, self.name)
        there = self._bytes()
        old = there or b""
        data = _with_line_ends(text, old.decode("utf-8-sig", "replace")).encode()
        data = _MARK + data if old.startswith(_MARK) else data
        if there == data:  # as it is after the same save a moment ago
            return _digest(data)
        if seen is not None and seen != (NEW if there is None else _digest(there)):
            raise ChangedError(f"{self.name} has changed on disk since it was read", hint="load it, or write over it")
        write_over(self.path, data)
        return _digest(data)

    def _bytes(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NetdefError(f"cannot read {self.name}: {error.strerror}") from None


class ChangedError(NetdefError):
    """The file on disk is not the one that the text was made from."""


def edited(name: str, out: str | None = None) -> Edited:
    """The file to edit: that of a net or a solver, the net of a run's directory, or a copy of one that comes with netdef.

    Parameters
    ----------
    out: where it is saved; by default where it is, and a copy of one of the package in the current folder.

    Raises
    ------
    NetdefError: there is none, or it is no text.
    """
    solver = packaged(name, ".txt") if not os.path.exists(models_folder() / f"{name}.net") else None
    origin = solver or _net(name)
    if not os.path.isfile(origin) and not os.path.isdir(origin):
        raise NetdefError(f"{origin} is no file that can be saved: a pipe, or a device", hint="write it to a file, and edit that")
    if origin.name.endswith((*WEIGHT_ENDINGS, ".binaryproto")):
        raise NetdefError(
            f"{origin} is binary, where a text is edited", hint=f"netdef convert {origin} net.net writes its net as a text"
        )
    if os.path.isdir(name) and out is None:
        raise NetdefError(
            f"{name}/{RUN_NET} says what the run in {name} has trained, and stays as it is",
            hint=f"netdef edit {name} -o variant.net",
        )
    own = origin.resolve().is_relative_to(models_folder().resolve())
    if own and out is None and os.path.exists(origin.name) and not os.path.samefile(origin.name, origin):
        raise NetdefError(
            f"{name} comes with netdef, and a file {origin.name} is here", hint=f"netdef edit {origin.name}, or give -o FILE"
        )
    path = Path(out or (origin.name if own and not _given_by_path(name) else origin))
    if not path.parent.is_dir():
        raise NetdefError(f"cannot write {path}", hint=f"there is no folder {path.parent}")
    if out is not None and os.path.exists(path) and not os.path.samefile(path, origin):
        raise NetdefError(f"{path} exists already", hint=f"netdef edit {path} opens it; -o names a new file")
    found = Edited(path, origin)
    found.opened()
    return found


def _net(name: str) -> Path:
    """As `find_net`, which says how to begin with an empty file."""
    try:
        return find_net(name)
    except NetdefError as error:
        path = Path(name)
        if error.diagnostics[0].hint or path.suffix not in (".net", ".prototxt") or not path.parent.is_dir():
            raise
        raise NetdefError(
            error.diagnostics[0].message, hint=f"touch {name} makes an empty one; netdef edit lenet begins with a model"
        ) from None


def _given_by_path(name: str) -> bool:
    """Whether a file of the package is given by its path, as those who work on netdef do."""
    return os.path.isfile(name)


def _with_line_ends(text: str, old: str) -> str:
    """A text with a file's line ends: lines above and below all changes keep theirs, the others have that of the last above."""
    pieces = re.split("(\r\n|\r|\n)", old)
    lines, known, ends = text.split("\n"), pieces[::2], pieces[1::2]
    ends.append(ends[-1] if ends else "\n")  # of the last line, which has none, once another follows
    most = min(len(lines), len(known))
    above = next((at for at in range(most) if lines[at] != known[at]), most)
    below = next((at for at in range(most - above) if lines[-1 - at] != known[-1 - at]), most - above)
    between = len(lines) - above - below
    chosen = ends[:above] + [ends[max(0, above - 1)]] * between + ends[len(ends) - below :]
    return "".join(line + end for line, end in zip(lines[:-1], chosen, strict=False)) + lines[-1]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
