"""The same network in PyTorch, if it is installed and has a card: what a user would run otherwise."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from runtime.machine.cuda.cards import first_line

WARM_UP = 5  # runs in which cuDNN looks for its fastest ways


def measure(index: int, batch: int, rounds: int, tf32: bool) -> dict[str, Any] | None:
    """Images a second of AlexNet (2012) forward and training with SGD in float32 on cuda:`index`; None without PyTorch or card.

    What goes wrong in PyTorch is an `error` in place of the rates, and no reason to lose what else was measured.

    Parameters
    ----------
    tf32: let matrix products use tensor cores.
    """
    try:
        import torch

        if not torch.cuda.is_available():
            return None
    except Exception:  # a broken installation may raise anything
        return None
    try:
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        with torch.cuda.device(index):
            rates = images_per_second(torch, torch.device("cuda", index), torch.cuda.synchronize, batch, rounds)
    except Exception as error:
        return {"version": torch.__version__, "error": first_line(error)}
    return {"version": torch.__version__, **rates}


def images_per_second(torch: Any, device: Any, synchronize: Callable[[], None], batch: int, rounds: int) -> dict[str, float]:
    """Forward and in training, on a torch.device."""
    net = alexnet(torch).to(device)
    images, labels = torch.randn(batch, 3, 227, 227, device=device), torch.randint(0, 1000, (batch,), device=device)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    loss_of = torch.nn.CrossEntropyLoss()

    def forward() -> None:
        with torch.no_grad():
            net(images)

    def training() -> None:
        optimiser.zero_grad(set_to_none=True)
        loss_of(net(images), labels).backward()
        optimiser.step()

    rates = {}
    for name, run in (("forward", forward), ("training", training)):
        net.train(name == "training")
        for _ in range(WARM_UP):
            run()
        synchronize()
        begun = perf_counter()
        for _ in range(rounds):
            run()
        synchronize()
        rates[name] = batch * rounds / (perf_counter() - begun)
    return rates


def alexnet(torch: Any, lrn: bool = True) -> Any:
    """Krizhevsky, Sutskever & Hinton 2012, groups included; lrn: normalisation too."""
    nn = torch.nn

    def convolution(inputs: int, outputs: int, *shape: int, groups: int = 1) -> list[Any]:
        size, stride, pad = shape
        return [nn.Conv2d(inputs, outputs, size, stride, pad, groups=groups), nn.ReLU(inplace=True)]

    def normalisation() -> list[Any]:
        return [nn.LocalResponseNorm(5, 5e-4, 0.75, 2)] if lrn else []

    def pool() -> Any:
        return nn.MaxPool2d(3, 2)

    return nn.Sequential(
        *convolution(3, 96, 11, 4, 0), *normalisation(), pool(),
        *convolution(96, 256, 5, 1, 2, groups=2), *normalisation(), pool(),
        *convolution(256, 384, 3, 1, 1), *convolution(384, 384, 3, 1, 1, groups=2),
        *convolution(384, 256, 3, 1, 1, groups=2), pool(),
        nn.Flatten(), nn.Linear(9216, 4096), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(inplace=True),
        nn.Dropout(), nn.Linear(4096, 1000),
    )  # fmt: skip
