"""LSTM, RNN and LSTMUnit beside loops in float64: sequences that begin anywhere, states that are kept or given, static inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

import netdef
import runtime

Array = np.ndarray
SHAPES = [(1, 1, 1), (5, 3, 6), (4, 1, 2, 3), (3, 33, 5)]  # time steps, streams, inputs
D = 4


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def unit(cell: Array, gates: Array, cont: Array) -> tuple[Array, Array]:
    """One time step of an LSTM: cell (N, D), gates (N, 4 D), cont (N,)."""
    i, f, o, g = np.split(gates, 4, -1)
    cell = cont[:, None] * sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    return cell, sigmoid(o) * np.tanh(cell)


def lstm(w: list[Array], x: Array, cont: Array, static: Array | None, states: list[Array]) -> tuple[Array, list[Array]]:
    (h, c), output = states, []
    for t in range(len(x)):
        gates = x[t] @ w[0].T + w[1] + (cont[t][:, None] * h) @ w[-1].T + (0 if static is None else static @ w[2].T)
        c, h = unit(c, gates, cont[t])
        output.append(h)
    return np.stack(output), [h, c]


def rnn(w: list[Array], x: Array, cont: Array, static: Array | None, states: list[Array]) -> tuple[Array, list[Array]]:
    (h,), output = states, []
    for t in range(len(x)):
        added = 0 if static is None else static @ w[2].T
        h = np.tanh(x[t] @ w[0].T + w[1] + (cont[t][:, None] * h) @ w[-3].T + added)
        output.append(np.tanh(h @ w[-2].T + w[-1]))
    return np.stack(output), [h]


KINDS = {"LSTM": (lstm, 2), "RNN": (rnn, 1)}


def net(kind: str, given: Mapping[str, Array], exposed: bool) -> netdef.Net:
    made = " ".join(f"layer {n}: Input {{ shape {{ {' '.join(f'dim: {d}' for d in a.shape)} }} }}" for n, a in given.items())
    tops = ", ".join(["y", *(f"after{index}" for index in range(KINDS[kind][1] if exposed else 0))])
    fields = f"num_output: {D} expose_hidden: {str(exposed).lower()} weight_filler {{ type: 'uniform' min: -1 }}"
    fields += " bias_filler { type: 'uniform' }"
    return netdef.parse(f"{made} layer op: {kind}({', '.join(given)}) -> {tops} {{ {fields} }}", phase="train")


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:0"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("static", [False, True], ids=["", "static"])
@pytest.mark.parametrize("exposed", [False, True], ids=["", "exposed"])
@pytest.mark.parametrize("kind", KINDS)
def test_two_runs(kind: str, exposed: bool, static: bool, shape: tuple[int, ...], devices: str) -> None:
    """The second run goes on where the first one ended, unless the states are given."""
    (function, count), rng, N = KINDS[kind], np.random.default_rng(1), shape[1]
    states = [np.zeros((N, D)) for _ in range(count)]
    first = {f"h{index}": rng.standard_normal((1, N, D)) for index in range(count if exposed else 0)}
    s = rng.standard_normal((N, 2, 3))
    given = {"x": rng.standard_normal(shape), "cont": rng.integers(0, 2, shape[:2])} | ({"s": s} if static else {}) | first
    with runtime.compile(net(kind, given, exposed), devices, threads=7) as exe:
        w = [exe.param("op", p.index).astype(np.float64) for p in exe.net.parameters]
        for cont in (given["cont"], np.ones(shape[:2])):
            made = exe.forward(**{**given, "cont": cont})
            if exposed:
                states = [before[0] for before in first.values()]
            x = given["x"].reshape(*shape[:2], -1)
            want, states = function(w, x, cont, s.reshape(N, -1) if static else None, states)
            np.testing.assert_allclose(made["y"], want, rtol=1e-5, atol=1e-5)
            for index, state in enumerate(states if exposed else ()):
                np.testing.assert_allclose(made[f"after{index}"], state[None], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("N", [1, 5, 64])
def test_one_time_step(N: int) -> None:
    rng = np.random.default_rng(1)
    given = {"c": rng.standard_normal((1, N, D)), "g": 3 * rng.standard_normal((1, N, 4 * D)), "s": rng.integers(0, 2, (1, N))}
    made = " ".join(f"layer {n}: Input {{ shape {{ {' '.join(f'dim: {d}' for d in a.shape)} }} }}" for n, a in given.items())
    with runtime.compile(netdef.parse(f"{made} layer op: LSTMUnit(c, g, s) -> cell, hidden"), threads=7) as exe:
        made_of = exe.forward(**given)
    cell, hidden = unit(given["c"][0], given["g"][0], given["s"][0])
    np.testing.assert_allclose(made_of["cell"], cell[None], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made_of["hidden"], hidden[None], rtol=1e-5, atol=1e-6)


def test_a_sequence_that_begins_forgets_the_cell_and_hides_no_nan() -> None:
    given = {"c": np.full((1, 1, 1), 2.0), "g": np.zeros((1, 1, 4)), "s": np.zeros((1, 1))}
    made = " ".join(f"layer {n}: Input {{ shape {{ {' '.join(f'dim: {d}' for d in a.shape)} }} }}" for n, a in given.items())
    with runtime.compile(netdef.parse(f"{made} layer op: LSTMUnit(c, g, s) -> cell, hidden")) as exe:
        assert exe.forward(**given)["cell"] == 0
        assert np.isnan(exe.forward(**{**given, "g": np.full((1, 1, 4), np.nan)})["cell"])


def test_products_over_all_time_steps_are_one() -> None:
    given = {"x": np.zeros((20, 3, 5)), "cont": np.zeros((20, 3))}
    program = runtime.compile_program(net("LSTM", given, False))
    assert [one.kernel for one in program.forward].count("inner_product") == 1 + 20
    assert [one.kernel for one in program.backward].count("inner_product_weight_gradient") == 2
    assert sum(one.macs for one in program.forward) >= program.net.layer("op").macs
