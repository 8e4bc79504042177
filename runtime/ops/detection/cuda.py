"""Detections, proposals and matches are found on the host: they take sorting and comparing of a few thousand boxes."""

from __future__ import annotations

from runtime.kernels.cuda.registry import HOST_KERNELS

HOST_KERNELS.update({"detect", "propose", "multibox_loss"})
