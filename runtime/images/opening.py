"""A net as it takes image files: as `netdef predict` and all that is like it see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtime.images.pixels import Given, images_of_training, with_images
from runtime.images.trained_pixels import trained_pixels
from runtime.solver.nets import load_net

if TYPE_CHECKING:
    from netdef.graph.net import Net


def image_net(
    source: Any,
    weights: str,
    batch: int,
    mean: str | None = None,
    scale: float | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> tuple[Net, Net]:
    """A net in phase test as its file has it, and the same net with a layer of images; a remark says what becomes of pixels.

    Parameters
    ----------
    source: a path or a model's name.  weights: the file that says how images came to the net in training.
    mean, scale: what --mean and --scale say.

    Raises
    ------
    NetdefError: see `with_images`.
    """
    trained, origin = trained_pixels(weights)
    own = load_net(source, "test", overrides, batch, assumed=images_of_training(trained))
    return own, with_images(own, Given(mean, scale, trained, origin))
