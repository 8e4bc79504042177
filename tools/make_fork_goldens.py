"""Make tests/goldens/forks: what torchvision, PyTorch and OpenCV's Caffe importer compute of layer types that forks of Caffe have.

    python tools/make_fork_goldens.py        # with torch, torchvision and opencv-python-headless < 5

Each file holds a net of Input layers and one more, its inputs, outputs and gradients, in the form of tests/goldens/layers: `in_`,
`out_`, `dout_`, `din_`, `param_` by blob and number.  Inputs come from seeds.  `oracle` names what computed the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
import torchvision.ops as ops
from torch.nn import functional

from netdef import schema

FOLDER = Path(__file__).parents[1] / "tests" / "goldens" / "forks"
Arrays = dict[str, Any]


def prototxt(kind: str, fields: str, inputs: Mapping[str, Any], tops: str = "y") -> str:
    """A net of the inputs and one layer, in Caffe's own form."""
    text = "force_backward: true\n"
    for name, array in inputs.items():
        dims = " ".join(f"dim: {size}" for size in array.shape)
        text += f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n'
    bottoms = " ".join(f'bottom: "{name}"' for name in inputs)
    return text + f'layer {{ name: "op" type: "{kind}" {bottoms} top: "{tops}" {fields} }}\n'


def save(name: str, oracle: str, text: str, **arrays: Any) -> None:
    """Write a golden."""
    FOLDER.mkdir(exist_ok=True)
    held: Arrays = {
        key: np.asarray(value) if np.asarray(value).dtype == np.int64 else np.float32(value) for key, value in arrays.items()
    }
    held |= {"prototxt": np.array(text), "phase": np.array("TEST"), "oracle": np.array(oracle)}
    np.savez_compressed(FOLDER / f"{name}.npz", **held)


def by_torch(
    name: str, kind: str, fields: str, inputs: Arrays, forward: Callable[..., Any], learns: tuple[str, ...] = ("x",), **other: Any
) -> None:
    """A golden with gradients of the inputs that `learns` names."""
    given = {key: torch.tensor(value, requires_grad=key in learns) for key, value in inputs.items()}
    y = forward(*given.values())
    dy = torch.tensor(np.random.default_rng(9).standard_normal(y.shape), dtype=y.dtype)
    y.backward(dy)
    found = {f"in_{key}": value for key, value in inputs.items()} | {"out_y": y.detach().numpy(), "dout_y": dy.numpy()}
    found |= {f"din_{key}": given[key].grad.numpy() for key in learns}
    save(name, f"torch {torch.__version__}", prototxt(kind, fields, inputs), **found, **other)


def by_opencv(name: str, kind: str, fields: str, inputs: Arrays, params: tuple[Any, ...] = ()) -> None:
    """A golden of what OpenCV's importer makes of the prototxt and of weights that netdef wrote."""
    text = prototxt(kind, fields, inputs)
    with TemporaryDirectory() as folder:
        file, weights = Path(folder) / "net.prototxt", Path(folder) / "net.caffemodel"
        file.write_text(text.replace("force_backward: true\n", ""))
        message: Any = schema.message_class("NetParameter")()
        if params:
            layer = message.layer.add(name="op", type=kind)
            for values in params:
                layer.blobs.add(data=np.ravel(values)).shape.dim.extend(np.shape(np.atleast_1d(values)))
        weights.write_bytes(message.SerializeToString())
        net = cv2.dnn.readNetFromCaffe(str(file), *([str(weights)] if params else []))
        for key, value in inputs.items():
            net.setInput(value, key)
        y = net.forward()
    held = {f"in_{key}": value for key, value in inputs.items()} | {f"param_{i}": value for i, value in enumerate(params)}
    save(name, f"OpenCV {cv2.__version__}", text, **held, out_y=y)


def normal(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def regions(seed: int, count: int, images: int, height: int, width: int) -> Any:
    """Regions of all sizes, some at the edge, in pixels."""
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.uniform(0, 1, (count, 2, 2)), axis=1) * (width - 1, height - 1)
    image = rng.integers(0, images, (count, 1))
    return np.concatenate([image, corners.reshape(count, 4)], axis=1).astype(np.float32)


