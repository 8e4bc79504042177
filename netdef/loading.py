"""Load a Net from a file, the name of a model, or a text."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import netdef.layers  # noqa: F401 - fills LAYERS, the registry of types
from netdef.graph.build import build
from netdef.graph.data_shapes import Look, data_looked_at, shapes_kept
from netdef.graph.found_in_run import images_found
from netdef.graph.phases import PHASES, is_selected, state_of
from netdef.graph.user_code import user_code_allowed
from netdef.language import NetdefError, read_file, read_text
from netdef.language.find import find_net
from netdef.layers.data import shapes_of_data
from netdef.layers.python import user_code_of
from netdef.schema import upgrade

if TYPE_CHECKING:
    from netdef.graph.build import Where
    from netdef.graph.layer import Path
    from netdef.graph.net import Net
    from netdef.graph.shape import Shape
    from netdef.language import Bound, Diagnostic, Position


def load(
    path: str | os.PathLike[str],
    phase: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
) -> Net:
    """Load the network in a file, or the model of that name.

    Parameters
    ----------
    path: a .net, .prototxt or .caffemodel file, or a name such as "alexnet".
    phase: "train" or "test"; by default that of the file's `state`, else test.
    overrides: fields to change, {"conv1.num_output": 64}; see netdef/graph/overrides.py.
    batch_size: images in a batch, for every source of the net.

    Raises
    ------
    NetdefError: with all errors of the file.

    Warns
    -----
    OldFormatWarning: the file is of one of Caffe's older formats.
    """
    opened = open_net(path, overrides, batch_size, phase)
    opened.bound.announce()
    return opened.net(phase)


def parse(
    text: str | bytes,
    filename: str = "<text>",
    phase: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
) -> Net:
    """Parse the network in a text; parameters and errors as in `load`."""
    if not isinstance(text, str | bytes):
        raise NetdefError(f"expected the text of a net, not {type(text).__name__}", hint="netdef.load takes a path")
    opened = Opened(lambda: read_text(text, filename, "NetParameter"), filename, overrides, batch_size, phase)
    opened.bound.announce()
    return opened.net(phase)


def open_net(
    path: str | os.PathLike[str],
    overrides: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    phase: str | None = None,
) -> Opened:
    """Read the file of a network, to build it in any phase; parameters and errors as in `load`."""
    if not isinstance(path, str | os.PathLike):
        hint = "give a file's path or a model's name; netdef.parse takes a text"
        raise NetdefError(f"expected the path of a net, not {type(path).__name__}", hint=hint)
    file = find_net(path)
    return Opened(lambda: read_file(file, "NetParameter"), str(file), overrides, batch_size, phase)


class Opened:
    """A network's file that has been read: its message, and the positions of the fields.

    Attributes
    ----------
    bound: the contents of the file. message, where: the message after overrides, and the position of a path in it.
    """

    def __init__(
        self,
        read: Callable[[], Bound],
        filename: str,
        overrides: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        phase: str | None = None,
    ):
        """Raises NetdefError: with all errors of the text, and those of the graph (in `phase`) that can be found despite them."""
        try:
            self.bound = read()
        except NetdefError as error:
            raise NetdefError([*error.diagnostics, *_further(error.partial, filename, phase)]) from None
        self.filename = filename
        self.message, self.where = self.bound.message, cast("Where", self.bound.position)
        for layer in self.message.layer:
            layer.ClearField("blobs")  # the weights of a .caffemodel: the graph does not need them
        if overrides is not None and not isinstance(overrides, Mapping):
            hint = 'write overrides={"conv1.num_output": 64}'
            raise NetdefError(f"overrides are a mapping from fields to values, not a {type(overrides).__name__}", hint=hint)
        if overrides:
            from netdef.graph.overrides import Overrides

            changed = Overrides(self.where)
            changed.apply(self.message, overrides)
            self.where = changed.where
        if batch_size is not None:
            from netdef.graph.overrides import set_batch_size

            set_batch_size(self.message, batch_size)

    def net(self, phase: str | None = None, assumed: Shape = (), partial: bool = False) -> Net:
        """Build the network in a phase. Raises NetdefError with all errors of the graph. `assumed`, `partial`: as in `build`."""
        removed = self.bound.removed
        return build(self.message, self.where, self.filename, phase, assumed=assumed, partial=partial, removed=removed)

    def phase_with_data(self) -> str | None:
        """The phase of the file's state; the other one if only that has a layer without bottoms."""
        return phase_with_data(self.message)

    def has_phase(self, phase: str) -> bool:
        """Whether the file has a net for this phase: a layer without bottoms, and in training more than a deploy net lacks."""
        return _has_data(self.message, phase) and not (phase == "train" and _is_deployed(self.message))


