"""Runs' logs as one picture: loss, test accuracy and learning rate over the iterations."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.language.printable import in_page
from netdef.language.writing import replacing
from runtime.solver.curves import Curves, curves_of
from runtime.solver.log import NAME, Record, done, read_log, whole_length

BLUE, LIGHT, ORANGE, GREEN, GRAY = "#1f5fa8", "#a9c6e8", "#d9661f", "#2a7d46", "#666666"
MARKED = 60  # tests up to which each gets a dot
RATES = 4  # different rates up to which each has a tick
APART = 1.6  # the least ratio of two rates that both have one
FORMS = ("png", "svg")
PAGES = (".html", ".htm")


def plot(
    run: str | Path,
    *others: str | Path,
    out: str | Path | None = None,
    labels: Mapping[str, str] | None = None,
    reach: float | None = None,
    refresh: float | None = None,
) -> Path:
    """Draw the log of a run, or of several in one picture, to a PNG or an SVG, or to a page where `out` ends in .html.

    Returns its path, by default plot.png in the folder of the first one's log.

    Parameters
    ----------
    run, others: directories of runs, their log.jsonl, or logs of `caffe train`.
    labels: what each is called; default: its path.
    reach: an accuracy, as a share, of which the picture shows when each run reached it.
    refresh: seconds after which the page reads itself again.

    Raises
    ------
    NetdefError: there is no log, nothing in it to draw, or matplotlib, which PNGs need, is not installed.
    """
    run = Path(run)
    logs = {str(path): read_log(path) for path in (run, *others)}
    for path, records in logs.items():
        file = Path(path) / NAME if os.path.isdir(path) else Path(path)
        if not records and whole_length(file):
            hint = "netdef train writes log.jsonl; of caffe train, give what it printed"
            raise NetdefError(f"{file} is no log of a run: no line of it is a record of one", hint=hint)
        if not any(record["event"] in ("train", "test") for record in records):
            raise NetdefError(f"the log of {path} has no iterations yet", hint="wait for its first line, then plot again")
    target = Path(out) if out is not None else (run if run.is_dir() else run.parent) / "plot.png"
    found = [curves_of((labels or {}).get(path, path), records) for path, records in logs.items()]
    title = title_of(logs[str(run)]) if len(logs) == 1 else f"{len(logs)} runs"
    if target.suffix.lower() in PAGES:
        from runtime.solver.plot_page import page

        with replacing(target, make_folders=True) as temporary:
            temporary.write_text(page(title, found, reach, refresh), encoding="utf-8")
        return target
    form = target.suffix.lower().removeprefix(".") or "png"
    if form not in FORMS:
        raise NetdefError(f"{target}: a picture ends in .png, .svg or .html")
    figure = draw_together(found, reach) if len(found) > 1 else draw(title, found[0], reach)
    with replacing(target, make_folders=True) as temporary:
        figure.savefig(temporary, dpi=140, format=form)
    return target


def draw(title: str, run: Curves, reach: float | None = None) -> Any:
    """The figure of a run, a panel for each quantity that there is anything of."""
    figure, panels = empty_figure([run])
    draw_loss(panels["loss"], run)
    if "accuracy" in panels:
        draw_accuracy(panels["accuracy"], run, reach)
    if "rate" in panels:
        panels["rate"].plot(*run.rates, color=GRAY, linewidth=1.6, drawstyle="steps-post")
        scale_rates(panels["rate"], run.rates[1])
    figure.suptitle(in_page(title), fontsize=13, fontweight="bold", x=0.02, ha="left", parse_math=False)
    return figure


def draw_together(runs: Sequence[Curves], reach: float | None = None) -> Any:
    """The figure of several runs, a colour each: the loss, the first accuracy and the rate of each."""
    figure, panels = empty_figure(runs)
    for index, run in enumerate(runs):
        color = f"C{index}"
        panels["loss"].plot(*run.loss, color=color, linewidth=1.4, label=label_of(run.label))
        panels["loss"].plot(*run.tests, color=color, linewidth=1.4, linestyle="dashed", **dots(run.tests[0]))
        for name, (at, shares) in [*run.accuracies.items()][:1]:
            label = f"{label_of(run.label)}, {name}: {100 * shares[-1]:.1f}% at the end"
            label += "" if reach is None else f"; {run.reach_text(reach)}"
            panels["accuracy"].plot(at, percent(shares), color=color, linewidth=1.4, **dots(at), label=label)
        if run.rates[0]:
            panels["rate"].plot(*run.rates, color=color, linewidth=1.4, drawstyle="steps-post")
    panels["loss"].set_ylabel("loss; tests dashed")
    panels["loss"].set_ylim(bottom=0)
    legend(panels["loss"], fontsize="small")
    if "accuracy" in panels:
        panels["accuracy"].set_ylabel("test accuracy, %")
        panels["accuracy"].set_ylim(bottom=0)
        mark(panels["accuracy"], reach)
        legend(panels["accuracy"], fontsize="small")
    if "rate" in panels:
        scale_rates(panels["rate"], [rate for run in runs for rate in run.rates[1]])
    return figure


def empty_figure(runs: Sequence[Curves]) -> tuple[Any, dict[str, Any]]:
    """A figure with a panel for the loss, and for accuracies and rates where there are any."""
    heights = {"loss": 3.0}
    heights |= {"accuracy": 2.4} if any(run.accuracies for run in runs) else {}
    heights |= {"rate": 1.2} if any(run.rates[0] for run in runs) else {}
    figure = matplotlib_figure()(figsize=(9, 1.4 + sum(heights.values())), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=list(heights.values()), squeeze=False)[:, 0]
    for ax in axes:
        ax.grid(True, color="#e4e4e4", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(x=0.02)
    epochs = {run.epoch for run in runs}
    one = next(iter(epochs)) if len(epochs) == 1 else None
    axes[-1].set_xlabel("iteration" if one is None else f"iteration; an epoch has {one:,.0f}")
    axes[-1].xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes[-1].locator_params(axis="x", nbins=8, integer=True)
    figure.align_ylabels()
    return figure, dict(zip(heights, axes, strict=True))


def matplotlib_figure() -> Any:
    """matplotlib's Figure, drawn to memory: no display is needed, and no backend chosen for the user."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise NetdefError("drawing needs matplotlib, which is not installed", hint="pip install matplotlib") from None
    return Figure


