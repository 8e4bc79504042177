"""What stands at the cursor, or could stand there, derived from the tokens before it, so that the text need not parse."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import Enum, auto

from netdef.language.brackets import CLOSER, OPENER, WORDS
from netdef.language.lexer import END, OPEN_STRING, STRAY
from netdef.language.nodes import Token
from netdef.language.parser import tokens_of
from netdef.language.vocabulary import FieldInfo, fields, layer_vocabulary
from netdef.lsp.document import Document

_NAMES = WORDS | {"NUMBER", "STRING", OPEN_STRING}
_LEAVE_OUT = ("REMOVE", "BYPASS")
_PHASES = ("TRAIN", "TEST")
_STRINGS = ("STRING", OPEN_STRING)
_LAYERS = ("LayerParameter", "V1LayerParameter")  # messages that a layer in Caffe's form fills
_MEANT = {"name": "LAYER", "type": "TYPE", "bottom": "BOTTOM", "top": "TOP"}  # by the fields of such a layer
_FILES = ("net", "train_net", "test_net")  # fields of a solver that name a file


class Wants(Enum):
    """What the cursor takes."""

    FIELD = auto()  # the first word of a statement
    VALUE = auto()  # of `Cursor.field`
    TYPE = auto()
    BOTTOM = auto()
    TOP = auto()
    LAYER = auto()  # the name of the layer that is written here
    REMOVED = auto()  # the name of a layer to leave out
    FILE = auto()
    PUNCTUATION = auto()  # or nothing at all


@dataclass
class Frame:
    """Brackets that are open.

    Attributes
    ----------
    opener: the bracket; "" for the text as a whole.
    message: what a block fills; "" for what is not known, and for lists.
    topic: what `netdef explain` calls it: "LRN", "layer.lrn_param", "solver".
    type: of the layer whose braces these are, in either form.
    value: of a list, whose values these are.
    given: the fields that the block has already.
    since: the tokens of the statement that is not finished.
    """

    opener: str
    message: str = ""
    topic: str = ""
    type: str = ""
    in_line: bool = False  # the braces of a layer in one line, or of defaults
    value: FieldInfo | None = None
    given: set[str] = field(default_factory=set)
    since: list[Token] = field(default_factory=list)

    def field(self, name: str) -> FieldInfo | None:
        """The field of that name which may stand in the block."""
        if self.in_line:
            return layer_vocabulary(self.type).get(name, ("", None))[1]
        return fields(self.message).get(name) if self.message else None


@dataclass
class Cursor:
    """A word in a text, or the gap between two.

    Attributes
    ----------
    start, end: offsets of the word, without its quotes; both the offset of the gap.
    word: all of it. typed: as far as the offset that was asked for.
    quoted: whether it stands in quotes.
    field: whose value it is.
    frame: the block that it stands in.
    """

    wants: Wants
    start: int
    end: int
    word: str
    typed: str
    quoted: bool
    frame: Frame
    field: FieldInfo | None = None
    is_keyword: bool = False  # layer, defaults ... as the language has them
    followed_by: str = ""  # the letter after it, white space left out


def cursor_at(document: Document, offset: int, whole: bool = False) -> Cursor | None:
    """What stands at an offset; None in a comment. A word counts if the offset is inside it or at its end.

    With `whole`, a word counts also where the offset is at its start: the pointer is on its first letter, not a cursor before it.
    """
    base, text = document.piece(offset)
    at, tokens = offset - base, tokens_of(text)
    nearest = bisect_left(tokens, at, key=lambda token: token.end)
    candidates = (nearest + 1, nearest) if whole else (nearest,)
    index = next((one for one in candidates if one < len(tokens) and _holds(tokens[one], at, whole)), None)
    if index is not None:
        before, target, rest = tokens[:index], tokens[index], tokens[index + 1 :]
    else:
        count = nearest + (tokens[nearest].end == at and tokens[nearest].type != END)
        before, target, rest = tokens[:count], None, tokens[count:]
        if "#" in text[max(before[-1].end if before else 0, text.rfind("\n", 0, at) + 1) : at]:
            return None
    frames = _frames(before, document)
    _look_ahead(frames, rest)
    return _cursor(frames, target, rest, base, at, text, whole)


def _holds(token: Token, at: int, whole: bool) -> bool:
    """Whether a token is a word that the offset is in."""
    if token.type not in _NAMES:
        return False
    if token.type == "STRING":
        return token.start < at < token.end or (whole and token.start == at)
    return token.start < at <= token.end or (whole and token.start == at)


def _cursor(frames: list[Frame], target: Token | None, rest: list[Token], base: int, at: int, text: str, whole: bool) -> Cursor:
    frame = frames[-1]
    wants, info = _wanted(frames)
    start, end = (target.start, target.end) if target is not None else (at, at)
    unwritten = wants is Wants.PUNCTUATION or (wants is Wants.VALUE and not whole)
    if unwritten and frame.opener not in ("LSQB", "LPAR") and "\n" in text[frame.since[-1].end : start]:
        wants, info = Wants.FIELD, None  # a line begins a statement, whatever the last one lacks
    quoted = target is not None and target.type in _STRINGS
    if quoted and target is not None:
        start, end = start + 1, end - (target.type == "STRING")
    block = next(one for one in reversed(frames) if one.opener not in ("LSQB", "LPAR"))
    following = text[end + quoted :].lstrip()[:1]
    return Cursor(
        wants=wants,
        start=base + start,
        end=base + end,
        word=text[start:end],
        typed=text[start : max(start, at)],
        quoted=quoted,
        frame=block,
        field=info,
        is_keyword=wants is Wants.FIELD and target is not None and _is_keyword(block, target, rest),
        followed_by=following,
    )


def _is_keyword(frame: Frame, token: Token, rest: list[Token]) -> bool:
    """Whether a word is one of the language's own and not the name of a field."""
    following = rest[0].type if rest else END
    return token.type != "NAME" and frame.message == "NetParameter" and following not in ("COLON", "LBRACE", "LESSTHAN", "LSQB")


