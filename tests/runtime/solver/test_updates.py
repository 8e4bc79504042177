"""Every type of solver and what is done to gradients before it, step by step against float64 references."""

from __future__ import annotations

import numpy as np
import pytest

import netdef
import runtime
from netdef.solver_file import TYPES, TYPES_WITHOUT_MOMENTUM
from runtime.ops.update.table import ROWS, correction
from tests.runtime import reference

NET = """
layer data: Input -> data, label { shape { dim: [4, 4, 6, 6] } shape { dim: 4 } }
layer conv: Convolution(data) { num_output: 6 kernel_size: 3 group: 2 weight_filler { type: "xavier" }
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 } }
layer relu: ReLU(conv) -> conv
layer wide: InnerProduct(conv) { num_output: 48 weight_filler { type: "xavier" } param { decay_mult: 3 } param { lr_mult: 0 } }
layer fc: InnerProduct(wide) { num_output: 3 weight_filler { type: "gaussian" std: 0.3 } }
layer loss: SoftmaxWithLoss(fc, label)
"""
SOLVER = 'base_lr: 0.1 lr_policy: "exp" gamma: 0.9 weight_decay: 0.05 random_seed: 4 delta: 1e-3 momentum2: 0.9 rms_decay: 0.8 '
WAYS = [("cpu:0", None), ("cpu:0,cpu:0", "groups"), ("cpu:0,cpu:1", "batch"), ("cpu:0,cpu:0,cpu:0", "hybrid")]


def text_of(kind: str, more: str = "") -> str:
    return f'{SOLVER} type: "{kind}" {more} ' + ("" if kind in TYPES_WITHOUT_MOMENTUM else "momentum: 0.7")


class Followed:
    """A solver beside which references are computed from its own weights and gradients before each update."""

    def __init__(self, text: str, where: str = "cpu:0", split: str | None = None):
        self.solver = runtime.Solver(text, netdef.parse(NET, phase="train"), where, split=split, threads=2, keep="activations")
        random = np.random.default_rng(5)
        self.batch = {"data": random.standard_normal((4, 4, 6, 6)), "label": np.array([0, 1, 2, 1])}

    def __enter__(self) -> Followed:
        return self

    def __exit__(self, *_: object) -> None:
        self.solver.close()

    def arrays(self) -> dict[str, list[np.ndarray]]:
        """Each learned parameter's weights and histories."""
        exe, row = self.solver.executable, ROWS[self.solver.parameters.type]
        learned = [p for p in exe.net.parameters if p.lr_mult]
        return {str(p): [exe.param(p.layer.name, p.index), *(exe.state(p, name) for name in row.states)] for p in learned}

    def gradients(self) -> dict[str, np.ndarray]:
        """Of the last iteration: the mean over its batches, clipped."""
        exe, parameters = self.solver.executable, self.solver.parameters
        learned = [p for p in exe.net.parameters if p.lr_mult]
        if parameters.iter_size > 1:
            sums = {str(p): exe.state(p, "gradient_sum") for p in learned}
        else:
            sums = {str(p): exe.param_grad(p.layer.name, p.index) for p in learned}
        found = {name: array.astype(np.float64) for name, array in sums.items()}
        norm = np.sqrt(sum(np.sum(array**2) for array in found.values()))
        limit = parameters.clip_gradients
        scale = limit / norm if 0 <= limit < norm else 1
        return {name: array * scale / parameters.iter_size for name, array in found.items()}

    def expected(self, before: dict[str, list[np.ndarray]], iteration: int) -> dict[str, list[np.ndarray]]:
        """What the last update should have made of these."""
        solver, gradients = self.solver.parameters, self.gradients()
        fields = {name: getattr(solver, name) for name in ("momentum", "momentum2", "delta", "rms_decay")}
        result = {}
        for parameter in self.solver.executable.net.parameters:
            if str(parameter) not in before:
                continue
            w, *histories = (array.astype(np.float64) for array in before[str(parameter)])
            g, decay = gradients[str(parameter)], solver.weight_decay * parameter.decay_mult
            rate = own = solver.base_lr * solver.gamma**iteration
            if solver.larc:
                own = reference.larc_rate(w, g, solver.larc_eta, decay)
                rate = min(rate, own) if solver.larc_policy == "clip" else rate * own
            elif solver.local_lr_auto:
                rate *= reference.larc_rate(w, g, solver.local_gw_ratio, solver.weight_decay)
            else:
                rate *= parameter.lr_mult
            l1, fields["correction"] = solver.regularization_type == "L1", correction(solver, iteration)
            weights, kept = reference.solver_step(solver.type, w, g, histories, rate, decay, l1, **fields)
            result[str(parameter)] = [weights, *kept]
        return result

    def check(self, iterations: int = 3) -> None:
        for iteration in range(iterations):
            before = self.arrays()
            self.solver.step(1, **self.batch)
            expected, found = self.expected(before, iteration), self.arrays()
            assert set(found) == {"conv/0", "conv/1", "wide/0", "fc/0", "fc/1"}
            for name, arrays in expected.items():
                for mine, theirs in zip(found[name], arrays, strict=True):
                    np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=2e-6, err_msg=f"{name} at {iteration}")
            assert any(np.abs(found[name][0] - before[name][0]).max() > 1e-5 for name in found)


