"""Net: layers in the order of their file, all names bound and all shapes known.

Plain data. `netdef.load` and `netdef.parse` make it; netdef/graph/build.py shows how.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from netdef.graph.layer import Blob, Layer, Parameter
from netdef.graph.shape import shape_text
from netdef.graph.unsized import Unknown, weights_unknown
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.records import as_table
from netdef.language.source import Position
from netdef.language.spelling import did_you_mean
from netdef.language.units import decimal, plural, thousands


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a net.

    Attributes
    ----------
    parameters: elements of all learned arrays; a shared one counts once.
    statistics: elements of the running means and variances of BatchNorm; the divisor of both is none.
    macs: multiply-accumulates of one image, forward.
    activation_bytes: of all tops, for the whole batch; a blob written in place counts once.
    """

    parameters: int
    statistics: int
    macs: int
    activation_bytes: int

    @property
    def counts(self) -> str:
        return counts_text(self.parameters, self.statistics)


def counts_text(parameters: int, statistics: int) -> str:
    """25,557,096 parameters + 53,120 statistics; the former alone where there are no statistics."""
    learned = f"{thousands(parameters)} parameter{'' if parameters == 1 else 's'}"
    return f"{learned} + {thousands(statistics)} statistics" if statistics else learned


WHOLE = ("parameters", "statistics", "macs", "activation_bytes")  # columns of `Net.table`


@dataclass(eq=False, repr=False)
class Net:
    """A network in one phase, all names bound and all shapes known.

    Attributes
    ----------
    layers: in the order of the file, in which they can run.
    blobs: by name, the last version of each.
    inputs: tops of Input layers, which the caller fills.
    outputs: blobs that no layer reads.
    parameters: of all layers in order; a shared one for each layer that has it.
    message: the NetParameter as the user wrote it, without the layers of the other phase.
    unsized: why the shapes of some sources are not known, where that is allowed.
    """

    name: str
    phase: str
    layers: tuple[Layer, ...]
    blobs: dict[str, Blob]
    inputs: tuple[Blob, ...]
    outputs: tuple[Blob, ...]
    parameters: tuple[Parameter, ...]
    force_backward: bool
    message: Any
    filename: str
    unsized: tuple[Diagnostic, ...] = ()
    drawn_by: ClassVar[Callable[[Net], str] | None] = None  # draws a net in notebooks; netdef/__init__.py knows it
    _by_name: dict[str, Layer] = field(init=False)

    def __post_init__(self) -> None:
        self._by_name = {layer.name: layer for layer in self.layers}

    def layer(self, name: str) -> Layer:
        """The layer of that name.

        Raises
        ------
        NetdefError: there is none; the nearest name is in the hint.
        """
        if name not in self._by_name:
            text = f"{self.filename} has no layer {name!r} in phase {self.phase}"
            raise NetdefError(text, hint=did_you_mean(str(name), self._by_name))
        return self._by_name[name]

    def position(self, layer: Layer | str) -> Position | None:
        """The position of a layer in its file."""
        return (layer if isinstance(layer, Layer) else self.layer(layer)).position

    @property
    def batch(self) -> int | None:
        """Images in a batch: the first dimension of the first blob that has one."""
        return next((top.shape[0] for layer in self.layers for top in layer.tops if top.shape and top.is_sized), None)

    @property
    def unknown_types(self) -> dict[str, list[Layer]]:
        """The layers of types that nobody here knows, by type."""
        found: dict[str, list[Layer]] = {}
        for layer in self.layers:
            if isinstance(layer, Unknown):
                found.setdefault(layer.type, []).append(layer)
        return found

    @property
    def is_sized(self) -> bool:
        """Whether all shapes are known."""
        return all(layer.is_sized for layer in self.layers)

    @property
    def totals(self) -> Totals:
        return Totals(
            parameters=sum(layer.parameter_count for layer in self.layers),
            statistics=sum(layer.statistic_count for layer in self.layers),
            macs=sum(layer.macs for layer in self.layers),
            activation_bytes=sum(layer.activation_bytes for layer in self.layers),
        )

    def __repr__(self) -> str:
        batch = f"batch {self.batch}; " if self.batch is not None else ""
        return f"<Net {self.name!r} {self.phase}: {batch}{plural(len(self.layers), 'layer')}, {self.totals.counts}>"

    def table(self, frame: bool | None = None) -> Any:
        """A record for each layer, by these names: layer, type, bottoms, tops, shape (of the first top), parameters, statistics,
        macs (multiply-accumulates of an image, forward), activation_bytes (of the whole batch).  What is not known is None.

        Parameters
        ----------
        frame: whether it is a DataFrame of pandas, else a list of dictionaries; None: where pandas is installed.

        Raises
        ------
        NetdefError: `frame` is true, and pandas is not installed.
        """
        return as_table([_record(layer) for layer in self.layers], WHOLE, frame)

    def _repr_html_(self) -> str:
        """The drawing, and a row for each layer, for notebooks."""
        from netdef.language.html_table import table

        drawing = Net.drawn_by(self) if Net.drawn_by is not None else ""
        return drawing + table(repr(self), ("layer", "type", "reads", "makes", "parameters", "MACs/image"), map(_row, self.layers))


def _row(layer: Layer) -> tuple[str, ...]:
    reads, makes = (", ".join(f"{blob} {shape_text(blob.shape)}" for blob in blobs) for blobs in (layer.bottoms, layer.tops))
    parameters = " + ".join(shape_text(parameter.shape) for parameter in layer.parameters)
    return layer.name, layer.type, reads, makes, parameters, decimal(layer.macs) if layer.macs else ""


def _record(layer: Layer) -> dict[str, Any]:
    """A layer in `Net.table`."""
    return {
        "layer": layer.name,
        "type": layer.type,
        "bottoms": [str(blob) for blob in layer.bottoms],
        "tops": [str(blob) for blob in layer.tops],
        "shape": layer.tops[0].shape if layer.tops and layer.tops[0].is_sized else None,
        "parameters": None if weights_unknown(layer) else layer.parameter_count,
        "statistics": layer.statistic_count,
        "macs": layer.macs if layer.is_sized else None,
        "activation_bytes": layer.activation_bytes if layer.is_sized else None,
    }
