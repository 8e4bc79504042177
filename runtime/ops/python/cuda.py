"""Python layers run on the host: their blobs are copied from the card and back."""

from __future__ import annotations

from runtime.kernels.cuda.registry import HOST_KERNELS

HOST_KERNELS.update({"python_forward", "python_backward"})