@pytest.mark.parametrize("more", ["", 'regularization_type: "L1"', "clip_gradients: 0.05 iter_size: 2"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_type(kind: str, more: str) -> None:
    with Followed(text_of(kind, more)) as followed:
        followed.check()


@pytest.mark.parametrize("kind", ["Adam", "Nesterov"])
@pytest.mark.parametrize(("where", "split"), WAYS[1:])
def test_on_several_devices(kind: str, where: str, split: str) -> None:
    with Followed(text_of(kind, "clip_gradients: 0.5 iter_size: 2"), where, split) as followed:
        followed.check()


LARC = [
    "larc: true larc_eta: 0.3",
    'larc: true larc_eta: 0.05 larc_policy: "clip"',
    "local_lr_auto: true local_gw_ratio: 0.4",
    "larc: true larc_eta: 0.3 clip_gradients: 0.05 iter_size: 2",
]


@pytest.mark.parametrize("more", LARC)
@pytest.mark.parametrize(("where", "split"), WAYS)
def test_own_rates_are_of_whole_arrays(more: str, where: str, split: str | None) -> None:
    """However many devices have regions or copies of them."""
    with Followed(text_of("SGD", more), where, split) as followed:
        followed.check()
        kernels = [one.kernel for one in followed.solver.executable.program.update]
        assert "larc_rate" in kernels


def test_own_rates_are_between_clipping_and_not() -> None:
    """With the policy clip some arrays take their own rate, and some the solver's."""
    with Followed(text_of("SGD", LARC[1])) as followed:
        solver, before = followed.solver, followed.arrays()
        solver.step(1, **followed.batch)
        gradients = followed.gradients()
        decays = {str(p): solver.parameters.weight_decay * p.decay_mult for p in solver.executable.net.parameters}
        own = [reference.larc_rate(before[name][0], g, 0.05, decays[name]) for name, g in gradients.items()]
        assert min(own) < solver.parameters.base_lr < max(own)


@pytest.mark.parametrize("kind", ["Adam", "RMSProp"])
def test_types_that_scale_each_number_have_no_own_rates(kind: str) -> None:
    with Followed(text_of(kind, "larc: true")) as followed:
        assert "larc_rate" not in [one.kernel for one in followed.solver.executable.program.update]


def test_adamw_takes_weights_that_get_no_gradient_to_zero() -> None:
    """At the rate times weight_decay, whatever its means; Adam by its rate alone."""
    norms = {}
    for kind in ("Adam", "AdamW"):
        with Followed(text_of(kind)) as followed:
            exe = followed.solver.executable
            exe.set_param("fc", 0, np.zeros((3, 48)))  # so that no gradient comes to the layers before
            before = exe.param("wide", 0)
            followed.solver.step(1, **followed.batch)
            norms[kind] = np.unique(np.round((exe.param("wide", 0) / before)[np.abs(before) > 0.05], 4))
    np.testing.assert_allclose(norms["AdamW"], [1 - 0.1 * 0.05 * 3], atol=1e-4)
    assert norms["Adam"].size > 10


def test_a_warm_up_is_followed() -> None:
    with Followed(text_of("SGD", "warmup_iter: 2")) as followed:
        before = followed.arrays()
        followed.solver.step(1, **followed.batch)
        assert all(np.array_equal(found[0], before[name][0]) for name, found in followed.arrays().items())  # a rate of 0
        one = followed.solver.iterate(**followed.batch)
        assert one.rate == pytest.approx(0.05)
