"""What --data does to a net: its layer of images reads other images, with its own batch and crop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from netdef.graph.layer import Blob, Layer
from netdef.graph.net import Net
from netdef.graph.phases import is_selected, state_of
from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.layers.data import BUILTIN_SIDES, ImageData
from netdef.schema.layer_types import LAYER_TYPES

OF_CHANNELS = (1, 3)  # images
IMAGE_AXES = 4

Edit = Callable[[Any], None]  # of a NetParameter


def other_data(net: Net, data: str) -> tuple[list[tuple[str, str]], Edit]:
    """The fields to set, and the edit to make, so that a net reads other data.

    An ImageData reads any images, a Data any database, an HDF5Data any HDF5 file or list of them. Of another source of images
    becomes an ImageData.

    Raises
    ------
    NetdefError: no layer of the net reads images, several might, or the data are none for it.
    """
    settings: list[tuple[str, str]] = []
    edits: list[Edit] = []
    for layer in net.layers:
        if isinstance(layer, ImageData):
            settings += [(f"{layer.name}.source", data), (f"{layer.name}.root_folder", "")]
        elif layer.type == "Data":  # its class is another where its shapes are not known
            if (kind := _database(data)) is not None:
                settings += [(f"{layer.name}.source", data), (f"{layer.name}.backend", kind)]
            else:
                _check_there(data, layer)
                edits.append(_of_database(layer, data, net.phase))
        elif layer.type == "HDF5Data" and _is_hdf5(data):
            settings.append((f"{layer.name}.source", data))
    if not settings and not edits:
        edits.append(_of_arrays(net, data))

    def edit(message: Any) -> None:
        for one in edits:
            one(message)

    return settings, edit


def _of_database(layer: Layer, data: str, phase: str) -> Edit:
    """Makes an ImageData of a Data layer."""
    found, transform = getattr(layer, "found", None), layer.message.transform_param

    def edit(message: Any) -> None:
        for own in _messages(message, layer.message.name, phase):
            batch, shuffle = own.data_param.batch_size, own.data_param.shuffle
            _become_images(own, data, batch, phase, shuffle)
            if found is not None:
                channels, height, width = found.shapes[0]
                _set_kind(own, channels if not transform.force_color else 0, height, width)

    return edit


def _of_arrays(net: Net, data: str) -> Edit:
    """Makes an ImageData of the only layer whose arrays may be images; its second top, or another Input's, has the labels."""
    images = [top for layer in net.layers if layer.brings_arrays for top in layer.tops if _is_image(top)]
    if len(images) != 1:
        has = f"{len(images)} inputs that may be images" if images else "no layer that reads images"
        hint = 'data: ImageData -> data, label { source: "..." } is what --data replaces'
        raise NetdefError(f"{net.filename} has {has} in phase {net.phase}: --data {data} takes a net with one", hint=hint)
    (top,) = images
    owner = top.producer
    _check_there(data, owner)
    batch, channels, height, width = top.shape
    labels = _labels(net, top)

    def edit(message: Any) -> None:
        for own in _messages(message, owner.message.name, net.phase):
            del own.top[:]
            own.top.extend([top.name, *([labels.name] if labels is not None else [])])
            own.ClearField("transform_param")  # which an Input ignores in every command
            _become_images(own, data, batch, net.phase)
            _set_kind(own, channels, height, width)
        if labels is not None and labels.producer is not owner:
            for own in _messages(message, labels.producer.message.name, net.phase):
                own.ClearField("include")
                own.exclude.add()

    return edit


def _labels(net: Net, images: Blob) -> Blob | None:
    """The blob of labels that comes with some images: of their own layer, or of another with one number for each image."""
    own = [top for top in images.producer.tops if top is not images]
    others = [top for layer in net.layers if layer.brings_arrays and layer is not images.producer for top in layer.tops]
    fitting = [top for top in (own or others) if top.shape and top.shape[0] == images.shape[0] and top.count == top.shape[0]]
    return fitting[0] if len(fitting) == 1 else None


def _messages(message: Any, name: str, phase: str) -> Iterator[Any]:
    """The layers of a name that a phase has."""
    state = state_of(message, phase)
    return (layer for layer in message.layer if layer.name == name and is_selected(layer, state))


def _become_images(own: Any, data: str, batch: int, phase: str, shuffle: bool = False) -> None:
    for field in LAYER_TYPES[own.type]:
        own.ClearField(field)
    own.type = "ImageData"
    own.image_data_param.source, own.image_data_param.batch_size = data, batch
    if shuffle or phase == "train":
        own.image_data_param.shuffle = True


def _set_kind(own: Any, channels: int, height: int, width: int) -> None:
    """One side of a square keeps the centre of images; both sides of another shape stretch them."""
    if channels == 1:
        own.transform_param.force_gray = True
    own.image_data_param.new_height = height
    if width != height:
        own.image_data_param.new_width = width


def _is_image(top: Blob) -> bool:
    return len(top.shape) == IMAGE_AXES and top.shape[1] in OF_CHANNELS


def _check_there(data: str, layer: Layer) -> None:
    """Raises NetdefError: nothing is at the path of the data."""
    if data not in BUILTIN_SIDES and not Path(data).exists():
        text = f"there is no {data}, which layer {layer.name}, of type {layer.type}{_shape(layer)}, is to read"
        also = "an HDF5 file, " if layer.type == "HDF5Data" else ""
        raise NetdefError(text, hint=f"--data takes {also}a folder with one folder a class, a list, a database, or builtin:photos")


def _shape(layer: Layer) -> str:
    return f" with {shape_text(layer.tops[0].shape)}" if layer.tops and layer.tops[0].is_sized else ""


def _database(data: str) -> str | None:
    from runtime.data.database import kind_of  # loads numba

    return kind_of(data)


def _is_hdf5(data: str) -> bool:
    from runtime.data.hdf5_records import is_hdf5_source

    return is_hdf5_source(data)
