"""Updates that make the gradient of fully connected weights: the weights that both apart give, and where they stay apart."""

from typing import Any

import numpy as np
import pytest

import netdef
from netdef.language import read_text
from netdef.language.diagnostics import NetdefError
from runtime.compiler.pipeline import compile_program
from runtime.ops.update.table import OF_PRODUCT, ROWS
from runtime.solver.solver import Solver
from runtime.solver.update import plain_update

NET = """
layer data: Input -> data, label {{ input_param {{ shape {{ dim: {batch} dim: 70 }} shape {{ dim: {batch} }} }} }}
layer fc1: InnerProduct(data) {{ num_output: 37 weight_filler {{ type: "xavier" }} {settings} }}
layer relu: ReLU(fc1) -> fc1
layer fc2: InnerProduct(fc1) {{ num_output: 3 weight_filler {{ type: "xavier" }} {settings} }}
layer loss: SoftmaxWithLoss(fc2, label)
"""


def net_of(batch: int = 5, settings: str = "") -> Any:
    return netdef.parse(NET.format(batch=batch, settings=settings), phase="train")


def solver_of(net: Any, keep: str, settings: str = "", threads: int = 2) -> Solver:
    text = f"base_lr: 0.1 lr_policy: 'fixed' weight_decay: 0.01 max_iter: 9 random_seed: 3 {settings}"
    return Solver(read_text(text, "s", "SolverParameter"), net=net, keep=keep, threads=threads)


def trained(net: Any, keep: str, settings: str, threads: int = 2) -> tuple[list[np.ndarray], set[str]]:
    random = np.random.default_rng(1)
    with solver_of(net, keep, settings, threads) as solver:
        for _ in range(3):
            batch = net.batch or 1
            solver.step(1, data=random.standard_normal((batch, 70)), label=random.integers(0, 3, batch))
        kernels = {one.kernel for one in solver.executable.program.update}
        return [solver.executable.param(p.layer.name, p.index) for p in net.parameters], kernels


@pytest.mark.parametrize(
    "kind", ["SGD", "AdamW", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ROWS if kind not in ("SGD", "AdamW"))]
)
def test_weights_are_those_of_both_apart(kind: str) -> None:
    for batch, settings in ((5, ""), (1, "regularization_type: 'L1'")):
        net, given = (
            net_of(batch),
            f"type: '{kind}' delta: 0.001 {settings}" + (" momentum: 0.9" if kind in ("SGD", "Adam") else ""),
        )
        fused, kernels = trained(net, "outputs", given)
        apart, others = trained(net, "all", given)
        assert ROWS[kind].kernel + OF_PRODUCT in kernels and not any(name.endswith(OF_PRODUCT) for name in others)
        for one, other in zip(fused, apart, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_threads_change_no_bit() -> None:
    one, _ = trained(net_of(), "outputs", "momentum: 0.9", threads=1)
    many, _ = trained(net_of(), "outputs", "momentum: 0.9", threads=7)
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("settings", ["iter_size: 2", "clip_gradients: 1", "larc: true momentum: 0.9"])
def test_gradients_that_others_read_stay(settings: str) -> None:
    with solver_of(net_of(), "outputs", settings) as solver:
        assert not any(one.kernel.endswith(OF_PRODUCT) for one in solver.executable.program.update)


@pytest.mark.parametrize(
    ("net", "options"),
    [
        (net_of(settings="transpose: true"), {}),
        (net_of(settings="param { lr_mult: 0 }"), {}),
        (net_of(), {"keep": "activations"}),
        (net_of(), {"cards": True}),
        (net_of(), {"devices": 2}),
    ],
)
def test_where_they_stay_apart(net: Any, options: dict[str, Any]) -> None:
    update = plain_update(net)
    program = compile_program(net, **{"keep": "outputs", "losses_only": True, "update": update, **options})
    assert program.update and not any(one.kernel.endswith(OF_PRODUCT) for one in program.update)


def test_weights_of_two_layers_stay_apart() -> None:
    text = NET.format(batch=5, settings="").replace(
        "layer loss", 'layer fc3: InnerProduct(fc1) { num_output: 3 param { name: "w" } }\nlayer sum: Eltwise(fc2, fc3)\nlayer loss'
    )
    text = text.replace("num_output: 3 weight", 'num_output: 3 param { name: "w" } weight').replace("Loss(fc2", "Loss(sum")
    with solver_of(netdef.parse(text, phase="train"), "outputs") as solver:
        update = solver.executable.program.update
        fused = [one.layer for one in update if one.kernel.endswith(OF_PRODUCT)]
        assert fused == ["fc1"]


def test_a_gradient_that_is_not_kept_says_how_to_keep_it() -> None:
    with solver_of(net_of(), "outputs") as solver:
        solver.step(1, data=np.zeros((5, 70)), label=np.zeros(5))
        with pytest.raises(NetdefError, match="is not computed") as raised:
            solver.executable.param_grad("fc1", 0)
        assert 'keep="activations"' in raised.value.diagnostics[0].hint
        assert solver.executable.param_grad("fc1", 1).shape == (37,)


def test_backward_alone_changes_no_weight() -> None:
    with solver_of(net_of(), "outputs") as solver:
        executable = solver.executable
        executable.forward(data=np.ones((5, 70)), label=np.zeros(5))
        before = executable.param("fc1", 0)
        executable.backward()
        np.testing.assert_array_equal(executable.param("fc1", 0), before)


def test_an_update_that_is_not_behind_backward_is_refused() -> None:
    random = np.random.default_rng(1)
    batch = {"data": random.standard_normal((5, 70)), "label": np.zeros(5)}
    with solver_of(net_of(), "outputs") as solver:
        executable = solver.executable
        executable.forward(**batch)
        executable.backward()
        executable.forward(**batch)
        with pytest.raises(NetdefError, match="of what backward left"):
            executable.update()


def test_many_images_stay_apart() -> None:
    """The sum of a block would leave the cache."""
    for batch, fused in ((512, True), (513, False)):
        net = net_of(batch)
        program = compile_program(net, keep="outputs", losses_only=True, update=plain_update(net))
        assert any(one.kernel.endswith(OF_PRODUCT) for one in program.update) == fused


@pytest.mark.parametrize("cards", [False, True])
def test_graphics_cards_have_no_such_update(cards: bool) -> None:
    """Also where nothing is fused for them."""
    net = net_of()
    program = compile_program(net, keep="outputs", losses_only=True, update=plain_update(net), cards=cards, apart=True)
    assert not any(one.kernel.endswith(OF_PRODUCT) for one in program.update)
