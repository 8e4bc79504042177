"""Take nets to ONNX and back, and nets of torchvision in, and print how well each agrees: what is too long for the tests.

    python tools/check_exchange.py [MODEL ...]             each model, with weights by a seed: export, import, diff
    python tools/check_exchange.py --torchvision [NAME ...]  each of torchvision's nets: both ways of torch.onnx.export, import

Needs the extra `onnx`; with --torchvision, torchvision and onnxscript too: `pip install '.[onnx]' torch torchvision onnxscript`, in
an environment of its own.  Ends with 1 where one of torchvision's is refused, or does not agree with ONNX Runtime to 1e-4.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import runtime  # noqa: E402
from netdef.cli.main import run  # noqa: E402
from netdef.language.diagnostics import NetdefError  # noqa: E402
from netdef.language.find import model_names  # noqa: E402
from netdef.language.printer import print_message  # noqa: E402
from netdef.loading import load  # noqa: E402
from runtime.exchange.deployed import deployed  # noqa: E402

TORCHVISION = (
    "alexnet", "squeezenet1_0", "squeezenet1_1", "googlenet", "resnet50", "vgg16", "mobilenet_v2", "mobilenet_v3_small",
    "densenet121", "resnext50_32x4d", "inception_v3", "shufflenet_v2_x1_0",
)  # fmt: skip
SIZES = {"inception_v3": 299}
NOT_IN_ONNX = ("param", "loss_weight")  # fields of a layer that only training reads


def with_seeded_weights(net: Any, file: str) -> None:
    """Weights of the net's fillers, and statistics as a trained net has them."""
    with runtime.compile(net, "cpu", backward=False, seed=0) as exe:
        draws = np.random.default_rng(0)
        for one in exe.net.parameters:
            if one.layer.type == "BatchNorm":
                made = [draws.normal(0, 0.5, one.shape), draws.uniform(0.5, 1.5, one.shape), np.ones(1)][min(one.index, 2)]
                exe.set_param(one.layer.name, one.index, made.reshape(one.shape))
            elif one.layer.type == "Scale":
                exe.set_param(one.layer.name, one.index, draws.uniform(0.2, 0.6, one.shape))
        exe.save_weights(file)


def without_training(message: Any) -> str:
    """The net's text without what only training reads, which ONNX does not hold."""
    for layer in message.layer:
        for field in NOT_IN_ONNX:
            layer.ClearField(field)
        for _, inner in layer.ListFields():
            for field in (getattr(inner, "DESCRIPTOR", None) and inner.DESCRIPTOR.fields_by_name) or ():
                if field.endswith("filler") and layer.type != "DummyData":
                    inner.ClearField(field)
    return print_message(message)


def there_and_back(name: str) -> None:
    """Export a model, import what was written, compare the texts."""
    net = load(name, phase="test")
    try:
        net = load(name, phase="test", batch_size=1)
    except NetdefError:
        print(f"{name}: with its own batch of {net.batch}")
    whole = deployed(net).net
    with_seeded_weights(whole, "a.caffemodel")
    Path("a.prototxt").write_text(without_training(whole.message))
    if run(["export", "a.prototxt", "--weights", "a.caffemodel", "-o", "x.onnx"]):
        return
    if not run(["import", "x.onnx", "-o", "b.prototxt", "--weights", "b.caffemodel"]):
        run(["diff", "a.prototxt", "b.prototxt", "--phase", "test"])


def of_torchvision(name: str) -> int:
    """Export one of torchvision's nets with weights by a seed, and import it.  How many of both exports were not taken."""
    import torch
    import torchvision

    torch.manual_seed(0)
    more = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    module = getattr(torchvision.models, name)(weights=None, **more).eval()
    for one in module.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            one.running_mean.normal_(0, 0.1)
            one.running_var.uniform_(0.5, 1.5)
    size = SIZES.get(name, 224)
    images = torch.randn(1, 3, size, size)
    names: dict[str, Any] = {"input_names": ["data"], "output_names": ["scores"]}
    failed = 0
    for dynamo in (False, True):
        print("by dynamo:" if dynamo else "by tracing:", flush=True)
        torch.onnx.export(module, (images,), "x.onnx", dynamo=dynamo, opset_version=18 if dynamo else 17, verbose=False, **names)
        failed += run(["import", "x.onnx", "-o", f"x{dynamo}.prototxt", "--weights", f"x{dynamo}.caffemodel"]) != 0
    return failed


def main(arguments: list[str]) -> int:
    import os

    outside, failed = arguments[:1] == ["--torchvision"], 0
    for name in arguments[1:] or TORCHVISION if outside else arguments or model_names():
        print(f"== {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            if outside:
                failed += of_torchvision(name)
            else:
                there_and_back(name)
            os.chdir(ROOT)
    if outside:
        print(f"{failed} exports were not taken" if failed else "all agree")
    return failed > 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
