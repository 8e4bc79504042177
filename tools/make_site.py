"""Write the documentation as a site: `python tools/make_site.py [FOLDER]`, by default site/; needs the extra `docs`.

docs/ is brought to a folder of its own, with a page for each command that says what its --help says, and with pictures that the
program draws now; MkDocs makes HTML of it. A page, a link or a heading that is missing is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "mkdocs.yml"
ORIGINS = ("models/photos/ORIGINS.md", "models/digits/ORIGINS.md")  # pages outside docs/
WIDTH = 100  # columns of a help text
PICTURES = {"alexnet.svg": ("alexnet", "train"), "lenet.svg": ("lenet", "train"), "googlenet.svg": ("googlenet", "test")}


def command_pages() -> dict[str, str]:
    """A page for each command, and `index.md` with all of them."""
    from netdef.cli.main import COMMANDS, commands

    pages: dict[str, str] = {}
    root = click.Context(commands, info_name="netdef")
    rows = ["# Commands", "", "`netdef help COMMAND` prints these texts.", "", "| command | what it does |", "|---|---|"]
    for name, about in COMMANDS.items():
        rows.append(f"| [{name}]({name}.md) | {about.replace('|', chr(92) + '|')} |")
        pages[f"{name}.md"] = "\n".join(_page(root, name))
    return {"index.md": "\n".join(rows) + "\n", **pages}


def _page(parent: click.Context, name: str) -> Iterator[str]:
    """The lines about a command, and where it is a group, about the commands in it."""
    for depth, words, text in _texts(parent, name):
        yield from (f"{'#' * depth} {' '.join(words)}", "", "```text", text, "```", "")


def _texts(parent: click.Context, name: str, depth: int = 1) -> Iterator[tuple[int, list[str], str]]:
    group = parent.command
    assert isinstance(group, click.Group)
    command = group.get_command(parent, name)
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
    yield depth, context.command_path.split(), command.get_help(context)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from _texts(context, inner, depth + 1)


def prepare(folder: Path, draw: bool = True) -> dict[str, Any]:
    """Bring everything that the site is made of to a folder; returns MkDocs' configuration for it."""
    shutil.copytree(ROOT / "docs", folder, dirs_exist_ok=True)
    for page in folder.glob("*.md"):
        page.write_text(moved(page.read_text()))
    (folder / "CONTRIBUTING.md").write_text(re.sub(r"\]\(docs/", "](", (ROOT / "CONTRIBUTING.md").read_text()))
    for name in ORIGINS:
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "commands").mkdir()
    pages = command_pages()
    for name, text in pages.items():
        (folder / "commands" / name).write_text(text)
    (folder / "pictures").mkdir()
    for name, (net, phase) in PICTURES.items() if draw else ():
        picture = ["draw", net, "--phase", phase, "-o", str(folder / "pictures" / name)]
        subprocess.run([sys.executable, "-m", "netdef", *picture], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    config["docs_dir"] = str(folder)
    for entry in config["nav"]:
        if "Commands" in entry:
            entry["Commands"] = [f"commands/{name}" for name in pages]
    return config


def moved(text: str) -> str:
    """A page with its links as they are in the site."""
    return text.replace("](../models/alexnet.svg)", "](pictures/alexnet.svg)").replace("](../", "](")


def main(out: Path) -> None:
    """Make the site."""
    with tempfile.TemporaryDirectory() as work:
        config = prepare(Path(work) / "docs")
        config["site_dir"] = str(out.resolve())
        (Path(work) / "mkdocs.yml").write_text(yaml.safe_dump(config, sort_keys=False))
        words = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-f", f"{work}/mkdocs.yml"]
        subprocess.run(words, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    print(f"{out}/index.html")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site")
