"""Which nets a solver trains and tests: named in its file, written into it, or given in addition to it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from netdef.graph.data_shapes import SampleShapes, data_looked_at
from netdef.graph.layer import Layer
from netdef.graph.layer import Path as FieldOf
from netdef.graph.net import Net
from netdef.graph.overrides import Overrides, Setting, for_nets, for_solver
from netdef.graph.shape import Shape
from netdef.language import Bound, read_file, read_message, read_text
from netdef.language.diagnostics import NetdefError, Position, Remark
from netdef.language.find import find_beside, find_net, is_packaged
from netdef.language.reach import outside
from netdef.loading import Opened, open_net
from netdef.solver_file import check_solver, state_overrides
from netdef.solver_file import read_solver as read_solver_file
from netdef.solver_file.nets import FieldPath, test_count, test_fields, train_field, value_at
from netdef.solver_file.reach import remark_on_reach
from runtime.machine.look import look_at_data
from runtime.solver.other_data import other_data

MESSAGE = "<message>"
OPTION = "--data"
TEST_ITER = "solver.test_iter"  # the change that says how long a test of other data is


def read_solver(solver: Any, max_iter: int | None = None, overrides: Mapping[str, Any] | None = None) -> tuple[Any, str]:
    """A SolverParameter of its own, and where it came from, from any form a solver may have.

    Parameters
    ----------
    solver: a path or packaged name, a text, what `netdef.load_solver` returns, or a SolverParameter.
    max_iter: replaces the solver's.
    overrides: of them, those of the solver's fields are applied: {"solver.base_lr": 0.01}.

    Raises
    ------
    NetdefError: with everything that is wrong in it.
    """
    if isinstance(solver, str) and not os.path.exists(solver) and ("\n" in solver or ":" in solver):
        bound = read_text(solver, "<text>", "SolverParameter")
    elif isinstance(solver, (str, os.PathLike)):
        bound = read_solver_file(solver)
        bound.announce()
    elif isinstance(solver, Bound):
        converted = read_message(solver.message, solver.filename)  # its message may have been changed since it was read
        bound = replace(solver, message=converted.message)
    elif getattr(getattr(solver, "DESCRIPTOR", None), "name", "") == "SolverParameter":
        bound = read_message(solver, MESSAGE)
    else:
        hint = "give a path, a text, what load_solver returns, or a SolverParameter"
        raise NetdefError(f"expected a solver, not {type(solver).__name__}", hint=hint)
    own = type(bound.message)()
    own.CopyFrom(bound.message)
    if max_iter is not None:
        try:
            own.max_iter = max_iter
        except (TypeError, ValueError):
            raise NetdefError(f"max_iter {max_iter!r} is no number of iterations", hint="give a whole number") from None
    changed = Overrides(bound.position)
    changed.apply_to_solver(own, for_solver(overrides))
    check_solver(Changed(own, changed.where))
    remark_on_reach(Changed(own, changed.where))
    return own, bound.filename


class Changed(NamedTuple):
    """A solver's message after changes, and the position of each of its fields: in the change that set it, else in the file."""

    message: Any
    position: Callable[[FieldOf], Position | None]


