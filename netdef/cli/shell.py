"""Run a command: its exit code, its streams, and the messages for users' errors and the machine's limits."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from io import TextIOWrapper
from keyword import iskeyword
from typing import Any, TextIO

import click
from click.shell_completion import CompletionItem

from netdef.cli.completing import ARGUMENTS, complete_parameters
from netdef.cli.pipes import Output, ReaderLeftError, discard
from netdef.language.diagnostics import NetdefError, Remark
from netdef.language.printable import Terminal, printable
from netdef.language.reach import only_inside
from netdef.language.source import excerpt
from netdef.language.spelling import did_you_mean
from netdef.language.units import shortened, times

TROUBLE = 2  # exit code for anything that a user can cause
INTERRUPTED = 130  # Ctrl-C, as shells number it
PIPE_CLOSED = 141
READ_NETS = ("net", "files", "a")  # the names of parameters that are nets or solvers
OUTPUT_LOST = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def inside_option() -> click.Option:
    """--inside, of every command that reads a net or a solver."""

    def inside(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted:
            ctx.with_resource(only_inside())

    text = (
        "Refuse files that the net or the solver names outside of its own folder: include, source, weights, snapshot_prefix; and "
        "files outside of theirs that a list, an .h5 file or the mean of weights leads to."
    )
    return click.Option(["--inside"], is_flag=True, expose_value=False, is_eager=True, callback=inside, help=text)


class Command(click.Command):
    """A command that refuses empty values: `--resume "$SNAPSHOT"` of an unset variable is a mistake; and options given twice.

    Where it fails because its words are in another order, the error says the right one.
    """

    def __init__(self, *arguments: Any, reads_nets: bool = False, prints_only: bool = False, **options: Any):
        """reads_nets: whether an argument of another name than READ_NETS is a net or a solver.

        prints_only: whether it takes long and leaves nothing but what it prints, so that it ends when its reader leaves.
        """
        super().__init__(*arguments, **options)
        self.prints_only = prints_only
        if reads_nets or any(one.name in READ_NETS for one in self.params):
            self.params.append(inside_option())
        complete_parameters(self.params)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[ARGUMENTS] = list(args)
        try:
            return self._parsed(ctx, args)
        except click.UsageError as error:
            if line := self._meant(ctx):
                raise NetdefError(error.format_message(), hint=line) from None
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NetdefError as error:
            if len(error.diagnostics) == 1 and (line := self._meant(ctx)):
                raise NetdefError([replace(error.diagnostics[0], hint=line)]) from None
            raise

    def _meant(self, ctx: click.Context) -> str:
        """The command line with its words in order, as a hint; "" where they are in order."""
        from netdef.cli.word_order import meant

        if ARGUMENTS not in ctx.meta:  # the words are another's: a script's
            return ""
        try:
            values, more, _ = self.make_parser(ctx).parse_args(list(ctx.meta[ARGUMENTS]))
        except click.UsageError:
            return ""
        words: list[str] = []
        for parameter in self.params:
            if isinstance(parameter, click.Argument):
                value = values.get(parameter.name or "")
                words += [value] if isinstance(value, str) else list(value) if isinstance(value, tuple) else []
        line = meant(ctx.info_name or "", [*words, *more], ctx.meta[ARGUMENTS])
        return f"in the right order: {line}" if line else ""

    def _parsed(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for option in given:
            takes_one = isinstance(option, click.Option) and not (option.multiple or option.is_flag or option.count)
            if takes_one and given.count(option) > 1:
                raise click.BadParameter(f"it is given {times(given.count(option))}", ctx, option)
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            value = ctx.params.get(parameter.name or "")
            if value == "" or (isinstance(value, tuple) and "" in value):
                raise click.BadParameter("it is empty", ctx, parameter)
        return rest


class Commands(click.Group):
    """The commands in a folder: NAME is `command` in NAME.py, which is imported only when that command is asked for."""

    def __init__(
        self,
        *arguments: Any,
        summaries: Mapping[str, str],
        room: str = "netdef.cli",
        aliases: Mapping[str, str] | None = None,
        **options: Any,
    ):
        """Declare the commands.

        Parameters
        ----------
        summaries: for each command the first sentence of its help, so that a list of all imports none.
        room: the package that has their modules.  aliases: other names of commands.
        """
        super().__init__(*arguments, **options)
        self.summaries, self.room, self.aliases = summaries, room, aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.summaries)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        name = self.aliases.get(name, name)
        module = f"{name}_" if iskeyword(name) else name  # `import` names no module
        return import_module(f"{self.room}.{module}").command if name in self.summaries else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands and the options; no command is imported for it."""
        found = [CompletionItem(name, help=text) for name, text in self.summaries.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] == "help":
            args = [*args[1:], "--help"] if set(args) != {"help"} else ["help"]
            if args == ["help"]:
                click.echo(ctx.get_help())
                ctx.exit()
        known = {*self.summaries, *self.aliases}
        if args and args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            some = f"commands: {shortened([*self.summaries])}; {ctx.command_path} --help lists them"
            hint = did_you_mean(args[0], self.summaries) or some
            raise NetdefError(f"{ctx.command_path} has no command {args[0]}", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*self.summaries.items()])


