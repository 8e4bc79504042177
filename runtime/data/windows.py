"""Samples that are windows of images, as an R-CNN trains on (Girshick et al. 2014): objects and background in a fixed proportion.

Caffe's window_data_layer.cpp defines how a window is chosen, padded and warped.
"""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdef.language.diagnostics import NetdefError
from netdef.layers.data import WindowData
from runtime.data.decoding import decode, read_bytes
from runtime.data.draws import WINDOW, Draws, below
from runtime.data.settings import dtype_of, find, mean_of
from runtime.data.source import Picture, Sample, UnreadableError
from runtime.data.transform import resampled, size_of
from runtime.data.window_file import Windows, read_windows

Box = tuple[int, int, int, int]  # x1, y1, x2, y2, the last column and row included


class WindowSamples:
    """Of each batch, first background, then objects; drawn anew at each position.

    Raises
    ------
    NetdefError: the window file is wrong, or has no objects or no background where a batch needs some.
    """

    classes: tuple[str, ...] | None = None

    def __init__(self, layer: WindowData, draws: Draws):
        p = layer.p
        self.name = find(layer, layer.source, "source")
        self._file = read_windows(self.name, p.root_folder, p.fg_threshold, p.bg_threshold)
        self._objects = int(np.float32(layer.batch_size) * np.float32(p.fg_fraction))
        for needed, windows, what in (
            (self._objects, self._file.objects, f"objects: none overlaps one by {p.fg_threshold:g} or more"),
            (layer.batch_size - self._objects, self._file.background, f"background: all overlap an object by {p.bg_threshold:g}"),
        ):
            if needed and not len(windows):
                raise NetdefError(f"{self.name} has no windows that are {what}")
        self.labels = tuple(int(label) for label in np.unique([*self._file.objects.labels, 0]))
        self.size = len(self._file.objects) + len(self._file.background)
        self._batch, self._side, self._pad, self._square = layer.batch_size, layer.crop_size, p.context_pad, p.crop_mode == "square"
        self.image_shape = (self._side, self._side, layer.channels)
        self._mirrors, self._draws = layer.message.transform_param.mirror, draws
        self._around = mean_of(layer).transpose(1, 2, 0) if dtype_of(layer) == "float32" else None
        self._kept: dict[int, bytes] | None = {} if p.cache_images else None

    def load(self, position: int) -> Sample:
        """The window at a position, warped.

        Raises
        ------
        NetdefError: its image cannot be read, or is smaller than the window file says.
        """
        windows, index, mirror = self.window(position)
        path = self._file.paths[int(windows.images[index])]
        try:
            image = decode(self._bytes(int(windows.images[index]), path), "RGB", path)
        except UnreadableError as unreadable:
            raise NetdefError(f"cannot read {unreadable.path}, an image of {self.name}: {unreadable.reason}") from None
        x1, y1, x2, y2 = (int(edge) for edge in windows.boxes[index])
        box = x1, y1, x2, y2
        if x2 >= size_of(image)[1] or y2 >= size_of(image)[0]:
            height, width = size_of(image)
            raise NetdefError(f"{path} is {height} x {width}, and {self.name} has the window {box} of it")
        return Sample(self._warped(image, box, mirror), float(windows.labels[index]), (0, 0), mirror=False)

    def label(self, position: int) -> float:
        """The label of the window at a position, whose image is not read."""
        windows, index, _ = self.window(position)
        return float(windows.labels[index])

    def window(self, position: int) -> tuple[Windows, int, bool]:
        """Which of which windows is at a position, and whether it is mirrored."""
        is_object = position % self._batch >= self._batch - self._objects
        windows = self._file.objects if is_object else self._file.background
        word, mirror, _, _ = self._draws.words(WINDOW, position)
        return windows, below(word, len(windows)), bool(self._mirrors and mirror & 1)

    def _bytes(self, index: int, path: str) -> bytes:
        """An image's file, from memory if files are kept there."""
        if self._kept is None:
            return read_bytes(path)
        if index not in self._kept:
            self._kept[index] = read_bytes(path)
        return self._kept[index]

    def _warped(self, image: Picture, box: Box, mirror: bool) -> NDArray[Any]:
        """The window with its surroundings, (side, side, 3); beyond the image it is the mean, and so 0 in the net."""
        side = self._side
        if self._around is None:
            return _mirrored(_cut(image, box, (side, side)), mirror)
        clipped, (left, top, right), (height, width) = self._expanded(box, size_of(image))
        if mirror:
            left = right
        height, width = min(height, side - top), min(width, side - left)
        result = self._around.astype(np.float32)
        if height > 0 and width > 0:
            result[top : top + height, left : left + width] = _mirrored(_cut(image, clipped, (height, width)), mirror)
        return result

    def _expanded(self, box: Box, size: tuple[int, int]) -> tuple[Box, tuple[int, int, int], tuple[int, int]]:
        """A box with its context, clipped to the image; the result's margins (left, top, right); the clipped box's size in it."""
        x1, y1, x2, y2 = box
        scale = self._side / (self._side - 2 * self._pad)
        half_height, half_width = (y2 - y1 + 1) / 2, (x2 - x1 + 1) / 2
        x, y = x1 + half_width, y1 + half_height
        if self._square:
            half_height = half_width = max(half_height, half_width)
        x1, x2 = _round(x - half_width * scale), _round(x + half_width * scale)
        y1, y2 = _round(y - half_height * scale), _round(y + half_height * scale)
        across, down = self._side / (x2 - x1 + 1), self._side / (y2 - y1 + 1)
        left, top, right, bottom = max(0, -x1), max(0, -y1), max(0, x2 - size[1] + 1), max(0, y2 - size[0] + 1)
        clipped = x1 + left, y1 + top, x2 - right, y2 - bottom
        height, width = _round((clipped[3] - clipped[1] + 1) * down), _round((clipped[2] - clipped[0] + 1) * across)
        return clipped, (_round(left * across), _round(top * down), _round(right * across)), (height, width)


def _cut(image: Picture, box: Box, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A box of an image, brought to (height, width); cut first, so that no pixel around it has a share."""
    x1, y1, x2, y2 = box
    if isinstance(image, np.ndarray):
        return np.asarray(_whole(image[y1 : y2 + 1, x1 : x2 + 1], size))
    return np.asarray(_whole(image.crop((x1, y1, x2 + 1, y2 + 1)), size))[:, :, ::-1]


def _whole(image: Picture, size: tuple[int, int]) -> Picture:
    height, width = size_of(image)
    return image if (height, width) == size else resampled(image, size, (0.0, 0.0, float(width), float(height)))


def _mirrored(pixels: NDArray[np.uint8], mirror: bool) -> NDArray[np.uint8]:
    return pixels[:, ::-1] if mirror else pixels


def _round(number: float) -> int:
    """To the nearest, halves away from zero, as C has it."""
    return floor(number + 0.5) if number >= 0 else -floor(0.5 - number)
