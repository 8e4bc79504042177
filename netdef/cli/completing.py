"""What a shell offers when TAB is pressed in a netdef command: models, solvers, files, layers, fields, topics, devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import click
from click.shell_completion import CompletionItem

from netdef.language.diagnostics import NetdefError

# What each argument or option is, by its name in the code.
KINDS = {
    **dict.fromkeys(("net", "a", "b", "others", "voters", "source", "files"), "net"),
    "solver": "solver", "topic": "topic", "overrides": "setting", "blobs": "blob", "after": "pass",
    "devices": "device", "over": "device",
    **dict.fromkeys(("weights", "resume", "labels", "images", "runs", "mean", "data", "out", "folder", "root", "target"), "file"),
}  # fmt: skip
ARGUMENTS = "netdef.arguments"  # the key under which a context keeps what its command was given


class Completed(click.types.StringParamType):
    """A text that is completed as one of KINDS."""

    def __init__(self, kind: str):
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        with suppress(Exception):  # a shell shows nothing of an error, and TAB must not break the line
            return offered(self.kind, ctx, incomplete)
        return []


def complete_parameters(parameters: Iterable[click.Parameter]) -> None:
    """Give the parameters that take any text the completion that goes with their names."""
    for parameter in parameters:
        if parameter.type is click.STRING and parameter.name in KINDS:
            parameter.type = Completed(KINDS[parameter.name])


def offered(kind: str, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """The words that begin with what has been typed; a `file` item lets the shell offer files where there are none."""
    every: dict[str, Callable[[], Iterable[str]]] = {
        "net": models, "solver": solvers, "topic": topics, "pass": passes, "device": lambda: ["cpu", "gpu:0", "gpu:1"],
        "blob": lambda: blobs(ctx), "setting": lambda: settings(ctx, incomplete), "file": list,
    }  # fmt: skip
    files = [CompletionItem(incomplete, type="file")] if kind in ("net", "solver", "file") else []
    return [*files, *(CompletionItem(word) for word in every[kind]() if word.lower().startswith(incomplete.lower()))]


def models() -> list[str]:
    from netdef.language.find import model_names

    return model_names()


def solvers() -> list[str]:
    from netdef.language.find import models_folder

    return sorted(path.stem for path in models_folder().glob("*.txt"))


def topics() -> list[str]:
    from netdef.explain.search import known, vocabulary

    return [*vocabulary(), *dict.fromkeys(one.topic for one in known() if "." in one.topic)]


def passes() -> list[str]:
    from runtime.compiler.pipeline import PASSES

    return [*PASSES]


def blobs(ctx: click.Context) -> list[str]:
    """The names of what the net's layers make."""
    return list(dict.fromkeys(top for layer in _opened(ctx).message.layer for top in layer.top))


def settings(ctx: click.Context, incomplete: str) -> list[str]:
    """LAYER., or behind a layer's name LAYER.FIELD=."""
    from netdef.explain.reference import common_fields, own_fields
    from netdef.layers import LAYERS

    if "=" in incomplete:
        return []
    types = {layer.name: layer.type for layer in _opened(ctx).message.layer}
    name = next((name for name in sorted(types, key=len, reverse=True) if incomplete.startswith(f"{name}.")), None)
    if name is None or types[name] not in LAYERS:
        return [f"{name}." for name in types]
    return [f"{name}.{field.name}{'.' if field.fields_of else '='}" for field in [*own_fields(types[name]), *common_fields()]]


def _opened(ctx: click.Context) -> Any:
    from netdef.loading import open_net

    for word in ctx.meta.get(ARGUMENTS, ()):  # an unfinished option hides ctx.params
        if not word.startswith("-"):
            with suppress(NetdefError):
                return open_net(word)
    raise LookupError