def phase_with_data(message: Any) -> str | None:
    """See `Opened.phase_with_data`; None where neither phase has such a layer."""
    first = state_of(message, None).phase
    other = "train" if first == "test" else "test"
    return next((phase for phase in (first, other) if _has_data(message, phase)), None)


def _has_data(message: Any, phase: str) -> bool:
    state = state_of(message, phase)
    return any(not layer.bottom and is_selected(layer, state) for layer in message.layer)


def _is_deployed(message: Any) -> bool:
    """Whether training would be testing without some of its layers: fed by Input layers only, without a loss."""
    train, test = (
        [index for index, layer in enumerate(message.layer) if is_selected(layer, state_of(message, phase))] for phase in PHASES
    )
    layers = [message.layer[index] for index in train]
    fed = all(layer.bottom or layer.type == "Input" for layer in layers)
    return fed and {*train} < {*test} and not any("Loss" in layer.type or any(layer.loss_weight) for layer in layers)


def with_batch_size(net: Net, batch_size: int) -> Net:
    """The same net with another number of images in a batch, in all its sources."""
    from netdef.graph.overrides import set_batch_size

    return rebuilt(net, lambda message: set_batch_size(message, batch_size))


def with_input_shapes(net: Net, shapes: Mapping[str, Sequence[int]]) -> Net:
    """The same net with other shapes of its Input layers' tops, by name."""
    from netdef.graph.overrides import set_input_shapes

    return rebuilt(net, lambda message: set_input_shapes(message, shapes))


def with_data_shapes(net: Net, look: Look) -> Net:
    """The same net, with what its sources' data say; itself if its file leaves nothing to them, or they were looked at."""
    if not any(getattr(layer, "asks_data", False) and layer.found is None for layer in net.layers):  # type: ignore[attr-defined]
        return net
    with data_looked_at(look):
        return rebuilt(net)


def rebuilt(net: Net, change: Callable[[Any], None] = lambda message: None, found: Mapping[str, int] = MappingProxyType({})) -> Net:
    """The same net built anew, its message changed; its Python layers keep their objects, its sources what was found in their data.

    Parameters
    ----------
    found: how many images a run has let through layers that keep some, by name.

    Raises
    ------
    NetdefError: with all errors of the graph.
    """
    message = type(net.message)()
    message.CopyFrom(net.message)
    change(message)

    def where(path: Path) -> Position | None:
        """The layers of the message are those of the net, in its order."""
        return net.layers[path[1]].within(path[2:]) if path[:1] == ("layer",) else None  # type: ignore[index]

    with user_code_allowed(user_code_of(net)), images_found(found), data_looked_at(shapes_kept(shapes_of_data(net))):
        return build(message, where, net.filename, net.phase)


def _further(partial: Bound | None, filename: str, phase: str | None) -> tuple[Diagnostic, ...]:
    """Errors of the graph of a file whose text has errors in some layers, so that one run reports all of them."""
    if partial is None or partial.message.layers or partial.message.input:
        return ()
    upgrade.upgrade(partial.message, partial.origins)  # what is valid in an older form is no further error
    try:
        build(partial.message, partial.position, filename, phase or phase_with_data(partial.message), partial.broken)
    except NetdefError as error:
        return error.diagnostics
    return ()
