"""PyTorch's AlexNet in each setting that a user may choose, for tools/card.sh: what netdef is held against."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from statistics import median
from time import perf_counter
from typing import Any

from runtime.selftest.torch_alexnet import alexnet


def settings() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and settings, with and without LRN, which PyTorch computes slowly; the fastest ones first."""
    for compiled, math, channels_last, lrn in product((False, True), ("tf32", "fp32", "bf16"), (True, False), (True, False)):
        words = [
            math,
            "channels_last" if channels_last else "NCHW",
            *(["compile"] if compiled else []),
            *([] if lrn else ["no LRN"]),
        ]
        yield " ".join(words), {"math": math, "channels_last": channels_last, "compiled": compiled, "lrn": lrn}


def rates(batch: int, rounds: int, warm_up: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Images a second of each setting, or its error; nothing where PyTorch has no card."""
    try:
        import torch

        usable = torch.cuda.is_available()
    except Exception as error:  # a broken installation may raise anything
        yield "none", {"error": str(error)}
        return
    if not usable:
        yield "none", {"error": "PyTorch has no card"}
        return
    torch.backends.cudnn.benchmark = True
    for name, chosen in settings():
        try:
            yield name, {"version": torch.__version__, **one(torch, batch, rounds, warm_up, **chosen)}
        except Exception as error:
            yield name, {"error": str(error).splitlines()[0] if str(error) else type(error).__name__}


def one(
    torch: Any, batch: int, rounds: int, warm_up: float, math: str, channels_last: bool, compiled: bool, lrn: bool,
    device: str = "cuda",
) -> dict[str, float]:  # fmt: skip
    """Images a second in training with SGD and forward: medians, after a warm-up."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = math == "tf32"
    layout = torch.channels_last if channels_last else torch.contiguous_format
    net = alexnet(torch, lrn).to(device, memory_format=layout)
    images = torch.randn(batch, 3, 227, 227, device=device).to(memory_format=layout)
    labels = torch.randint(0, 1000, (batch,), device=device)
    optimiser, loss_of = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4), torch.nn.CrossEntropyLoss()
    if compiled:
        torch._dynamo.reset()  # or it would fall back to eager after a few nets of one class
    run = torch.compile(net, mode="reduce-overhead") if compiled else net

    def training() -> None:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=math == "bf16"):
            loss = loss_of(run(images), labels)
        loss.backward()
        optimiser.step()

    def forward() -> None:
        with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=math == "bf16"):
            run(images)

    found = {}
    for name, step in (("training", training), ("forward", forward)):
        net.train(name == "training")
        found[name] = batch / median(timed(torch, step, rounds, warm_up, device))
    return found


def timed(torch: Any, step: Any, rounds: int, warm_up: float, device: str) -> list[float]:
    """Seconds of a step, each time."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    step()
    wait()
    begun = perf_counter()
    while perf_counter() - begun < warm_up:
        step()
        wait()
    taken = []
    for _ in range(rounds):
        begun = perf_counter()
        for _ in range(3):
            step()
        wait()
        taken.append((perf_counter() - begun) / 3)
    return taken
