"""Explain layer types, fields and codes, and list layers and models: `netdef explain`, `netdef layers` and `netdef models`.

The modules:

    topics.py       a layer type, a field, a word that a field takes, or a code of `netdef check`
    layer_list.py   all layer types
    model_list.py   all networks that come along
    reference.py    layer types, messages and fields as plain data
"""

from netdef.explain.layer_list import layers
from netdef.explain.reference import WIDTH
from netdef.explain.topics import explain

__all__ = ["WIDTH", "explain", "layers"]
