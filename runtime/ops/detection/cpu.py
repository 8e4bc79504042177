"""Kernels of detection: NumPy on the host, whatever the device.  This module registers them."""

from __future__ import annotations

from runtime.ops.detection import multibox, output, proposal

HOST = (output.detect, proposal.propose, multibox.multibox_loss)
