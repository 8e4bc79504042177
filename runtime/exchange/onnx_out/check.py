"""Run an exported file in ONNX Runtime and compare every output with netdef's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.exchange.agreement import LIMIT, difference

Values = Mapping[str, np.ndarray]


def runtime_module() -> Any:
    """The package onnxruntime.

    Raises
    ------
    NetdefError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise NetdefError(
            "the check of an exported file needs onnxruntime, which is not installed",
            hint="pip install onnxruntime, or --no-check writes a file that nobody has checked",
        ) from None
    return onnxruntime


def run(path: str | Path | bytes, inputs: Values) -> dict[str, np.ndarray]:
    """The outputs of a model, by name.

    Raises
    ------
    NetdefError: ONNX Runtime refuses the model, or fails.
    """
    runtime = runtime_module()
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what it has to say comes as an exception
    options.intra_op_num_threads = 1  # so that its sums have one order
    source = path if isinstance(path, bytes) else str(path)
    try:
        session = runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        names = [one.name for one in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))
    except Exception as error:  # its own classes, which depend on its version
        reason = " ".join(str(error).split())
        raise NetdefError(f"ONNX Runtime cannot run the file: {reason}") from None


@dataclass(frozen=True)
class Agreement:
    """The largest difference of all outputs, and of which; as a share of the output's largest number."""

    error: float
    output: str
    outputs: int

    def __str__(self) -> str:
        of = f"{self.outputs} outputs" if self.outputs > 1 else self.output
        return f"ONNX Runtime agrees on {of}: largest difference {self.error:.1e}"


def compare(found: Values, expected: Values) -> Agreement:
    """How far outputs are apart."""
    differences = [(difference(found[name], value), name) for name, value in expected.items()]
    error, name = max(differences, default=(0.0, ""))
    return Agreement(error, name, len(differences))


def check_agreement(
    found: Values, expected: Values, what: str = "the exported file differs from netdef's", hint: str = ""
) -> Agreement:
    """The agreement of outputs.

    Parameters
    ----------
    what: is compared, in the error's words. hint: what may be the reason.

    Raises
    ------
    NetdefError: it is not close enough.
    """
    result = compare(found, expected)
    if not result.error <= LIMIT:
        raise NetdefError(_apart(result, what), hint=hint)
    return result


def _apart(result: Agreement, what: str) -> str:
    share = (
        f"by {result.error:.1e} of its largest number" if np.isfinite(result.error) else "in its shape, or a number is not finite"
    )
    return f"{result.output} of {what} {share}; the limit is {LIMIT:.0e}"
