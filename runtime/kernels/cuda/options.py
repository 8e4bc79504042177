"""How graphics cards compute, where a user may choose."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1 << 20  # bytes, as --workspace counts them
DEFAULT_WORKSPACE = 256 * MB
MATHS = ("fp32", "3xtf32", "tf32", "bf16")
CONVS = ("tiles", "im2col")
Capability = tuple[int, int]  # a card's compute capability
TENSOR_CORES: Capability = (8, 0)  # the first with those for TF32 and bfloat16: Ampere's
# Whose tensor cores take three products of TF32 in less time than their CUDA cores take one of float32: A100, H100, B200, B300.
FAST_TENSOR_CORES: tuple[Capability, ...] = ((8, 0), (9, 0), (10, 0), (10, 3))
MULTIPROCESSORS, NEW = 132, (9, 0)  # of an H100 or H200, for plans that no card was named for
THREADS_AT_ONCE = 2048  # of a multiprocessor
FEWER_AT_ONCE = {(7, 5): 1024, (8, 6): 1536, (8, 7): 1536, (8, 9): 1536, (12, 0): 1536, (12, 1): 1536}  # of those that have fewer


@dataclass(frozen=True)
class Target:
    """What a plan may know of the card and of a user's choices.

    Parameters
    ----------
    workspace: bytes that a plan should not exceed; one that cannot do with so little needs as little as it can.
    multiprocessors: of the card, each of which runs a few blocks at once, and at most so many `threads`.
    math: of matrix products, one of MATHS.
    conv: "tiles": convolutions by kernels of our own where these fit; "im2col": by copies of windows and cuBLAS.
    """

    workspace: int = DEFAULT_WORKSPACE
    multiprocessors: int = MULTIPROCESSORS
    math: str = "3xtf32"
    conv: str = "tiles"
    threads: int = THREADS_AT_ONCE


@dataclass(frozen=True)
class CudaOptions:
    """How a card computes.

    Parameters
    ----------
    math: of matrix products: "fp32", by CUDA cores; on tensor cores "tf32", factors rounded to 10 bits behind the point, "bf16", to
        7 bits, and "3xtf32", each factor as a sum of two TF32 numbers, as exact as fp32.  Sums are float32 in all.  None: 3xtf32 on
        cards where it is faster than fp32, else fp32.
    workspace: bytes that the matrices of a convolution may take; a net whose output rows need more is refused.  By default
        DEFAULT_WORKSPACE, or one output row where that takes more.
    graphs: whether lists of kernels are captured as CUDA graphs.
    conv: how convolutions run, see Target.
    fuse: whether several gradients may be one kernel.
    """

    math: str | None = None
    workspace: int | None = None
    graphs: bool = True
    conv: str = "tiles"
    fuse: bool = True

    def math_on(self, capability: Capability) -> str:
        """The mode on such a card; those before Ampere compute in fp32 only."""
        if capability < TENSOR_CORES:
            return "fp32"
        return self.math or ("3xtf32" if capability in FAST_TENSOR_CORES else "fp32")

    def target(self, multiprocessors: int = MULTIPROCESSORS, capability: Capability = NEW) -> Target:
        """What plans for such a card are given."""
        workspace = DEFAULT_WORKSPACE if self.workspace is None else self.workspace
        threads = FEWER_AT_ONCE.get(capability, THREADS_AT_ONCE)
        return Target(workspace, multiprocessors, self.math_on(capability), self.conv, threads)


def cuda_options(
    math: str | None, workspace: int | None, no_graph: bool, conv: str | None = None, no_fuse: bool = False
) -> CudaOptions:
    """From --math, --workspace (in MB), --no-graph, --conv and --no-fuse."""
    return CudaOptions(math, None if workspace is None else workspace * MB, not no_graph, conv or CONVS[0], not no_fuse)
