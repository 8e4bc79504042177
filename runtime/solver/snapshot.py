"""A run's snapshots: Caffe's two files of an iteration, and a side file for what Caffe's formats lack.

PREFIX_iter_N.caffemodel    the weights
PREFIX_iter_N.netdef.json   the side file: position of each data source, states that layers carry, names of the classes, state of
                            `plateau`, smoothed loss, seed ..., and the lengths and checksums of the two other files
PREFIX_iter_N.solverstate   iteration, histories, stage of the rate; written last, so where it is there the others are whole
"""

import json
from pathlib import Path
from typing import Any

from netdef.language.diagnostics import NetdefError, UnreadableError, unreadable
from netdef.weights import checksums
from netdef.weights.snapshots import side_path
from runtime.solver.pixels import FORM as PIXELS
from runtime.solver.pixels import LATER

FORMAT = 1  # of the side file
HDF5 = ".h5"

# The types of the side file's entries, none of which has to be there; {"": form} is a mapping of any names.
NUMBER, TEXT_OR_NOTHING = (int, float, type(None)), (str, type(None))
POSITIONS = {"": {"": (int, str)}}
FORM = {
    "seed": int,
    "type": str,
    "rate": {"step": int, "best": NUMBER, "tests_since_best": int},
    "last_losses": [NUMBER],
    "sources": {"train": POSITIONS, "test": [POSITIONS]},
    "batch_size": int,
    "data": TEXT_OR_NOTHING,
    "gradients": str,
    "hold_out": int,
}


class SnapshotFiles:
    """The names of one snapshot's files.

    Parameters
    ----------
    prefix: the solver's snapshot_prefix, with the directory the run writes to.
    hdf5: whether snapshot_format asks for HDF5.
    """

    def __init__(self, prefix: str | Path, iteration: int, hdf5: bool = False) -> None:
        stem, end = f"{prefix}_iter_{iteration}", HDF5 if hdf5 else ""
        self.iteration, self.hdf5 = iteration, hdf5
        self.weights = Path(f"{stem}.caffemodel{end}")
        self.state = Path(f"{stem}.solverstate{end}")
        self.side = Path(f"{stem}.netdef.json")


def side_text(content: dict[str, Any]) -> str:
    """The text of a side file."""
    return json.dumps({"format": FORMAT, **content}, indent=1) + "\n"


def read_side(path: str | Path) -> dict[str, Any]:
    """The side file of a snapshot's file; {} where there is none, as with Caffe's own snapshots.

    Raises
    ------
    NetdefError: it is there and cannot be read.
    """
    path = side_path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError as error:
        raise damaged(path, str(error)) from None
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise damaged(path, "it has no format")
    if content["format"] > FORMAT:
        raise UnreadableError(f"{path} was written by a later netdef", hint="update netdef to resume from it")
    for name in FORM.keys() & content.keys():
        if not has_form(content[name], FORM[name]):
            raise damaged(path, f"{name} is {json.dumps(content[name])[:60]}")
    if isinstance(content.get("pixels"), dict):
        content["pixels"] = {**LATER, **content["pixels"]}
    if content.get("pixels") is not None and not is_whole(content["pixels"], PIXELS):
        raise damaged(path, "pixels are not what a run writes")
    files = content.get("files", {})
    if not (isinstance(files, dict) and all(is_whole(one, checksums.FORM) for one in files.values())):
        raise damaged(path, "files are not what a run writes")
    if content.get("classes") is not None and not has_form(content["classes"], [str]):
        raise damaged(path, "classes are no list of names")
    return content


def damaged(path: Path, what: str) -> NetdefError:
    return NetdefError(f"{path} is damaged: {what}", hint="without this file the run resumes with its data from the start")


def is_whole(value: Any, form: dict[str, Any]) -> bool:
    """Whether a value from JSON has all entries of a form."""
    return has_form(value, form) and value.keys() >= form.keys()


def has_form(value: Any, form: Any) -> bool:
    """Whether a value from JSON is of a type, or of one of some, or is a list or a mapping of such."""
    if isinstance(form, list):
        return isinstance(value, list) and all(has_form(item, form[0]) for item in value)
    if isinstance(form, dict):
        inner = {"": None, **form}[""]
        return isinstance(value, dict) and all(has_form(item, form.get(key, inner)) for key, item in value.items())
    return form is None or (isinstance(value, form) and not isinstance(value, bool))
