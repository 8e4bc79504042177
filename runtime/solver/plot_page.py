"""Runs' curves as a page with values under the mouse: one file that needs no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from netdef.language.html_page import page as html_page
from runtime.solver.curves import Curves, Points

MOST = 2000  # points of a curve: more than a screen is wide


def page(title: str, runs: Sequence[Curves], reach: float | None = None, refresh: float | None = None) -> str:
    """The HTML of the page.

    Parameters
    ----------
    reach: an accuracy, as a share, of which the page shows when each run reached it.
    refresh: seconds after which the page reads itself again, while a run goes on.
    """
    folder = Path(__file__).parent
    body = [
        '<div id="runs" role="group" aria-label="runs"></div>',
        *(_panel(name) for name in _panels(runs)),
        *_results(runs, reach),
    ]
    body.append('<div id="values" hidden></div>')
    return html_page(
        title,
        body,
        subtitle="reads the logs again every few seconds" if refresh else "",
        style=(folder / "plot.css").read_text(encoding="utf-8"),
        script=(folder / "plot.js").read_text(encoding="utf-8"),
        data={"runs": [_plain(run) for run in runs], "reach": reach, "refresh": refresh},
    )


def _panels(runs: Sequence[Curves]) -> list[str]:
    found = ["loss"]
    found += ["accuracy"] if any(run.accuracies for run in runs) else []
    return found + (["rate"] if any(run.rates[0] for run in runs) else [])


def _panel(name: str) -> str:
    heading = {"loss": "Loss", "accuracy": "Test accuracy", "rate": "Learning rate"}[name]
    plot = f'<div class="plot" id="{name}" tabindex="0" role="figure" aria-label="{heading} over the iterations"></div>'
    return f"<section><h2>{heading}</h2>{plot}</section>"


def _results(runs: Sequence[Curves], reach: float | None) -> list[str]:
    """A table of what each run came to, which those who see no curves can read."""
    head = ["run", "iterations", "loss", "test loss", "accuracy", *([f"{100 * reach:g}%"] if reach is not None else [])]
    rows = []
    for run in runs:
        name, (_, shares) = next(iter(run.accuracies.items()), ("", ([], [])))
        shown = [value for value in shares if math.isfinite(value)]
        accuracy = f"{name} {_text(shares[-1], share=True)}, best {_text(max(shown), share=True)}" if shown else ""
        ends = [at[-1] for at, _ in (run.loss, run.tests) if at]
        cells = [f"{max(ends):,}" if ends else "0", _last(run.loss, run.batches), _last(run.tests), accuracy]
        cells += [run.reach_text(reach)] if reach is not None else []
        rows.append(f"<tr><th>{escape(run.label)}</th>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return [f'<section><h2>Results</h2><div class="scroll"><table><tr>{heads}</tr>{"".join(rows)}</table></div></section>']


def _last(points: Points, single: Points | None = None) -> str:
    """The last value of a curve; of a smoothed one, whether the last of the single ones is a number."""
    values = points[1]
    if not values:
        return ""
    return _text(values[-1] if single is None or math.isfinite(single[1][-1]) else math.nan)


def _text(value: float, share: bool = False) -> str:
    if not math.isfinite(value):
        return "not a number"
    return f"{100 * value:.2f}%" if share else f"{value:.4g}"


def _plain(run: Curves) -> dict[str, Any]:
    """A run as JSON."""
    return {
        "label": run.label,
        "epoch": run.epoch,
        "loss": {"batches": _points(run.batches), "training": _points(run.loss), "test": _points(run.tests)},
        "accuracy": {name: _points(points) for name, points in run.accuracies.items()},
        "rate": {"rate": _points(run.rates)},
    }


def _points(points: Points) -> list[list[float | None]]:
    """[[iteration ...], [value ...]], thinned out where there are more than a screen shows."""
    at, values = points
    kept = range(len(at)) if len(at) <= MOST else _kept(values)
    return [[at[index] for index in kept], [values[index] if math.isfinite(values[index]) else None for index in kept]]


def _kept(values: Sequence[float]) -> list[int]:
    """Of each stretch of a long curve the least value, the largest and the first that is no number; and the last of all."""
    step, kept = math.ceil(len(values) / (MOST // 3)), {len(values) - 1}
    for start in range(0, len(values), step):
        stretch = range(start, min(start + step, len(values)))
        numbers = [index for index in stretch if math.isfinite(values[index])]
        if numbers:
            kept |= {min(numbers, key=values.__getitem__), max(numbers, key=values.__getitem__)}
        kept.update([index for index in stretch if not math.isfinite(values[index])][:1])
    return sorted(kept)
