"""Hints about missing packages name those of setup.cfg's extras."""

import configparser
import re

import pytest

from netdef.language.extras import EXTRAS, install
from tests.paths import ROOT


@pytest.mark.parametrize("extra", EXTRAS)
def test_they_are_those_of_setup_cfg(extra):
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    assert list(EXTRAS[extra]) == config["options.extras_require"][extra].strip().splitlines()


def test_no_message_names_an_extra_of_a_checkout():
    """`pip install '.[draw]'` works in a checkout alone, and netdef-compiler[draw] from an index alone."""
    texts = {path: path.read_text() for package in ("netdef", "runtime") for path in (ROOT / package).rglob("*.py")}
    assert [str(path) for path, text in texts.items() if re.search(r"(netdef-compiler|\.)\[[a-z]", text)] == []
    assert install("draw") == "pip install 'graphlay>=0.3,<0.4' 'resvg-py>=0.3'"
