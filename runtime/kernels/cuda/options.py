"""How graphics cards compute, where a user may choose."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1 << 20  # bytes, as --workspace counts them
DEFAULT_WORKSPACE = 256 * MB
MATHS = ("fp32", "tf32")
CONVS = ("tiles", "im2col")
MULTIPROCESSORS = 132  # of an H100 or H200, for plans that no card was named for


@dataclass(frozen=True)
class Target:
    """What a plan may know of the card and of a user's choices.

    Parameters
    ----------
    workspace: bytes that a plan should not exceed; one that cannot do with so little needs as little as it can.
    multiprocessors: of the card, each of which runs a few blocks at once.
    math: of matrix products, one of MATHS.
    conv: "tiles": convolutions by kernels of our own where these fit; "im2col": by copies of windows and cuBLAS.
    """

    workspace: int = DEFAULT_WORKSPACE
    multiprocessors: int = MULTIPROCESSORS
    math: str = "fp32"
    conv: str = "tiles"


@dataclass(frozen=True)
class CudaOptions:
    """How a card computes.

    Parameters
    ----------
    math: "fp32", or "tf32" for matrix products on tensor cores, their factors rounded to 10 bits behind the point.
    workspace: bytes that the matrices of a convolution may take; a net whose output rows need more is refused.  By default
        DEFAULT_WORKSPACE, or one output row where that takes more.
    graphs: whether lists of kernels are captured as CUDA graphs.
    conv: how convolutions run, see Target.
    """

    math: str = "fp32"
    workspace: int | None = None
    graphs: bool = True
    conv: str = "tiles"

    def target(self, multiprocessors: int = MULTIPROCESSORS, workspace: int | None = None) -> Target:
        """What plans are given; workspace: another limit than the user's."""
        chosen = DEFAULT_WORKSPACE if self.workspace is None else self.workspace
        return Target(chosen if workspace is None else workspace, multiprocessors, self.math, self.conv)


def cuda_options(math: str | None, workspace: int | None, no_graph: bool, conv: str | None = None) -> CudaOptions:
    """From --math, --workspace (in MB), --no-graph and --conv."""
    return CudaOptions(math or MATHS[0], None if workspace is None else workspace * MB, not no_graph, conv or CONVS[0])
