"""`netdef train --lr` and `--seed`: settings of the solver, and a run for each of several seeds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdef.cli.train_options import SEED
from netdef.graph.overrides import Setting
from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from netdef.cli.running import RunOptions
    from netdef.cli.train_options import Options
    from runtime.machine.ranks.ranks import Ranks

MOST = 1000  # runs of one command
SAME = {"iterations": "max_iter", "epochs": "max_iter", "test_every": "test_interval", "snapshot_every": "snapshot"}
RATE, PREFIX = "solver.base_lr", "solver.snapshot_prefix"


def with_rate(options: Options) -> Options:
    """Options with what --lr says among the changes.

    Raises
    ------
    NetdefError: --set says another rate, or what another option says.
    """
    check_settings(options)
    if options.lr is None:
        return options
    return _with(replace(options, lr=None), RATE, repr(options.lr), "--lr")  # all its digits


def check_settings(options: RunOptions) -> None:
    """Check that no option of a command that trains and --set say the same thing of the solver.

    Raises
    ------
    NetdefError: they do.
    """
    for name, field in SAME.items():
        setting, value = setting_of(options, f"solver.{field}"), getattr(options, name, None)
        if setting is not None and value is not None:
            text = f"--{name.replace('_', '-')} {value} and --set {setting.text} exclude each other"
            raise NetdefError(text, hint="give one of them")


def setting_of(options: RunOptions, key: str) -> Setting | None:
    """What --set says of a field of the solver, however the key is spaced; None where it says nothing."""
    return next((one for name, one in (options.overrides or {}).items() if "".join(name.split()) == key), None)


def one_for_each_seed(options: Options) -> list[Options]:
    """Options of a run for each seed of --seed; of one run without it.

    Raises
    ------
    NetdefError: the text is none, or several runs are asked for with what is about one; a snapshot is resumed with a seed.
    """
    setting = setting_of(options, SEED)
    if setting is not None and options.resume:
        hint = "a snapshot has the seed of its run: leave the seed out"
        raise NetdefError(f"--set {setting.text} and --resume exclude each other", hint=hint)
    if options.seed is None:
        return [options]
    seeds, plain = seeds_in(options.seed), replace(options, seed=None)
    if options.resume:
        raise NetdefError("--seed and --resume exclude each other", hint="a snapshot has the seed of its run")
    if len(seeds) > 1 and options.dry_run:
        raise NetdefError(f"--dry-run looks at one run, --seed {options.seed} asks for {len(seeds)}", hint=f"--seed {seeds[0]}")
    runs = [_with(plain, SEED, str(seed), "--seed") for seed in seeds]
    if len(seeds) > 1 and options.out is not None:
        return [replace(run, out=f"{options.out}-{seed}") for run, seed in zip(runs, seeds, strict=True)]
    return runs


def in_folders_apart(runs: Sequence[Options], prefix: str) -> list[Options]:
    """Options of several runs, with a folder for each seed where snapshot_prefix is a whole path: /x/net-1/net of /x/net."""
    if not Path(prefix).is_absolute():
        return list(runs)
    whole, name = prefix.rstrip("/"), Path(prefix).name

    def apart(run: Options) -> Options:
        setting = Setting(f"{PREFIX}={whole}-{seed_of(run)}/{name}", "--seed")
        kept = {key: one for key, one in (run.overrides or {}).items() if "".join(key.split()) != PREFIX}
        return replace(run, overrides={**kept, PREFIX: setting})

    return [apart(run) for run in runs]


def seeds_in(text: str) -> tuple[int, ...]:
    """The numbers in 3, 1..5 or 1,4,9.

    Raises
    ------
    NetdefError: there are none, or too many.
    """
    hint = "a seed is a whole number: --seed 3, --seed 1..5, --seed 1,4,9"
    found: list[int] = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,18})(?:\.\.([0-9]{1,18}))?\s*", piece)
        if match is None:
            raise NetdefError(f"--seed {text}: {piece.strip() or 'nothing'} is no seed", hint=hint)
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise NetdefError(f"--seed {text}: {last} is less than {first}", hint=f"--seed {last}..{first}")
        if len(found) + last - first >= MOST:
            raise NetdefError(f"--seed {text} asks for more than {MOST} runs", hint=hint)
        found += range(first, last + 1)
    return tuple(dict.fromkeys(found))


def check_alone(runs: Sequence[Options], ranks: Ranks | None) -> None:
    """Check that several runs are not for the ranks of one job.

    Raises
    ------
    NetdefError: there are ranks.
    """
    if ranks is not None:
        raise NetdefError(f"--seed asks for {len(runs)} runs; under mpirun or srun there is one", hint="--seed N, a run at a time")


def train_seeds(runs: list[Options], train: Callable[[Options, Callable[[Path], None]], int]) -> int:
    """Train each run, one after the other, and print what they reach; returns 0, or the exit code of one that was interrupted.

    Where one is interrupted or fails, it prints what those before reached and which seeds have not begun.

    Parameters
    ----------
    train: trains one, calls a function with its directory, and returns the exit code.

    Raises
    ------
    NetdefError: a run fails.
    """
    from netdef.cli.run_folders import check_free, is_cut_short

    for options in runs:  # all of them, before hours of training
        prefix = setting_of(options, PREFIX)
        out = options.out or (prefix is not None and Path(prefix.value).is_absolute() and os.path.dirname(prefix.value))
        if out and not is_cut_short(Path(out)):
            check_free(Path(out))
    outs: list[Path] = []
    for number, options in enumerate(runs, 1):
        click.echo(f"run {number} of {len(runs)}: seed {seed_of(options)}", err=True)
        try:
            code = train(options, outs.append)
        except NetdefError:
            say_unfinished(runs, number, outs)
            raise
        if code:
            say_unfinished(runs, number, outs)
            return code
    click.echo("\n".join(results(runs, outs)))
    return 0


def say_unfinished(runs: Sequence[Options], number: int, outs: Sequence[Path]) -> None:
    """Print what the runs before one that did not finish reached, and which have not begun."""
    if number > 1:
        click.echo("\n".join(results(runs[: number - 1], outs[: number - 1])))
    left = ",".join(seed_of(one) for one in runs[number:])
    if left:
        click.echo(f"the runs of seeds {left} have not begun: --seed {left} starts them", err=True)


def results(runs: Sequence[Options], outs: Sequence[Path]) -> list[str]:
    """A line for what each of some runs reached, and the mean of several."""
    from runtime.solver.comparison import run_of, spread
    from runtime.solver.log import read_log

    found = [run_of(read_log(out)) for out in outs]
    name = next((run.name for run in found if run.name), "")
    percent = name not in ("", "loss")
    values = [run.metric if name else run.loss for run in found]
    lines = [f"{f'test {name}' if name else 'training loss'} by seed:"]
    for options, out, value in zip(runs, outs, values, strict=True):
        lines.append(f"  seed {seed_of(options)}  {spread([value], percent)}  {out}")
    return [*lines, f"  mean    {spread(values, percent)} (standard deviation)"] if len(values) > 1 else lines


def seed_of(options: Options) -> str:
    return str((options.overrides or {})[SEED].value)


def _with(options: Options, key: str, value: str, option: str) -> Options:
    """Options with one more change, as if --set said it."""
    overrides = dict(options.overrides or {})
    if setting := setting_of(options, key):
        raise NetdefError(f"{option} {value} and --set {setting.text} exclude each other", hint="give one of them")
    return replace(options, overrides={**overrides, key: Setting(f"{key}={value}", option)})
