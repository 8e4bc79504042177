"""What the page may ask, each by a name: the one list of what the server does."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping
from typing import Any

from netdef.edit import answers
from netdef.edit.differing import differences
from netdef.edit.edited import ChangedError, Edited
from netdef.edit.looking import Looked, phase
from netdef.explain.reference import Devices
from netdef.graph.net import Net
from netdef.language.diagnostics import NetdefError

Asked = Mapping[str, Any]


class QuestionError(Exception):
    """A question that the page does not ask."""


class Session:
    """A file and what is known of its text.

    One question is answered at a time: the page asks the next when it has the answer. What the command allows, such as to run
    Python layers, holds in the threads that answer too.
    """

    def __init__(self, edited: Edited, devices: Devices | None = None) -> None:
        self.edited = edited
        self._devices = devices
        self._lock = threading.Lock()
        self._context = contextvars.copy_context()
        self._looked: Looked | None = None
        self._text = ""
        self._nets: dict[str, Net] = {}  # of each phase the last that could be built

    def answer(self, question: str, asked: Asked) -> Any:
        """What a question is answered with, as plain data.

        Raises
        ------
        QuestionError: there is no such question, or it lacks something.
        NetdefError: what a user can cause.
        """
        found = _QUESTIONS.get(question)
        if found is None:
            raise QuestionError(f"no question {question}")
        with self._lock:
            return self._context.run(found, self, asked)

    def looked(self, text: str) -> Looked:
        """A text that was checked; the last one again where it is the same."""
        if self._looked is None or text != self._text:
            self._looked, self._text = Looked(text, self.edited.name), text
            self._nets |= self._looked.nets
        return self._looked

    def _look(self, asked: Asked) -> Any:
        """The findings in a text; and the digest of the file on disk, by which the page sees that it has changed.

        The text is checked again even where it is the last one: files that it includes may have changed.
        """
        self._looked = None
        found = self.looked(_text(asked)).findings()
        try:
            return found | {"disk": self.edited.on_disk().digest, "trouble": ""}
        except NetdefError as error:
            return found | {"disk": "", "trouble": str(error)}

    def _phase(self, asked: Asked) -> Any:
        return phase(self.looked(_text(asked)), _string(asked, "phase"))

    def _diff(self, asked: Asked) -> Any:
        opened = self.edited.opened()
        return differences(opened.text, _text(asked), self.edited.name, self.edited.before(opened))

    def _hover(self, asked: Asked) -> Any:
        return answers.hover(self.looked(_text(asked)).document, _at(asked), self._nets, self._devices)

    def _complete(self, asked: Asked) -> Any:
        return answers.completions(answers.document(_text(asked), self.edited.path), _at(asked), self._nets)

    def _format(self, asked: Asked) -> Any:
        return {"text": answers.canonical(_text(asked), self.edited.name)}

    def _load(self, asked: Asked) -> Any:
        found = self.edited.opened()
        return {"text": found.text, "seen": found.digest}

    def _save(self, asked: Asked) -> Any:
        seen = None if asked.get("over") is True else _string(asked, "seen")
        try:
            return {"seen": self.edited.save(_text(asked), seen)}
        except ChangedError as error:
            return {"changed": str(error)}


_QUESTIONS: dict[str, Callable[[Session, Asked], Any]] = {
    "look": Session._look,
    "phase": Session._phase,
    "diff": Session._diff,
    "hover": Session._hover,
    "complete": Session._complete,
    "format": Session._format,
    "load": Session._load,
    "save": Session._save,
}


def _string(asked: Asked, key: str) -> str:
    value = asked.get(key)
    if not isinstance(value, str):
        raise QuestionError(f"{key} is no text")
    return value


def _text(asked: Asked) -> str:
    """The text in the editor, which is at most as long as a net that netdef reads."""
    return _string(asked, "text")


def _at(asked: Asked) -> tuple[int, int]:
    """A line and a column, from 0."""
    at = asked.get("at")
    if not (isinstance(at, list) and len(at) == 2 and all(type(number) is int and 0 <= number < 1 << 31 for number in at)):
        raise QuestionError("at is no line and column")
    return at[0], at[1]
