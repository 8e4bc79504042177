"""A run's log as one picture: loss, test accuracy and learning rate over the iterations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.language.writing import replacing
from runtime.solver.log import Record, read_log

BLUE, LIGHT, ORANGE, GREEN, GRAY = "#1f5fa8", "#a9c6e8", "#d9661f", "#2a7d46", "#666666"
MARKED = 60  # tests up to which each gets a dot


def plot(run: str | Path, out: str | Path | None = None) -> Path:
    """Draw a run's log.jsonl to a PNG; returns the picture's path, by default plot.png in the log's folder.

    Raises
    ------
    NetdefError: there is no log, nothing in it to draw, or matplotlib is not installed.
    """
    run = Path(run)
    records = read_log(run)
    trained = [record for record in records if record["event"] == "train"]
    tested = [record for record in records if record["event"] == "test" and not record.get("net")]
    if not trained and not tested:
        raise NetdefError(f"the log of {run} has no iterations yet", hint="wait for its first line, then plot again")
    target = Path(out) if out is not None else (run if run.is_dir() else run.parent) / "plot.png"
    figure = draw(title_of(records), trained, tested)
    with replacing(target, make_folders=True) as temporary:
        figure.savefig(temporary, dpi=140, format="png")
    return target


def draw(title: str, trained: list[Record], tested: list[Record]) -> Any:
    """The figure, a panel for each quantity that there is anything of."""
    pyplot = matplotlib_figure()
    accuracies = accuracy_names(tested)
    panels = [("loss", 3.0)] + [("accuracy", 2.4)] * bool(accuracies) + [("rate", 1.2)] * bool(trained)
    figure = pyplot(figsize=(9, 1.4 + sum(height for _, height in panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=[height for _, height in panels], squeeze=False)
    by_name = {name: ax for (name, _), ax in zip(panels, axes[:, 0], strict=True)}
    draw_loss(by_name["loss"], trained, tested)
    if accuracies:
        draw_accuracy(by_name["accuracy"], tested, accuracies)
    if trained:
        draw_rate(by_name["rate"], trained)
    for ax in by_name.values():
        ax.grid(True, color="#e4e4e4", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(x=0.02)
    axes[-1, 0].set_xlabel("iteration")
    figure.align_ylabels()
    figure.suptitle(title, fontsize=13, fontweight="bold", x=0.02, ha="left")
    return figure


def matplotlib_figure() -> Any:
    """matplotlib's Figure, drawn to memory: no display is needed, and no backend chosen for the user."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise NetdefError("drawing needs matplotlib, which is not installed", hint="pip install matplotlib") from None
    return Figure


def draw_loss(ax: Any, trained: list[Record], tested: list[Record]) -> None:
    x = [record["iteration"] for record in trained]
    ax.plot(x, column(trained, "batch_loss"), color=LIGHT, linewidth=0.9, label="training, single batches")
    smoothed = column(trained, "loss")
    if smoothed != column(trained, "batch_loss"):
        ax.plot(x, smoothed, color=BLUE, linewidth=1.6, label="training, smoothed")
    tests = [record for record in tested if record.get("loss") is not None]
    if tests:
        at = [record["iteration"] for record in tests]
        ax.plot(at, column(tests, "loss"), color=ORANGE, linewidth=1.6, **dots(tests), label="test")
    ax.set_ylabel("loss")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper right", frameon=False)


def draw_accuracy(ax: Any, tested: list[Record], names: list[str]) -> None:
    x = [record["iteration"] for record in tested]
    for name, color in zip(names, [GREEN, ORANGE, BLUE, GRAY] * len(names), strict=False):
        y = [100 * record["outputs"].get(name, float("nan")) for record in tested]
        best = max(range(len(y)), key=lambda index: y[index])
        label = f"{name}: {y[-1]:.1f}% at the end"
        if best != len(y) - 1 and y[best] > y[-1]:
            label += f", best {y[best]:.1f}%"
            ax.plot(x[best], y[best], marker="o", markersize=9, markerfacecolor="none", color=color)
        ax.plot(x, y, color=color, linewidth=1.6, **dots(tested), label=label)
    ax.set_ylabel("test accuracy, %")
    ax.set_ylim(0, 102)
    ax.legend(loc="lower right", frameon=False)


def draw_rate(ax: Any, trained: list[Record]) -> None:
    rates = column(trained, "rate")
    ax.plot([record["iteration"] for record in trained], rates, color=GRAY, linewidth=1.6, drawstyle="steps-post")
    ax.set_ylabel("learning rate")
    if min(rates) > 0 and max(rates) > 3 * min(rates):
        ax.set_yscale("log")
        ax.set_ylim(min(rates) / 1.5, max(rates) * 1.5)
    else:
        ax.set_ylim(0, 1.15 * max(rates) or 1)


def column(records: list[Record], key: str) -> list[float]:
    """A record's numbers; not a number where the log has null."""
    return [float("nan") if record.get(key) is None else record[key] for record in records]


def dots(records: list[Record]) -> dict[str, Any]:
    return {"marker": "o", "markersize": 3.5} if len(records) <= MARKED else {}


def accuracy_names(tested: list[Record]) -> list[str]:
    return list(dict.fromkeys(name for record in tested for name in record.get("accuracies", ())))


def title_of(records: list[Record]) -> str:
    """What the run's start said that it is."""
    starts = [record for record in records if record["event"] == "start"]
    if not starts:
        return "training"
    last = starts[-1]
    done = max(record["iteration"] + (record["event"] == "train") for record in records if "iteration" in record)
    return f"{last['name']}: {done:,} of {last['max_iter']:,} iterations in batches of {last['batch_size']}"
