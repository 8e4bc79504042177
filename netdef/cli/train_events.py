"""Where `netdef train --tensorboard` writes events, and what of the solver goes into them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from netdef.cli.train_options import Options
    from runtime.solver.solver import Solver
    from runtime.solver.tensorboard import Events


def open_events(out: Path, solver: Solver, options: Options, say: Callable[[str], None]) -> Events:
    """The file of TensorBoard's events, and a line on where to look. Raises NetdefError: it cannot be made."""
    from runtime.machine.weights import owned_arrays
    from runtime.solver.tensorboard import Events

    def weights() -> Iterator[tuple[str, np.ndarray]]:
        for layer, arrays in owned_arrays(solver.nets.train, solver.executable.param):
            for index, array in arrays:
                yield f"{layer}/{index}", array

    histograms = options.histograms and solver.ranks is None
    events = Events(out, solver.iteration, say, weights if histograms else None)
    say(f"TensorBoard's events go to {out}: tensorboard --logdir {shlex.quote(str(out.parent))}")
    return events