def pooled_regions() -> None:
    x = normal(1, 2, 5, 12, 17)
    rois = regions(2, 9, 2, 12 * 16, 17 * 16)
    for name, (h, w) in {"roi_pooling": (3, 4), "roi_pooling_7x7": (7, 7)}.items():
        fields = f"roi_pooling_param {{ pooled_h: {h} pooled_w: {w} spatial_scale: 0.0625 }}"
        by_torch(name, "ROIPooling", fields, {"x": x, "r": rois}, lambda x, r, size=(h, w): ops.roi_pool(x, r, size, 0.0625))
    for name, samples in {"roi_align": 2, "roi_align_adaptive": -1}.items():
        fields = f"roi_align_param {{ pooled_h: 3 pooled_w: 2 spatial_scale: 0.0625 sampling_ratio: {samples} }}"

        def align(x: Any, r: Any, samples: int = samples) -> Any:
            return ops.roi_align(x, r, (3, 2), 0.0625, samples, aligned=False)

        by_torch(name, "ROIAlign", fields, {"x": x, "r": rois}, align)
    first, fields = (
        rois * np.array([0, 1, 1, 1, 1], np.float32),
        "roi_pooling_param { pooled_h: 3 pooled_w: 4 spatial_scale: 0.0625 }",
    )
    by_opencv("roi_pooling_opencv", "ROIPooling", fields, {"x": x[:1], "r": first})
    wide, fields = normal(3, 1, 2 * 9, 12, 17), "psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.0625 }"
    by_opencv("psroi_pooling_opencv", "PSROIPooling", fields, {"x": wide, "r": first})
    # torchvision rounds after it scales and adds nothing to the last pixel: the same where regions end on whole pixels of x
    whole = np.round(rois / 16) * 16
    whole[:, 0], whole[:, 3:] = rois[:, 0], np.maximum(whole[:, 3:], whole[:, 1:3] + 16) - 1

    def psroi(x: Any, r: Any) -> Any:
        return ops.ps_roi_pool(x, r + torch.tensor([0, 0, 0, 1, 1]), 3, 0.0625)

    by_torch("psroi_pooling", "PSROIPooling", fields, {"x": normal(3, 2, 18, 12, 17), "r": whole}, psroi)


def resized() -> None:
    x = normal(4, 2, 3, 7, 9)
    for name, (fields, size) in {
        "interp": ("height: 13 width: 5", (13, 5)),
        "interp_zoom": ("zoom_factor: 3", (19, 25)),
        "interp_shrink": ("shrink_factor: 2", (4, 5)),
        "interp_one": ("height: 1 width: 1", (1, 1)),
    }.items():

        def larger(x: Any, size: tuple[int, int] = size) -> Any:
            return functional.interpolate(x, size, mode="bilinear", align_corners=True)

        by_torch(name, "Interp", f"interp_param {{ {fields} }}", {"x": x}, larger)
    by_opencv("interp_opencv", "Interp", "interp_param { height: 13 width: 20 }", {"x": x})
    pooled, where = functional.max_pool2d(torch.tensor(normal(5, 2, 3, 8, 10)), 2, return_indices=True)

    def unpool(x: Any, mask: Any) -> Any:
        return functional.max_unpool2d(x, mask.long(), 2)

    by_torch("upsample", "Upsample", "upsample_param { scale: 2 }", {"x": pooled.numpy(), "m": np.float32(where.numpy())}, unpool)


def losses() -> None:
    a, b, inside, outside = 2 * normal(6, 3, 8), 2 * normal(7, 3, 8), np.abs(normal(8, 3, 8)), np.abs(normal(9, 3, 8))
    for name, sigma, weights in (("smooth_l1", 1.0, {}), ("smooth_l1_sigma3", 3.0, {"u": inside, "v": outside})):

        def loss(a: Any, b: Any, *weights: Any, beta: float = 1 / sigma**2) -> Any:
            inside, outside = weights or (torch.ones_like(a),) * 2
            each = functional.smooth_l1_loss(inside * a, inside * b, reduction="none", beta=beta)
            return (outside * each).sum() / a.shape[0]

        fields = f"smooth_l1_loss_param {{ sigma: {sigma} }}"
        by_torch(name, "SmoothL1Loss", fields, {"a": a, "b": b, **weights}, loss, ("a", "b"))


