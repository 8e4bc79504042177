"""What is installed: every package of the tree, and every file in it."""

from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = {"netdef": "netdef", "runtime": "runtime", "models": "netdef.models"}  # of the tree, with their packages
ONLY_IN_README = {"models/alexnet.svg"}


def lists():
    """The packages of setup.cfg, and the patterns of each package's files."""
    found = ConfigParser()
    found.read(ROOT / "setup.cfg")
    data = found["options.package_data"]
    return set(found["options"]["packages"].split()), {name: data[name].replace(" ", "").split(",") for name in data}


def test_every_package_is_installed():
    there = {
        ".".join((FOLDERS[folder], *path.relative_to(ROOT / folder).parts[:-1]))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    }
    assert there == lists()[0]


def test_every_file_of_a_package_is_installed():
    packages, patterns = lists()
    left = []
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_dir() or path.suffix == ".py" or "__pycache__" in path.parts:
                continue
            parts = path.relative_to(ROOT / folder).parts
            owners = [(".".join((package, *parts[:depth])), "/".join(parts[depth:])) for depth in range(len(parts))]
            if not any(fnmatch(rest, one) for owner, rest in owners if owner in packages for one in patterns.get(owner, ())):
                left.append(str(path.relative_to(ROOT)))
    assert set(left) == ONLY_IN_README
