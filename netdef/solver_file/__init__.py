"""Solver files: their fields (fields.py), what they must say (checking.py), and what follows from them.

That is the nets to train and test (nets.py), when to test (testing.py), and the rate of each iteration (learning_rate.py).
`load_solver` and `read_solver` (reading.py) read a file.
"""

from netdef.solver_file.checking import check_solver
from netdef.solver_file.fields import (
    LARC_TYPES,
    NETS,
    POLICIES,
    REGULARIZATIONS,
    TYPES,
    TYPES_WITHOUT_MOMENTUM,
    WARM_UPS,
    device_of,
    devices_left_out,
    is_given,
    without_effect,
)
from netdef.solver_file.nets import state_overrides
from netdef.solver_file.reading import load_solver, read_solver

__all__ = [
    "LARC_TYPES",
    "NETS",
    "POLICIES",
    "REGULARIZATIONS",
    "TYPES",
    "TYPES_WITHOUT_MOMENTUM",
    "WARM_UPS",
    "check_solver",
    "device_of",
    "devices_left_out",
    "is_given",
    "load_solver",
    "read_solver",
    "state_overrides",
    "without_effect",
]
