"""How graphics cards compute, where a user may choose."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1 << 20  # bytes, as --workspace counts them
DEFAULT_WORKSPACE = 256 * MB
MATHS = ("fp32", "tf32")


@dataclass(frozen=True)
class CudaOptions:
    """How a card computes.

    Parameters
    ----------
    math: "fp32", or "tf32" for matrix products on tensor cores, their factors rounded to 10 bits behind the point.
    workspace: bytes that the matrices of a convolution may take; a net whose output rows need more is refused.  By default
        DEFAULT_WORKSPACE, or one output row where that takes more.
    graphs: whether lists of kernels are captured as CUDA graphs.
    """

    math: str = "fp32"
    workspace: int | None = None
    graphs: bool = True

    @property
    def workspace_limit(self) -> int:
        """What plans are given."""
        return DEFAULT_WORKSPACE if self.workspace is None else self.workspace


def cuda_options(math: str | None, workspace: int | None, no_graph: bool) -> CudaOptions:
    """From --math, --workspace (in MB) and --no-graph."""
    return CudaOptions(math or MATHS[0], None if workspace is None else workspace * MB, not no_graph)