# What is open, from the tokens before the cursor.


def _frames(tokens: list[Token], document: Document) -> list[Frame]:
    """The brackets that are open after some tokens, outermost first, each with its unfinished statement."""
    message, topic = ("SolverParameter", "solver") if document.is_solver else ("NetParameter", "net")
    frames = [Frame("", message, topic)]
    for token in tokens:
        if token.type in CLOSER:
            _open(frames, token)
        elif token.type in OPENER:
            _close(frames, token)
        else:
            _take(frames[-1], token)
    if _is_finished(frames[-1]):
        frames[-1].since = []
    return frames


def _take(frame: Frame, token: Token) -> None:
    """One more token of a statement, or the first of the next one."""
    since = frame.since
    if token.type == STRAY:
        return
    if frame.opener in ("LSQB", "LPAR"):
        since.append(token)
    elif token.type == "SEMICOLON" or (token.type == "COMMA" and not _in_tops(since)):
        frame.since = []
    elif token.type == "COLON" and len(since) == 3 and since[1].type == "COLON" and since[2].type in WORDS:
        frame.since = [since[2], token]  # the field before it has no value yet
        frame.given.add(since[2].text)
    elif not since or _ends_before(since, token):
        frame.since = [token]
    else:
        since.append(token)
        if token.type == "COLON" and len(since) == 2:
            frame.given.add(since[0].text)
        elif len(since) == 3 and since[0].text == "type" and since[1].type == "COLON" and token.type in _STRINGS:
            frame.type = token.text.strip("\"'") if frame.message in _LAYERS else frame.type


def _open(frames: list[Frame], token: Token) -> None:
    frame = frames[-1]
    head = _head(frame.since)
    if token.type == "LPAR":
        frames.append(Frame("LPAR"))
    elif frame.opener == "LSQB" and frame.value is not None:
        frames.append(Frame(token.type, frame.value.message, frame.topic))
    elif head and head[0].type in ("LAYER", "DEFAULTS") and len(head) > 1 and head[1].type != "COLON":
        kind = _head_type(head)
        frames.append(Frame(token.type, "LayerParameter", kind, kind, in_line=True))
    else:
        name = _field_name(frame.since)
        info = frame.field(name)
        message = info.message if info is not None else ""
        topic = "layer" if message == "LayerParameter" else message if message in _LAYERS else f"{frame.topic}.{name}"
        frame.given.add(name)
        inner = Frame(token.type, "" if token.type == "LSQB" else message, topic)
        if token.type == "LSQB":
            inner.value = info
        frames.append(inner)


def _close(frames: list[Frame], token: Token) -> None:
    opener = OPENER[token.type]
    if not any(frame.opener == opener for frame in frames):
        return
    while frames[-1].opener != opener:
        frames.pop()
    closed = frames.pop()
    if opener == "LPAR":
        frames[-1].since += [*closed.since, token]
    else:
        frames[-1].since = []


def _head(since: list[Token]) -> list[Token]:
    """The tokens of a statement without train or test before it."""
    return since[1:] if since and since[0].type in _PHASES and since[1:2] and since[1].type == "LAYER" else since


def _head_type(head: list[Token]) -> str:
    """The type that the head of a layer in one line, or of defaults, names."""
    at = 1 if head[0].type == "DEFAULTS" else 3
    return head[at].text.strip("\"'") if len(head) > at else ""


def _field_name(since: list[Token]) -> str:
    """The field that a block is the value of."""
    if len(since) >= 3:
        return since[-1].text  # `pool: weight_filler {`: the first has no value yet
    return since[0].text if since else ""


