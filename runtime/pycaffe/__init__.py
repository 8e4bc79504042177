"""pycaffe: Caffe's Python interface on netdef's runtime.  docs/pycaffe.md shows its use.

    import netdef.pycaffe as caffe

`netdef pycaffe script.py` runs a script in which `import caffe` gives this module.
"""

from typing import Any

from netdef.schema import TEST, TRAIN
from runtime.ops.python.modules import CaffeLayer as Layer
from runtime.pycaffe import coord_map, draw, io, net_spec, proto
from runtime.pycaffe.blob import Blob
from runtime.pycaffe.classifier import Classifier
from runtime.pycaffe.detector import Detector
from runtime.pycaffe.layer_list import layer_type_list
from runtime.pycaffe.log import Timer, init_log, log
from runtime.pycaffe.net import Net
from runtime.pycaffe.net_spec import NetSpec, layers, params, to_proto
from runtime.pycaffe.processes import (
    has_nccl,
    set_multiprocess,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from runtime.pycaffe.settings import set_device, set_mode_cpu, set_mode_gpu, set_random_seed
from runtime.pycaffe.solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    get_solver,
)

__version__ = "1.0.0"  # of Caffe, whose interface this is
__all__ = [
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Blob",
    "Classifier",
    "Detector",
    "Layer",
    "NesterovSolver",
    "Net",
    "NetSpec",
    "RMSPropSolver",
    "SGDSolver",
    "Timer",
    "coord_map",
    "draw",
    "get_solver",
    "has_nccl",
    "init_log",
    "io",
    "layer_type_list",
    "layers",
    "log",
    "net_spec",
    "params",
    "proto",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "to_proto",
]  # fmt: skip
ABSENT = {
    "NCCL": "`netdef train --devices gpu:0-3`, or under mpirun, trains on several cards",
}


class AbsentError(AttributeError, NotImplementedError):
    """Caffe has it, netdef has not; hasattr is False."""


def __getattr__(name: str) -> Any:
    """Say what is not there."""
    if name in ABSENT:
        raise AbsentError(f"caffe.{name}: netdef's pycaffe has none; {ABSENT[name]}")
    raise AttributeError(f"caffe.{name}: neither pycaffe nor netdef has it")