def draw_loss(ax: Any, run: Curves) -> None:
    ax.plot(*run.batches, color=LIGHT, linewidth=0.9, label="training, single batches")
    ax.plot(*run.loss, color=BLUE, linewidth=1.6, label="training, smoothed")
    if run.tests[0]:
        ax.plot(*run.tests, color=ORANGE, linewidth=1.6, **dots(run.tests[0]), label="test")
    ax.set_ylabel("loss")
    ax.set_ylim(bottom=0)
    legend(ax, loc="upper right")


def draw_accuracy(ax: Any, run: Curves, reach: float | None) -> None:
    for number, ((name, (at, shares)), color) in enumerate(
        zip(run.accuracies.items(), [GREEN, ORANGE, BLUE, GRAY] * len(run.accuracies), strict=False)
    ):
        y = percent(shares)
        best = max(range(len(y)), key=lambda index: -1 if y[index] != y[index] else y[index])
        label = f"{label_of(name)}: {y[-1]:.1f}% at the end"
        if best != len(y) - 1 and y[best] > y[-1]:
            label += f", best {y[best]:.1f}%"
            ax.plot(at[best], y[best], marker="o", markersize=9, markerfacecolor="none", color=color)
        if reach is not None and not number:
            label += f"; {run.reach_text(reach)}"
        ax.plot(at, y, color=color, linewidth=1.6, **dots(at), label=label)
    mark(ax, reach)
    ax.set_ylabel("test accuracy, %")
    ax.set_ylim(0, 102)
    legend(ax, loc="lower right")


def legend(ax: Any, **options: Any) -> None:
    """A legend whose texts are shown as they are: a name may have a dollar sign, which begins a formula elsewhere."""
    for text in ax.legend(frameon=False, **options).get_texts():
        text.set_parse_math(False)


def label_of(name: str) -> str:
    """A name as a legend's label: matplotlib leaves out one that begins with an underscore."""
    return in_page(f" {name}" if name.startswith("_") else name)


def mark(ax: Any, reach: float | None) -> None:
    """A line at the accuracy to reach."""
    if reach is not None:
        ax.axhline(100 * reach, color=GRAY, linewidth=1.0, linestyle="dotted")


def scale_rates(ax: Any, rates: Sequence[float]) -> None:
    """The axis of learning rates: logarithmic where they are far apart, ticks at the rates where there are few."""
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

    ax.set_ylabel("learning rate")
    if not min(rates) > 0 or max(rates) <= 3 * min(rates):
        ax.set_ylim(0, 1.15 * max(rates) or 1)
        ax.locator_params(axis="y", nbins=4)
        return
    ax.set_yscale("log")
    ax.set_ylim(min(rates) / 1.5, max(rates) * 1.5)
    ax.yaxis.set_minor_formatter(NullFormatter())
    different = sorted(set(rates))
    if len(different) <= RATES and all(b >= APART * a for a, b in pairwise(different)):
        ax.set_yticks(different)
        ax.yaxis.set_minor_locator(NullLocator())
    elif max(rates) / min(rates) < 10:
        ax.set_yticks([min(rates), max(rates)])
    else:
        ax.yaxis.set_major_locator(LogLocator(numticks=RATES))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def percent(shares: Sequence[float]) -> list[float]:
    return [100 * share for share in shares]


def dots(at: Sequence[int]) -> dict[str, Any]:
    return {"marker": "o", "markersize": 3.5} if len(at) <= MARKED else {}


def title_of(records: Sequence[Record]) -> str:
    """What the run's start said that it is."""
    starts = [record for record in records if record["event"] == "start"]
    if not starts:
        return "training"
    last = starts[-1]
    end = f" of {last['max_iter']:,}" if last["max_iter"] else ""
    batches = f" in batches of {last['batch_size']}" if last["batch_size"] else ""
    return f"{last['name']}: {done(records):,}{end} iterations{batches}"
