"""How graphics cards compute, where a user may choose."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_WORKSPACE = 256 << 20  # bytes
MATHS = ("fp32", "tf32")


@dataclass(frozen=True)
class CudaOptions:
    """How a card computes.

    Parameters
    ----------
    math: "fp32", or "tf32" for matrix products on tensor cores, their factors rounded to 10 bits behind the point.
    workspace: bytes that the matrices of a convolution may take; one output row's are the least.
    graphs: whether lists of kernels are captured as CUDA graphs.
    """

    math: str = "fp32"
    workspace: int = DEFAULT_WORKSPACE
    graphs: bool = True


def cuda_options(math: str | None, workspace: int | None, no_graph: bool) -> CudaOptions:
    """From --math, --workspace (in MB of 1024 x 1024 bytes) and --no-graph."""
    return CudaOptions(math or MATHS[0], DEFAULT_WORKSPACE if workspace is None else workspace << 20, not no_graph)
