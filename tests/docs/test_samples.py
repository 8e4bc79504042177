"""README.md and docs/ show what the commands print, and their links and tables match the tree."""

import doctest
import re
import subprocess
import sys

import pytest

from netdef.cli.main import COMMANDS
from tests.docs.samples import PAGES, samples, shell
from tests.marks import slow_except
from tests.paths import ROOT

LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
BY_NAME = {str(page.relative_to(ROOT)): page for page in PAGES}
SHOWN = {name: samples(page.read_text()) for name, page in BY_NAME.items()}
SESSIONS = {name: page.read_text() for name, page in BY_NAME.items() if ">>> " in page.read_text()}


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_samples_on_the_pages():
    assert sum(map(len, SHOWN.values())) > 12


@pytest.mark.parametrize("name", slow_except("README.md", [name for name, shown in SHOWN.items() if shown]))
def test_commands_print_what_the_page_shows(name, tmp_path):
    run = shell(tmp_path)
    for sample in SHOWN[name]:
        assert run(sample.command) == sample.shown, f"{name}: {sample.command}"


@pytest.mark.parametrize("name", SESSIONS)
def test_python_sessions_print_what_the_page_shows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = doctest.DocTestParser().get_doctest(SESSIONS[name], {}, name, name, 0)
    said = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize("name", BY_NAME)
def test_links_lead_to_files_and_headings(name):
    page = BY_NAME[name]
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name} links to {path}"
        assert not anchor or anchor in anchors(target.read_text()), f"{name} links to {path}#{anchor}"


def test_the_index_names_every_page():
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index


def test_the_table_of_commands_is_complete():
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "README.md").read_text(), re.M)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(COMMANDS)


def test_the_picture_is_what_draw_makes(tmp_path):
    made = tmp_path / "alexnet.svg"
    subprocess.run([sys.executable, "-m", "netdef", "draw", "alexnet", "--phase", "train", "-o", made], cwd=ROOT, check=True)
    assert made.read_text() == (ROOT / "models" / "alexnet.svg").read_text()
