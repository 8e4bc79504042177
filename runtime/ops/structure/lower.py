"""How layers lower that only shape the graph: Input, Split and Silence make no instruction, Parameter and HDF5Output a copy."""

from __future__ import annotations

from netdef.graph.shape import images
from netdef.layers.input import Input, ParameterBlob
from netdef.layers.select import Split
from netdef.layers.sink import HDF5Output, Silence
from runtime.ir.builder import Builder
from runtime.ops.registry import lowers


@lowers(Input)
def lower_input(layer: Input, build: Builder) -> None:
    for index in range(len(layer.tops)):
        build.top(layer, index, role="input")


@lowers(ParameterBlob)
def lower_parameter(layer: ParameterBlob, build: Builder) -> None:
    """The array in the order of a blob, which has the first axis last; a copy, so that layers may work in place on the top."""
    batch = images(layer.tops[0].shape)
    learned, blob = (layer.tops[0].count, 1), (layer.tops[0].count // batch, batch)
    build.forward("rebatch", build.parameter(layer, 0).view(learned), out=build.top(layer, 0).view(blob))
    if build.needs_parameter_gradient(layer, 0):
        dw = build.parameter_gradient(layer, 0).view(learned)
        build.backward("rebatch", build.top_gradient(layer, 0).view(blob), out=dw)


@lowers(Split)
def lower_split(layer: Split, build: Builder) -> None:
    for top in range(len(layer.tops)):
        build.alias(layer, top, 0)
        if build.needs_gradient(layer, 0):
            build.alias_gradient(layer, top, 0)


@lowers(Silence)
def lower_silence(layer: Silence, build: Builder) -> None:
    pass


@lowers(HDF5Output)
def lower_hdf5_output(layer: HDF5Output, build: Builder) -> None:
    build.sink(layer, data=0, label=1)
