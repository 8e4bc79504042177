"""What the options of `netdef train` say, and the command lines made of them again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from netdef.cli.running import RunOptions
from netdef.graph.overrides import for_nets
from netdef.graph.user_code import allowed_user_code
from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from runtime.solver.epochs import Count


SEED = "solver.random_seed"
START = ("weights", "resume", "allow_missing")  # options about what a run starts from


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """What --NAME gives; None for what was not given."""

    weights: str | None = None
    allow_missing: bool = False
    resume: str | None = None
    data: str | None = None
    iterations: int | None = None
    epochs: float | None = None
    test_every: str | None = None
    snapshot_every: str | None = None
    keep: str | None = None
    patience: int | None = None
    out: str | None = None
    mean: str | None = None
    data_mean: bool = False
    dry_run: bool = False
    batch: int | None = None
    gradients: str | None = None
    bucket: str | None = None
    reduce: str | None = None
    nodes: int | None = None
    elastic: bool = False
    lr: float | None = None
    seed: str | None = None
    tensorboard: bool = False
    histograms: bool = False


@dataclass(frozen=True)
class Counts:
    """What --epochs, --test-every and --snapshot-every say."""

    epochs: float | None
    test_every: Count | None
    snapshot_every: Count | None

    @classmethod
    def of(cls, options: Options) -> Counts:
        """Raises NetdefError for a text that is no count."""
        from runtime.solver.epochs import read_count

        read: dict[str, Count | None] = {}
        for name in ("test_every", "snapshot_every"):
            text = getattr(options, name)
            try:
                read[name] = None if text is None else read_count(text)
            except ValueError:
                hint = "expected a number of iterations, or a text such as '1 epoch'"
                raise NetdefError(f"--{name.replace('_', '-')} {text} is no count", hint=hint) from None
        return cls(options.epochs, **read)


@dataclass(frozen=True)
class CommandLine:
    """The command line that was given, to make the next one from."""

    net: str | None
    solver: str
    options: Options

    def text(self) -> str:
        """The command."""
        given = {name: value for name in ("weights", "resume") if (value := getattr(self.options, name)) is not None}
        start = [word for name, value in given.items() for word in (f"--{name}", value)]
        return shlex.join(
            [
                *(self.without_seed() if self.options.resume else self).words(),
                *start,
                *(["--allow-missing"] if self.options.allow_missing else []),
            ]
        )

    def resume(self, snapshot: Path) -> str:
        """The same command going on from a snapshot."""
        return shlex.join([*self.without_seed().words(), "--resume", str(snapshot)])

    def without_seed(self) -> CommandLine:
        """The same without --set solver.random_seed: a snapshot has its run's seed, and --resume takes no other."""
        kept = {key: one for key, one in (self.options.overrides or {}).items() if "".join(key.split()) != SEED}
        return replace(self, options=replace(self.options, overrides=kept))

    def words(self) -> list[str]:
        """The command without what it starts from."""
        words = ["netdef", "train", *([self.net] if self.net else []), self.solver]
        for field in fields(Options):
            value = getattr(self.options, field.name)
            if field.name == "overrides":
                words += self.settings()
            elif value is not None and value is not False and field.name not in START:
                words += (
                    [f"--{field.name.replace('_', '-')}"] if value is True else [f"--{field.name.replace('_', '-')}", str(value)]
                )
        return [*words, *self.python()]

    def settings(self, of_nets: bool = False) -> list[str]:
        """What --set said; of the nets alone, for a command that takes no solver."""
        changes = for_nets(self.options.overrides) if of_nets else self.options.overrides or {}
        return [word for setting in changes.values() for word in ("--set", setting.text)]

    def test(self, trained: str, weights: Path, own: Path) -> str:
        """Testing the weights on the net as it was given here, else as the solver found it.

        Parameters
        ----------
        own: the net that the run wrote, which alone has the mean that was given here.
        """
        if (self.options.mean is not None or self.options.data_mean) and own.exists():
            data = ["--data", self.options.data] if self.options.data else []
            return shlex.join(["netdef", "test", str(own), "--weights", str(weights), *data, *self.python()])
        data = ["--data", self.options.data] if self.options.data else []
        words = ["netdef", "test", self.net or trained, "--weights", str(weights)]
        return shlex.join([*words, *data, *self.settings(of_nets=True), *self.python()])

    @staticmethod
    def python() -> list[str]:
        """Leave to run the net's Python code, if this command has it."""
        return ["--allow-python"] if allowed_user_code() else []
