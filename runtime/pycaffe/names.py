"""Other names under which the modules of pycaffe are imported: `caffe`, `netdef.pycaffe`."""

from __future__ import annotations

import sys
from importlib import import_module

HOME = "runtime.pycaffe"
MODULES = ("classifier", "coord_map", "detector", "draw", "io", "net_spec", "proto", "proto.caffe_pb2")
AS_IN_CAFFE = {"pycaffe": "net", "_caffe": ""}  # modules of Caffe's package, and whose names they have here


def known_as(name: str) -> None:
    """Let the package, and its modules, be imported by this name too."""
    sys.modules[name] = import_module(HOME)
    for module in MODULES:
        sys.modules[f"{name}.{module}"] = import_module(f"{HOME}.{module}")
    for module, own in AS_IN_CAFFE.items():
        sys.modules[f"{name}.{module}"] = import_module(f"{HOME}.{own}" if own else HOME)
