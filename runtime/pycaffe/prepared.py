"""What Classifier and Detector have in common: a net with one input of images, and the Transformer for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.schema import TEST
from runtime.pycaffe.io import Transformer
from runtime.pycaffe.net import Net

IMAGE_AXES = 4


class PreparedNet(Net):
    """A trained net for images (H, W, K) in [0, 1].

    Parameters
    ----------
    model_file, pretrained_file: the net, and its weights.
    mean, input_scale, raw_scale, channel_swap: as the setters of `caffe.io.Transformer` take them.

    Raises
    ------
    NetdefError: the net has no input of images.
    """

    def __init__(
        self,
        model_file: Any,
        pretrained_file: Any,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ):
        super().__init__(model_file, phase=TEST, weights=pretrained_file)
        if not self.inputs or len(self.blobs[self.inputs[0]].shape) != IMAGE_AXES:
            text = f"caffe.{type(self).__name__} fills an input with images; {model_file} has the inputs"
            shapes = ", ".join(f"{name} {self.blobs[name].shape}" for name in self.inputs) or "none"
            raise NetdefError(f"{text} {shapes}", hint="a deploy net has an Input layer, or `input:` at its top")
        self._input = self.inputs[0]
        self.transformer = Transformer({self._input: self.blobs[self._input].shape})
        self.transformer.set_transpose(self._input, (2, 0, 1))
        settings = {
            self.transformer.set_mean: mean,
            self.transformer.set_input_scale: input_scale,
            self.transformer.set_raw_scale: raw_scale,
            self.transformer.set_channel_swap: channel_swap,
        }
        for setter, value in settings.items():
            if value is not None:
                setter(self._input, value)  # type: ignore[operator]

    def _outputs_of(self, images: np.ndarray) -> np.ndarray:
        """The first output for images of the input's size, (N, H, W, K)."""
        prepared = np.stack([self.transformer.preprocess(self._input, image) for image in images])
        given: dict[str, Any] = {self._input: prepared}
        return self.forward_all(**given)[self.outputs[0]]