def arranged() -> None:
    x = normal(10, 2, 8, 4, 6)
    by_opencv("permute", "Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }", {"x": x})
    by_opencv("permute_back", "Permute", "permute_param { order: 0 order: 3 order: 1 order: 2 }", {"x": x})
    by_opencv("relu6", "ReLU6", "", {"x": 6 * x})
    scaled = {"a": normal(11, 2, 8, 1, 1), "x": x, "z": normal(12, 2, 8, 4, 6)}
    by_torch("axpy", "Axpy", "", scaled, lambda a, x, z: a * x + z, ("a", "x", "z"))
    for name, fields, scale in (
        ("normalize", "across_spatial: false channel_shared: false", normal(13, 8)),
        ("normalize_shared", "across_spatial: false channel_shared: true", normal(14, 1)),
        ("normalize_image", "across_spatial: true channel_shared: true", normal(15, 1)),
    ):
        by_opencv(name, "Normalize", f"norm_param {{ {fields} }}", {"x": x}, (scale.reshape(-1 if len(scale) > 1 else ()),))


def boxes() -> None:
    four = "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"
    priors = {
        "prior_box": f"min_size: 30 max_size: 60 aspect_ratio: 2 flip: true clip: false {four} step: 8",
        "prior_box_clipped": "min_size: 60 max_size: 111 aspect_ratio: 2 aspect_ratio: 3 clip: true offset: 0.25 variance: 0.1",
        "prior_box_plain": f"min_size: 20 min_size: 45 aspect_ratio: 1.5 flip: false clip: false {four}",
    }
    for name, fields in priors.items():
        by_opencv(name, "PriorBox", f"prior_box_param {{ {fields} }}", {"x": normal(16, 1, 2, 3, 5), "d": normal(17, 1, 3, 40, 60)})
    rng = np.random.default_rng(18)
    low = rng.uniform(0, 0.7, (60, 2))
    corners = np.concatenate([low, low + rng.uniform(0.1, 0.3, (60, 2))], axis=1)
    prior = np.stack([corners.ravel(), np.tile([0.1, 0.1, 0.2, 0.2], 60)])[None].astype(np.float32)
    scores = rng.dirichlet([0.3] * 4, (1, 60)).astype(np.float32).reshape(1, 240)
    shared = "num_classes: 4 share_location: true background_label_id: 0 nms_param { nms_threshold: 0.45 top_k: 40 }"
    for name, fields, places in (
        ("detection_output", f"{shared} code_type: CENTER_SIZE keep_top_k: 20 confidence_threshold: 0.3", 1),
        ("detection_output_corner", f"{shared} code_type: CORNER keep_top_k: 100 confidence_threshold: 0.01", 1),
        ("detection_output_own", shared.replace("location: true", "location: false") + " code_type: CENTER_SIZE keep_top_k: 15", 4),
    ):
        moves = normal(19, 1, 60 * 4 * places)
        inputs = {"l": moves, "s": scores, "p": prior}
        by_opencv(name, "DetectionOutput", f"detection_output_param {{ {fields} }}", inputs)
    fields = "feat_stride: 16 base_size: 16 min_size: 16 ratio: 0.5 ratio: 1 ratio: 2 scale: 2 scale: 4 nms_thresh: 0.6"
    inputs = {
        "s": rng.random((1, 12, 5, 7), np.float32),
        "b": 0.3 * normal(20, 1, 24, 5, 7),
        "i": np.array([[80, 112, 1, 1]], np.float32),
    }
    by_opencv("proposal", "Proposal", f"proposal_param {{ {fields} pre_nms_topn: 80 post_nms_topn: 12 }}", inputs)
    order = ops.nms(torch.tensor(corners), torch.tensor(scores.reshape(60, 4)[:, 1]).double(), 0.3)
    np.savez_compressed(FOLDER / "nms.npz", boxes=np.float32(corners), scores=scores.reshape(60, 4)[:, 1], kept=order.numpy())


if __name__ == "__main__":
    for make in (pooled_regions, resized, losses, arranged, boxes):
        make()
    print(f"{len(list(FOLDER.glob('*.npz')))} goldens in {FOLDER}")
