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


def plot(run: str | Path, *others: str | Path, out: str | Path | None = None) -> Path:
    """Draw the log of a run, or of several in one picture, to a PNG.

    Returns its path, by default plot.png in the folder of the first one's log.

    Parameters
    ----------
    run, others: directories of runs, their log.jsonl, or logs of `caffe train`.

    Raises
    ------
    NetdefError: there is no log, nothing in it to draw, or matplotlib is not installed.
    """
    run = Path(run)
    logs = {str(path): read_log(path) for path in (run, *others)}
    for path, records in logs.items():
        if not any(record["event"] in ("train", "test") for record in records):
            raise NetdefError(f"the log of {path} has no iterations yet", hint="wait for its first line, then plot again")
    target = Path(out) if out is not None else (run if run.is_dir() else run.parent) / "plot.png"
    figure = draw_together(logs) if others else draw(title_of(records), *trained_and_tested(records))
    with replacing(target, make_folders=True) as temporary:
        figure.savefig(temporary, dpi=140, format="png")
    return target


def trained_and_tested(records: list[Record]) -> tuple[list[Record], list[Record]]:
    """A log's iterations, and the tests of its first test net."""
    trained = [record for record in records if record["event"] == "train"]
    return trained, [record for record in records if record["event"] == "test" and not record.get("net")]


def draw(title: str, trained: list[Record], tested: list[Record]) -> Any:
    """The figure, a panel for each quantity that there is anything of."""
    accuracies, rated = accuracy_names(tested), with_rate(trained)
    figure, panels = empty_figure(bool(accuracies), bool(rated))
    draw_loss(panels["loss"], trained, tested)
    if accuracies:
        draw_accuracy(panels["accuracy"], tested, accuracies)
    if rated:
        draw_rate(panels["rate"], rated)
    figure.suptitle(title, fontsize=13, fontweight="bold", x=0.02, ha="left")
    return figure


def draw_together(logs: dict[str, list[Record]]) -> Any:
    """The figure of several runs, a colour each: the loss, the first accuracy and the rate of each."""
    runs = {path: trained_and_tested(records) for path, records in logs.items()}
    accuracies = {path: accuracy_names(tested)[:1] for path, (_, tested) in runs.items()}
    rated = {path: with_rate(trained) for path, (trained, _) in runs.items()}
    figure, panels = empty_figure(any(accuracies.values()), any(rated.values()))
    for index, (path, (trained, tested)) in enumerate(runs.items()):
        color = f"C{index}"
        at, losses = [record["iteration"] for record in trained], column(trained, "loss")
        panels["loss"].plot(at, losses, color=color, linewidth=1.4, label=path)
        tests = [record for record in tested if record.get("loss") is not None]
        at, losses = [record["iteration"] for record in tests], column(tests, "loss")
        panels["loss"].plot(at, losses, color=color, linewidth=1.4, linestyle="dashed", **dots(tests))
        for name in accuracies[path]:
            at, values = [record["iteration"] for record in tested], percentages(tested, name)
            label = f"{path}, {name}: {values[-1]:.1f}% at the end"
            panels["accuracy"].plot(at, values, color=color, linewidth=1.4, **dots(tested), label=label)
        if rated[path]:
            at, rates = [record["iteration"] for record in rated[path]], column(rated[path], "rate")
            panels["rate"].plot(at, rates, color=color, linewidth=1.4, drawstyle="steps-post")
    for name, label in (("loss", "loss; tests dashed"), ("accuracy", "test accuracy, %"), ("rate", "learning rate")):
        if name in panels:
            panels[name].set_ylabel(label)
            panels[name].set_ylim(bottom=0)
    for name in panels.keys() & {"loss", "accuracy"}:
        panels[name].legend(frameon=False)
    return figure


def empty_figure(accuracy: bool, rate: bool) -> tuple[Any, dict[str, Any]]:
    """A figure with a panel for the loss, and for accuracies and rates where there are any."""
    heights = {"loss": 3.0} | ({"accuracy": 2.4} if accuracy else {}) | ({"rate": 1.2} if rate else {})
    figure = matplotlib_figure()(figsize=(9, 1.4 + sum(heights.values())), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=list(heights.values()), squeeze=False)[:, 0]
    for ax in axes:
        ax.grid(True, color="#e4e4e4", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(x=0.02)
    axes[-1].set_xlabel("iteration")
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
        y = percentages(tested, name)
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


def percentages(tested: list[Record], name: str) -> list[float]:
    """An accuracy of each test, in per cent."""
    return [100 * record["outputs"].get(name, float("nan")) for record in tested]


def with_rate(trained: list[Record]) -> list[Record]:
    """The iterations whose rate is known."""
    return [record for record in trained if record.get("rate") is not None]


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
    end = f" of {last['max_iter']:,}" if last["max_iter"] else ""
    batches = f" in batches of {last['batch_size']}" if last["batch_size"] else ""
    return f"{last['name']}: {done:,}{end} iterations{batches}"
