"""Build netdef/edit/vendor/codemirror.js, the text editor of `netdef edit`: `python tools/make_editor.py`; needs npm.

CodeMirror 6 comes as packages of modules; esbuild joins what tools/editor/codemirror.js names to one file, so that the page needs
no network. tools/editor/package-lock.json holds the versions and the digests of all packages. Their licences go beside the file.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tools" / "editor"
OUT = ROOT / "netdef" / "edit" / "vendor"


def main() -> None:
    """Install the packages in a folder that goes away, and write the file and the licences."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for file in SOURCE.iterdir():
            shutil.copy(file, folder)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
        words = ["codemirror.js", "--bundle", "--minify", "--format=iife", "--global-name=CodeMirror", "--target=es2022"]
        OUT.mkdir(exist_ok=True)
        built = folder / "built.js"
        subprocess.run(["npx", "esbuild", *words, "--legal-comments=none", f"--outfile={built}"], cwd=folder, check=True)
        kept = packages(folder)
        head = f"/* CodeMirror 6: {', '.join(name_and_version for name_and_version in kept)}. MIT licence: see LICENSE. */\n"
        (OUT / "codemirror.js").write_text(head + built.read_text(encoding="utf-8"), encoding="utf-8")
        (OUT / "LICENSE").write_text(licences(kept), encoding="utf-8")
    print(OUT / "codemirror.js")


def packages(folder: Path) -> dict[str, str]:
    """The text of the licence of each package that is in the file, by its name and version."""
    lock = json.loads((folder / "package-lock.json").read_text())["packages"]
    found = {}
    for path, entry in sorted(lock.items()):
        if path and not entry.get("dev"):
            assert entry["license"] == "MIT", f"{path} has the licence {entry['license']}"
            file = next(one for one in (folder / path).iterdir() if one.name.upper().startswith("LICENSE"))
            found[f"{path.removeprefix('node_modules/')} {entry['version']}"] = file.read_text(encoding="utf-8").strip()
    return found


def licences(texts: dict[str, str]) -> str:
    """Each licence once, below the packages that have it."""
    holders: dict[str, list[str]] = {}
    for name, text in texts.items():
        holders.setdefault(text, []).append(name)
    return "\n\n".join(f"{', '.join(names)}:\n\n{text}" for text, names in holders.items()) + "\n"


if __name__ == "__main__":
    main()