def _in_tops(since: list[Token]) -> bool:
    return any(token.type == "ARROW" for token in since)


def _is_finished(frame: Frame) -> bool:
    """Whether a block's last statement has all that it needs, so that a new one may begin."""
    since = frame.since
    return (
        frame.opener not in ("LSQB", "LPAR")
        and len(since) >= 3
        and since[0].type in WORDS
        and since[1].type == "COLON"
        and since[-1].type in ("NUMBER", *WORDS, *_STRINGS)
    ) or (bool(since) and since[0].type == "INCLUDE" and since[-1].type in _STRINGS)


def _ends_before(since: list[Token], token: Token) -> bool:
    """Whether a token cannot belong to the statement before it."""
    head, last = _head(since), since[-1]
    if head[0].type == "LAYER" and len(head) > 1 and head[1].type != "COLON":
        if token.type in ("COLON", "ARROW", "COMMA"):
            return False
        return token.type in _NAMES and last.type not in ("COLON", "ARROW", "COMMA", "LAYER")
    if head[0].type in ("LAYER", "DEFAULTS", "INCLUDE", *_LEAVE_OUT, *_PHASES) and len(head) == 1:
        return False
    if head[0].type in _LEAVE_OUT:
        return last.type not in (*_LEAVE_OUT, "LAYER", *_PHASES)
    if head[0].type == "DEFAULTS":
        return token.type in _NAMES
    if len(since) == 1:
        return token.type in WORDS
    return since[1].type == "COLON" and len(since) >= 3 and token.type in _NAMES and last.type not in ("MINUS", "PLUS")


# What the cursor takes, from what is open.


def _wanted(frames: list[Frame]) -> tuple[Wants, FieldInfo | None]:
    frame = frames[-1]
    if frame.opener == "LPAR":
        return _after_comma(frame.since, Wants.BOTTOM), None
    if frame.opener == "LSQB":
        wants = _after_comma(frame.since, Wants.VALUE)
        return (wants if wants is Wants.PUNCTUATION else _meaning(frame.value, frames[-2])), frame.value
    since = frame.since
    if not since:
        return Wants.FIELD, None
    if frame.message == "NetParameter" and (len(since) == 1 or since[1].type != "COLON"):
        return _in_head(_head(since)), None
    if len(since) == 2 and since[1].type == "COLON":
        info = frame.field(since[0].text)
        return _meaning(info, frame), info
    return Wants.PUNCTUATION, None


def _after_comma(since: list[Token], wants: Wants) -> Wants:
    return wants if not since or since[-1].type in ("COMMA", "ARROW") else Wants.PUNCTUATION


def _in_head(head: list[Token]) -> Wants:
    """What comes next in a layer in one line, defaults, an include or a remove."""
    first, last = head[0].type, head[-1].type
    if first == "LAYER":
        if len(head) == 1:
            return Wants.LAYER
        if len(head) == 3 and last == "COLON":
            return Wants.TYPE
        return Wants.TOP if last in ("ARROW", "COMMA") and _in_tops(head) else Wants.PUNCTUATION
    if first == "DEFAULTS":
        return Wants.TYPE if len(head) == 1 else Wants.PUNCTUATION
    if first == "INCLUDE":
        return Wants.FILE if len(head) == 1 else Wants.PUNCTUATION
    if first in _LEAVE_OUT:
        return Wants.REMOVED if last == "LAYER" else Wants.PUNCTUATION
    return Wants.PUNCTUATION


def _meaning(info: FieldInfo | None, frame: Frame) -> Wants:
    """What a field's value is: the name of something, or just a value."""
    if info is None:
        return Wants.PUNCTUATION
    if frame.message in _LAYERS and not frame.in_line and info.name in _MEANT and info.kind == "string":
        return Wants[_MEANT[info.name]]
    if frame.message == "SolverParameter" and info.name in _FILES:
        return Wants.FILE
    return Wants.VALUE


def _look_ahead(frames: list[Frame], rest: list[Token]) -> None:
    """Learn from what follows the cursor which other fields its blocks have, and of which type its layer is."""
    around, level = list(frames), 0
    for index, token in enumerate(rest[:-1]):
        following = rest[index + 1].type
        if token.type in CLOSER:
            level += 1
        elif token.type in OPENER:
            if level:
                level -= 1
            else:
                around.pop()
        if len(around) < 2:
            return
        if level or token.type not in WORDS or following not in ("COLON", *CLOSER):
            continue
        around[-1].given.add(token.text)
        value = rest[index + 2] if following == "COLON" and index + 2 < len(rest) else token
        if token.text == "type" and value.type == "STRING" and around[-1].message in _LAYERS and not around[-1].in_line:
            around[-1].type = value.text.strip("\"'")