class SolverNets:
    """The training net of a solver and its test nets.

    Parameters
    ----------
    solver: the SolverParameter.  filename: of its file; nets that it names are looked for in its folder first.
    net: a path, a model's name or a Net, instead of every net the solver names.
    batch_size: of the training net, instead of its own.
    data: what layers of images read instead of their own source.
    overrides: fields of the nets to change.

    Attributes
    ----------
    train: Net.  tests: one Net for each of the solver's test_iter that is not 0, or those that it tests on all data.
    batches: of a test of each; None for all data.
    notes: about a test_iter that is not used: its batches are those of the solver's own data, other data are tested whole.
    """

    def __init__(
        self,
        solver: Any,
        filename: str,
        net: Any = None,
        batch_size: int | None = None,
        data: str | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        self.solver, self.filename, self.data, self.overrides = solver, filename, data, for_nets(overrides)
        self._name = str(Path(filename).parent / MESSAGE) if net is None else MESSAGE  # a net in the solver's file has its folder
        field = train_field(solver)
        if net is not None:
            train, sources = net, [net] * test_count(solver)
        elif field is not None:
            train, sources = self._source(field), [self._source(test) for test in test_fields(solver)]
        else:
            raise NetdefError(f"{filename} names no net to train", hint="netdef train NET SOLVER gives it one")
        self.train = self._read(train, "train", state_overrides(solver, "train"), batch_size)
        counts: list[int | None] = list(solver.test_iter) or [None] * len(sources)
        tested = [index for index in range(len(sources)) if counts[index] != 0]  # as in Caffe, 0 batches are no test
        self.tests = [self._read(sources[index], "test", state_overrides(solver, "test", index)) for index in tested]
        self.batches, self.notes = [counts[index] for index in tested], list[str]()
        if data is not None and any(self.batches) and not any(key.strip() == TEST_ITER for key in overrides or ()):
            own = " and ".join(map(str, self.batches))
            self.notes.append(
                f"test_iter {own} counts batches of other data: each test takes all of {data}; --set {TEST_ITER}=N changes it"
            )
            self.batches = [None] * len(tested)

    @property
    def batch_size(self) -> int:
        """Images in one training batch."""
        return self.train.batch or 1

    def _source(self, field: FieldPath) -> Any:
        """The file of the net that a field names, or the NetParameter that it contains."""
        value = value_at(self.solver, field)
        if not isinstance(value, str):
            return value
        try:
            file = find_beside(value, Path(self.filename).parent)
        except NetdefError as error:
            first = error.diagnostics[0]
            raise NetdefError(f"{self.filename}: {first.message}", hint=first.hint) from None
        if not is_packaged(file) and (found := outside(file, Path(self.filename).parent)):
            warnings.warn(f"{self.filename}: its net is {found}, outside of its folder", Remark, stacklevel=2)
        return file

    def _read(self, source: Any, phase: str, overrides: Mapping[str, Any], batch_size: int | None = None) -> Net:
        if isinstance(source, Net):
            if source.phase == phase:
                return source
            if not os.path.exists(source.filename):
                raise NetdefError(
                    f"net {source.name!r} is in phase {source.phase}; the solver needs it in phase {phase} too",
                    hint="give the solver the net's path or text instead",
                )
            source = source.filename
        return load_net(source, phase, {**self.overrides, **overrides}, batch_size, self.data, name=self._name)


def load_net(
    source: Any,
    phase: str,
    overrides: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    data: str | None = None,
    assumed: Shape = (),
    name: str = MESSAGE,
) -> Net:
    """A net from a path, a model's name or a NetParameter, reading other data if asked to.

    Parameters
    ----------
    assumed: (channels, rows, columns) of images whose size neither the file nor their data give.
    name: how messages call a NetParameter, in the folder where its paths start.

    Raises
    ------
    NetdefError: the net is wrong, or `data` is given and no layer would read it.
    """

    def opened(more: Mapping[str, Any] = MappingProxyType({}), edit: Callable[[Any], None] | None = None) -> Opened:
        both = {**(overrides or {}), **more}
        if hasattr(source, "DESCRIPTOR"):
            from netdef.language.printer import print_message

            text = print_message(source)
            return Opened(lambda: edited(read_text(text, name, "NetParameter"), edit), name, both, batch_size, phase)
        if edit is None:
            return open_net(source, both, batch_size, phase)
        file = find_net(source)
        return Opened(lambda: edited(read_file(file, "NetParameter"), edit), str(file), both, batch_size, phase)

    def read(more: Mapping[str, Any], edit: Callable[[Any], None] | None = None) -> Net:
        with data_looked_at(look_at_data):
            found = opened(more, edit)
            found.bound.announce()
            return found.net(phase, assumed=assumed)

    if data is None:
        return read({})
    with data_looked_at(look_if_there):
        net = opened().net(phase, partial=True)  # its own data need not be here
    changes, edit = other_data(net, data)
    return read({key: Setting(f"{key} = {value}", OPTION, value) for key, value in changes}, edit)


def edited(bound: Bound, edit: Callable[[Any], None] | None) -> Bound:
    """What was read, changed in place; the sources of layers that are an ImageData now are the caller's."""
    if edit is None:
        return bound
    before = [layer.type for layer in bound.message.layer]
    edit(bound.message)
    for index, (layer, kind) in enumerate(zip(bound.message.layer, before, strict=True)):
        if layer.type != kind and layer.type == "ImageData":
            setting = Setting(f"{layer.name}.source = {layer.image_data_param.source}", OPTION)
            position = setting.at(setting.value_at, len(setting.text))
            bound.changed["layer", index, "image_data_param", "source"] = position
    return bound


def look_if_there(layer: Layer) -> SampleShapes | None:
    """What a layer's data say, if they are here and can be read."""
    try:
        return look_at_data(layer)
    except NetdefError:
        return None
