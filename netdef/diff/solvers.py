"""What distinguishes two solver files: every setting that differs, under what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netdef.diff.finding import Finding, Row
from netdef.diff.settings import text_of
from netdef.language import Bound
from netdef.language.printer import print_message
from netdef.schema import is_repeated

SECTIONS = {
    "Nets": ("net", "train_net", "test_net", "net_param", "train_net_param", "test_net_param", "train_state", "test_state"),
    "Learning rate": (
        "base_lr", "lr_policy", "gamma", "power", "stepsize", "stepvalue", "plateau_patience", "plateau_max", "stagelr",
        "stageiter", "min_lr", "warmup_iter", "warmup_start_lr", "rampup_interval", "rampup_lr",
    ),
    "Update": (
        "type", "momentum", "momentum2", "delta", "rms_decay", "weight_decay", "regularization_type", "clip_gradients", "iter_size",
        "larc", "larc_policy", "larc_eta", "local_lr_auto", "local_gw_ratio",
    ),
    "Length and tests": (
        "max_iter", "test_iter", "test_interval", "test_compute_loss", "test_initialization", "random_seed",
    ),
    "Files and display": (
        "display", "average_loss", "snapshot", "snapshot_prefix", "snapshot_diff", "snapshot_format", "snapshot_after_train",
    ),
    "Device": ("solver_mode", "device_id"),
}  # fmt: skip
UNSET: dict[str, Any] = {
    "momentum": 0.0,
    "weight_decay": 0.0,
    "display": 0,
    "device_id": [0],
}  # what no word in the schema says, as Caffe reads it
TITLE = {field: title for title, fields in SECTIONS.items() for field in fields}


@dataclass
class SolverDifference:
    """All settings in which two solvers differ, by section; false if there are none."""

    before: str
    after: str
    findings: list[Finding]

    def __bool__(self) -> bool:
        return bool(self.findings)

    @property
    def subject(self) -> str:
        """What the first line says in addition to the names."""
        return "the solvers differ" if self else "no differences"


def difference(before: Bound, after: Bound, names: tuple[str, str]) -> SolverDifference:
    """What changes from one SolverParameter to the other; a default that is spelled out is no change."""
    found: dict[str, list[Row]] = {title: [] for title in (*SECTIONS, "Other settings")}
    for field in before.message.DESCRIPTOR.fields:
        values = [_value(bound.message, field) for bound in (before, after)]
        if values[0] != values[1]:
            row = Row((), field.name, _text(before.message, field), _text(after.message, field), (values[0], values[1]))
            found[TITLE.get(field.name, "Other settings")].append(row)
    found["Other settings"] += _unknown(before, after)
    return SolverDifference(*names, [Finding("solver", title, rows=rows) for title, rows in found.items() if rows])


def _unknown(before: Bound, after: Bound) -> list[Row]:
    """The fields that the schema does not know, as they are written."""
    said: list[dict[str, list[str]]] = []
    for bound in (before, after):
        texts: dict[str, list[str]] = {}
        for unknown in bound.unknown:
            texts.setdefault(unknown.name, []).append(" ".join(unknown.text[len(unknown.name) :].lstrip(": ").split()))
        said.append(texts)
    rows = []
    for name in dict.fromkeys([*said[0], *said[1]]):
        values = said[0].get(name), said[1].get(name)
        if values[0] != values[1]:
            rows.append(Row((), name, ", ".join(values[0] or ["none"]), ", ".join(values[1] or ["none"]), values))
    return rows


def _value(message: Any, field: Any) -> Any:
    """What a field says, as plain data; None where it is not set and has no default."""
    value = getattr(message, field.name)
    if field.message_type is not None:
        repeated = not hasattr(value, "DESCRIPTOR")
        return [str(one) for one in value] if repeated else str(value) if message.HasField(field.name) else None
    if not isinstance(value, (str, bytes)) and hasattr(value, "append"):
        return list(value) or UNSET.get(field.name, [])
    if not message.HasField(field.name) and not field.has_default_value and field.name not in UNSET:
        return None
    return text_of(value, field) if field.enum_type is not None or isinstance(value, float) else value


def _text(message: Any, field: Any) -> str:
    value = getattr(message, field.name)
    if field.message_type is not None:
        values = list(value) if is_repeated(field) else [value] if message.HasField(field.name) else []
        if field.name.endswith("net_param"):
            return "none" if not values else "a net" if len(values) == 1 else f"{len(values)} nets"
        lines = (print_message(one).splitlines() for one in values)
        return ", ".join(" ".join(["{", *(line.strip() for line in inside), "}"]) for inside in lines) or "none"
    if not isinstance(value, (str, bytes)) and hasattr(value, "append"):
        return text_of(tuple(value or UNSET.get(field.name, ())), field)
    if message.HasField(field.name):
        return text_of(value, field)
    return f"{text_of(value, field)} (default)" if field.has_default_value or field.name in UNSET else "none"


def describe(difference: SolverDifference) -> dict[str, Any]:
    """A SolverDifference as plain data."""
    changes = [
        {"section": section.title, "what": row.what, "before": row.values[0], "after": row.values[1]}
        for section in difference.findings
        for row in section.rows
    ]
    return {"before": difference.before, "after": difference.after, "same": not difference, "changes": changes}
