"""The site of the documentation: its pages, its links, and the texts about commands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from netdef.cli.main import COMMANDS, run
from tests.docs.test_samples import LINK, anchors
from tests.paths import ROOT
from tools.make_site import CONFIG, PICTURES, prepare


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "docs"
    return folder, prepare(folder, draw=False)


def pages_of(nav):
    for entry in nav if isinstance(nav, list) else [nav]:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            if isinstance(value, str):
                yield value
            else:
                yield from pages_of(value)


def test_the_navigation_has_every_page_once(site):
    folder, config = site
    named = list(pages_of(config["nav"]))
    there = {str(path.relative_to(folder)) for path in folder.rglob("*.md")}
    assert sorted(named) == sorted(there)
    assert yaml.safe_load(CONFIG.read_text())["theme"]["font"] is False  # nothing from the network


def test_links_hold_in_the_site(site):
    folder, _ = site
    for page in folder.rglob("*.md"):
        for path, anchor in LINK.findall(page.read_text()):
            if path.startswith("pictures/"):
                assert Path(path).name in PICTURES
                continue
            target = page.parent / path if path else page
            assert target.resolve().is_relative_to(folder.resolve()) and target.exists(), f"{page.name} links to {path}"
            assert not anchor or anchor in anchors(target.read_text()), f"{page.name} links to {path}#{anchor}"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_says_what_help_says(name, site, capsys):
    assert run([name, "--help"]) == 0
    page = (site[0] / "commands" / f"{name}.md").read_text()
    assert page.startswith(f"# netdef {name}\n\n```text\nUsage: netdef {name} ")
    assert "".join(capsys.readouterr().out.split()) in "".join(page.split())  # whatever the width of lines
    if name == "data":
        assert "## netdef data convert" in page


def test_the_start_names_every_tour():
    start = (ROOT / "docs" / "README.md").read_text()
    assert len(re.findall(r"\]\(tour-\w+\.md\)", start)) == 3


def test_it_is_built_where_mkdocs_is(tmp_path):
    pytest.importorskip("material")
    subprocess.run([sys.executable, ROOT / "tools" / "make_site.py", tmp_path / "site"], check=True)
    for picture in PICTURES:
        assert (tmp_path / "site" / "pictures" / picture).read_text().startswith("<svg")
    assert "netdef train" in (tmp_path / "site" / "commands" / "train.html").read_text()
    text = (tmp_path / "site" / "index.html").read_text()
    assert not re.search(r"(src|href)=.https?://", text.replace("https://squidfunk.github.io/mkdocs-material/", ""))
