"""Names cannot steer a terminal."""

import io

import pytest

import netdef
from netdef.cli import shell
from netdef.cli.main import run
from netdef.draw.picture import render
from netdef.language.diagnostics import NetdefError
from netdef.language.printable import Terminal, in_page, printable, raw

HOSTILE = "a\x1b]0;title\x07b\x1b[2Jc\u202ed\re\x9bf"
SHOWN = "a\ufffd]0;title\ufffdb\ufffd[2Jc\ufffdd\ufffde\ufffdf"


class Stream(io.StringIO):
    def isatty(self):
        return True


def test_what_is_replaced():
    assert printable(HOSTILE) == SHOWN
    assert printable("conv1 日本 é\n  \udcff") == "conv1 日本 é\n  \udcff"
    assert printable("a\tb") == "a    b"


@pytest.mark.parametrize("text", ["\x1b[31merror:\x1b[0m x", "\x1b[1;31mred\x1b[22m"])
def test_colours_pass(text):
    stream = Stream()
    Terminal(stream).write(text)
    assert stream.getvalue() == text


@pytest.mark.parametrize("text", ["\x1b[8m", "\x1b[38;5;1m", "\x1b[1A", "\x1b[?25l", "\x1bc"])
def test_what_hides_text_or_moves_the_cursor_does_not(text):
    stream = Stream()
    assert Terminal(stream).write(text) == len(text)
    assert stream.getvalue() == "\ufffd" + text[1:]
    assert raw(Terminal(stream)) is stream and raw(stream) is stream


def test_a_message_with_hostile_names():
    assert str(NetdefError(f"no {HOSTILE}", hint=HOSTILE)) == f"error: no {SHOWN}\n    {SHOWN}"


def test_commands_on_a_terminal(file, monkeypatch):
    name = file('layer { name: "a\\033]0;title\\007b\\033[2J\u202e" type: "Input" top: "data" input_param { shape { dim: 1 } } }\n')
    out, err = Stream(), Stream()
    monkeypatch.setattr(shell.sys, "stdout", out)
    monkeypatch.setattr(shell.sys, "stderr", err)
    run(["shapes", name])
    run(["shapes", name, "--set", "a\033]0;x.y=1"])
    shown = out.getvalue() + err.getvalue()
    assert "title" in shown and not any(c in shown for c in "\x07\u202e\x9b") and "\x1b]" not in shown and "\x1b[2J" not in shown
    assert shell.sys.stdout is out


def test_a_script_moves_the_cursor_as_it_likes(monkeypatch):
    """Its progress line is its own; the commands' streams are as before behind it."""
    from runtime.pycaffe import script

    def run_script(path, arguments):
        shell.sys.stdout.write("\r1 of 2\x1b[K")
        raise NetdefError("no \x1bc")

    out, err = Stream(), Stream()
    monkeypatch.setattr(script, "run_script", run_script)
    monkeypatch.setattr(shell.sys, "stdout", out)
    monkeypatch.setattr(shell.sys, "stderr", err)
    assert run(["pycaffe", "x.py"]) == 2
    assert out.getvalue() == "\r1 of 2\x1b[K" and "\x1bc" not in err.getvalue()


@pytest.mark.parametrize("form", ["svg", "html", "dot"])
def test_a_page_and_a_picture_hold_no_hidden_characters(form):
    """XML allows no control characters: a browser shows nothing of a picture with one."""
    text = 'layer data: Input { shape { dim: 1 } }\nlayer "a\\033[31m\u202e\\001<b>": ReLU(data)'
    made = render(netdef.parse(text), form).decode()
    assert "\N{REPLACEMENT CHARACTER}[31m" in made
    assert in_page(made) == made and not set("\x1b\u202e\x01") & set(made)


def test_in_page():
    assert in_page("a\tb\nc é 日\N{NO-BREAK SPACE}") == "a\tb\nc é 日\N{NO-BREAK SPACE}"
    assert in_page("a\x1b\x7f\x85\u2067") == "a" + 4 * "\N{REPLACEMENT CHARACTER}"