def coloured(stream: TextIO) -> bool:
    """Whether colours may be written there: to a terminal that has them, unless NO_COLOR (no-color.org) is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns(otherwise: int) -> int:
    """How wide the terminal is, or where there is none, what is usual."""
    if not sys.stdout.isatty():
        return otherwise
    from shutil import get_terminal_size

    return get_terminal_size().columns


def run(commands: click.Group, arguments: list[str] | None = None) -> int:
    """Run one of some commands. Returns the exit code: the command's, or 2 with a message for a user's mistake."""
    if sys.stdout is None:  # closed by the caller
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process runs
    if isinstance(sys.stdout, TextIOWrapper):  # names of files may hold what the terminal's encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    streams = sys.stdout, sys.stderr
    try:
        sys.stdout, sys.stderr = map(for_reading, streams)
        check_folder()
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.simplefilter("default", Remark)  # a note, even under python -W error
            # A result that is not finite is an error that names its layer.
            warnings.filterwarnings("ignore", "(overflow|invalid value) encountered in matmul")
            warnings.filterwarnings("ignore", "Image size .* exceeds limit")  # Pillow warns of large images
            result: Any = commands.main(args=arguments, prog_name="netdef", standalone_mode=False)
        sys.stdout.flush()
    except NetdefError as error:
        return _trouble(error)
    except click.ClickException as error:
        error.show()
        return TROUBLE
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except ReaderLeftError:
        return PIPE_CLOSED
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        trouble = _of_the_machine(error)
        if trouble is None:
            raise
        return _trouble(trouble)
    finally:
        sys.stdout, sys.stderr = streams
    return result if isinstance(result, int) else 0


def check_folder() -> None:
    """Check that the current folder is there, on which relative paths depend.

    Raises
    ------
    NetdefError: it was removed.
    """
    try:
        os.getcwd()
    except OSError as error:
        raise NetdefError(f"the current folder cannot be used: {error.strerror}", hint="cd to a folder that is there") from None


def for_reading(stream: TextIO | None) -> Any:
    """A stream that passes on no control characters, such as those in names, if a terminal would act on them; and elsewhere one
    that stands its reader's leaving."""
    if stream is None or isinstance(stream, Terminal | Output):
        return stream
    return Terminal(stream) if stream.isatty() else Output(stream, _prints_only)


def _prints_only() -> bool:
    """Whether the command that runs has nothing to do but print."""
    context = click.get_current_context(silent=True)
    return context is not None and getattr(context.command, "prints_only", False)


def _of_the_machine(error: Exception) -> NetdefError | None:
    """The message for an error that the machine's limits cause; None for any other error."""
    if isinstance(error, MemoryError):
        return NetdefError("out of memory", hint="a smaller batch needs less")
    if isinstance(error, ImportError) and "failed to map" in str(error):
        return NetdefError(f"out of memory: {error.name or 'a library'} cannot be loaded", hint="see ulimit -v")
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return NetdefError("this machine lets no more threads start", hint="fewer --threads need less; see ulimit -u and -v")
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return NetdefError(f"a file's name is too long: {excerpt(str(error.filename))}")
    if isinstance(error, OSError) and error.filename is None and error.errno in OUTPUT_LOST:
        discard(sys.stdout)
        return NetdefError(f"cannot write the output: {error.strerror}")
    return None


def _trouble(error: NetdefError) -> int:
    click.echo(_coloured(str(error)), err=True)
    return TROUBLE


_show_others = warnings.showwarning


def _show_warning(message: Warning | str, category: type[Warning], *location: Any, **more: Any) -> None:
    """Our own warnings as a line; others as Python shows them."""
    if issubclass(category, Remark):
        click.echo(printable(f"{category.word}: {message}"), err=True)
    else:
        _show_others(message, category, *location, **more)


def _coloured(text: str) -> str:
    """Diagnostics with "error" in red where they go to a terminal."""
    return text.replace("error:", click.style("error:", fg="red", bold=True)) if coloured(sys.stderr) else text
