"""Which layer types can run on which devices, told by the files there are: nothing has to be imported to answer.

A family bears one name everywhere: runtime/ops/lrn/lower.py says how it lowers, runtime/ops/lrn/cpu.py and
runtime/ops/lrn/lrn.cu how it runs. Families without kernels of their own (Input, Split) run wherever others do.
"""

from __future__ import annotations

import re
from pathlib import Path

_FOLDER = Path(__file__).parent
_LOWERED = re.compile(r"^@lowers\((\w+)", re.MULTILINE)


def devices_by_class() -> dict[str, tuple[str, ...]]:
    """The devices, of "cpu" and "gpu", that can run a layer, by the name of its class in netdef/layers."""
    found: dict[str, tuple[str, ...]] = {}
    for file in sorted(_FOLDER.glob("*/lower.py")):
        own = file.with_name("cpu.py").is_file()
        on_cards = not own or file.with_name("cuda.py").is_file() or file.parent.name == "random_fill"
        devices = ("cpu", "gpu") if on_cards else ("cpu",)
        found.update(dict.fromkeys(_LOWERED.findall(file.read_text(encoding="utf-8")), devices))
    return found
