"""caffe.Detector: the net's outputs for windows of images (R-CNN, Girshick et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.pycaffe.io import load_image, resize_image
from runtime.pycaffe.prepared import PreparedNet

Windows = Iterable[tuple[str, Iterable[Sequence[float]]]]


class Detector(PreparedNet):
    """A trained net that looks at windows of images, each resized to the input's size.

    Parameters
    ----------
    context_pad: so many pixels at each side of the input show what is around a window.
    others: see `PreparedNet`.
    """

    def __init__(
        self,
        model_file: Any,
        pretrained_file: Any,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ):
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def configure_crop(self, context_pad: int | None) -> None:
        """Set `context_pad`, and what stands for what is outside of an image: the mean."""
        channels, rows, columns = self.blobs[self._input].shape[1:]
        self.crop_dims = np.array((rows, columns, channels))
        self.context_pad = context_pad
        nothing = np.zeros((channels, rows, columns), np.float32)
        mean = self.transformer.mean.get(self._input)
        raw = nothing if mean is None else nothing + mean
        swap = self.transformer.channel_swap.get(self._input)
        raw = raw if swap is None else raw[np.argsort(swap)]
        self.crop_mean = (raw / self.transformer.raw_scale.get(self._input, 1.0)).transpose(1, 2, 0).astype(np.float32)

    def detect_windows(self, images_windows: Windows) -> list[dict[str, Any]]:
        """The net's first output for windows.

        Parameters
        ----------
        images_windows: pairs of an image's file and its windows: ymin, xmin, ymax, xmax.

        Returns
        -------
        One dict for each window, with its `window`, `prediction` and `filename`.
        """
        pairs = [(file, [np.asarray(window) for window in windows]) for file, windows in images_windows]
        crops, found = [], []
        for file, windows in pairs:
            image = load_image(file)
            for window in windows:
                crops.append(resize_image(self.crop(image, window), self.crop_dims[:2]))
                found.append({"window": window, "filename": file})
        if not crops:
            return []
        for one, prediction in zip(found, self._outputs_of(np.stack(crops)), strict=True):
            one["prediction"] = prediction
        return found

    def detect_selective_search(self, image_fnames: Sequence[str]) -> list[dict[str, Any]]:
        """Raises NotImplementedError: Caffe takes these windows from a program in MATLAB."""
        raise NotImplementedError("caffe.Detector.detect_selective_search needs MATLAB; give windows of your own to detect_windows")

    def crop(self, im: np.ndarray, window: Sequence[float] | np.ndarray) -> np.ndarray:
        """A window of an image, (h, w, K); with `context_pad` what is around it too, in the input's size.

        Raises
        ------
        NetdefError: the window is empty, or outside of the image; or `context_pad` leaves nothing of the input.
        """
        top, left, bottom, right = np.asarray(window, float)
        inside = im[int(top) : int(bottom), int(left) : int(right)]
        if not inside.size:
            raise NetdefError(f"window {[*map(float, window)]} has no pixel of an image of {im.shape[0]} x {im.shape[1]}")
        if not self.context_pad:
            return inside
        size = self.blobs[self._input].width  # the input is a square
        if size <= 2 * self.context_pad:
            text = f"context_pad {self.context_pad} on both sides leaves nothing of an input {size} pixels wide"
            raise NetdefError(text, hint=f"a context_pad below {size / 2:g} leaves a window")
        scale = size / (size - 2.0 * self.context_pad)
        half = np.array(((bottom - top + 1) / 2.0, (right - left + 1) / 2.0))
        center = np.array((top, left)) + half
        low, high = np.round(center - scale * half), np.round(center + scale * half)
        shrink = size / (high - low + 1)
        pad = np.round(np.maximum(0, -low) * shrink).astype(int)
        limits = np.array(im.shape[:2], float)
        low, high = np.clip(low, 0, limits), np.clip(high, 0, limits)
        extent = np.minimum(np.round((high - low + 1) * shrink), size - pad).astype(int)
        begin, end = low.astype(int), high.astype(int)
        crop = self.crop_mean.copy()
        around = resize_image(im[begin[0] : end[0], begin[1] : end[1]], extent)
        crop[pad[0] : pad[0] + extent[0], pad[1] : pad[1] + extent[1]] = around
        return crop
