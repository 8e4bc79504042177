"""How Split lowers: to nothing; its tops' gradients are summed as those of any blob with several consumers."""

from __future__ import annotations

from netdef.layers.select import Split
from runtime.lowering import Builder, lowers


@lowers(Split)
def lower(layer: Split, build: Builder) -> None:
    for top in range(len(layer.tops)):
        build.alias(layer, top, 0)
        if build.needs_gradient(layer, 0):
            build.alias_gradient(layer, top, 0)
