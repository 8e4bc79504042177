"""caffe.Classifier: the probabilities of images' classes, over one crop or ten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.pycaffe.io import CROPS, oversample, resize_image
from runtime.pycaffe.prepared import PreparedNet


class Classifier(PreparedNet):
    """A trained net that classifies images.

    Parameters
    ----------
    image_dims: height and width that images are resized to before they are cropped; default: those of the input.
    others: see `PreparedNet`.
    """

    def __init__(
        self, model_file: Any, pretrained_file: Any, image_dims: Sequence[int] | None = None, *preparing: Any, **options: Any
    ):
        super().__init__(model_file, pretrained_file, *preparing, **options)
        self.crop_dims = np.array(self.blobs[self._input].shape[2:])
        self.image_dims = self.crop_dims if image_dims is None else np.array(image_dims)

    def predict(self, inputs: Sequence[np.ndarray], oversample: bool = True) -> np.ndarray:
        """The net's first output for images, (N, classes).

        Parameters
        ----------
        inputs: images (H, W, K) as `caffe.io.load_image` gives them.
        oversample: the mean over corners, center and their mirrored images; False: the center alone.
        """
        images = np.stack([resize_image(image, self.image_dims) for image in inputs])
        found = self._outputs_of(self._ten(images) if oversample else self._center(images))
        return found.reshape(len(found) // CROPS, CROPS, -1).mean(1) if oversample else found

    def _ten(self, images: np.ndarray) -> np.ndarray:
        return oversample(images, self.crop_dims)

    def _center(self, images: np.ndarray) -> np.ndarray:
        rows, columns = (self.image_dims / 2.0 - self.crop_dims / 2.0).astype(int)
        return images[:, rows : rows + self.crop_dims[0], columns : columns + self.crop_dims[1]]
