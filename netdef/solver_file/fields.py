"""Fields of a solver: the values that they may have, and which have no effect."""

from __future__ import annotations

from typing import Any

from netdef.schema import is_repeated

TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW")
TYPES_WITHOUT_MOMENTUM = ("AdaGrad", "RMSProp")
REGULARIZATIONS = ("L1", "L2")
LARC_POLICIES = ("scale", "clip")
LARC_TYPES = ("SGD", "Nesterov")
POLICIES: dict[str, tuple[str, ...]] = {  # fields that each needs, in addition to base_lr
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power", "max_iter"),
    "sigmoid": ("gamma", "stepsize"),
    "plateau": ("gamma", "test_interval"),
    "cosine": ("max_iter",),
    "multifixed": ("stagelr", "stageiter"),
}
WARM_UPS = {"warmup_iter": "warmup_start_lr", "rampup_interval": "rampup_lr"}  # length, first rate
NETS = ("net", "net_param", "train_net", "train_net_param")
AT_LEAST = {"iter_size": 1, "average_loss": 1, "stepsize": 1, "max_iter": 0, "test_interval": 0, "snapshot": 0,
            "display": 0, "momentum": 0, "weight_decay": 0, "plateau_patience": 1, "plateau_max": 0, "momentum2": 0,
            "rms_decay": 0, "delta": 0, "warmup_iter": 0, "warmup_start_lr": 0, "rampup_interval": 0, "rampup_lr": 0, "min_lr": 0,
            "larc_eta": 0, "local_gw_ratio": 0}  # fmt: skip
BELOW_ONE = {"Adam": ("momentum", "momentum2"), "AdamW": ("momentum", "momentum2"), "RMSProp": ("rms_decay",)}

# Fields of Caffe and of forks that have no effect, and what holds instead.
WITHOUT_EFFECT = {
    "debug_info": "a loss that is not finite names its layer by itself",
    "snapshot_diff": "gradients are not written",
    "eval_type": "tests show the outputs of the test net",
    "ap_version": "no average precision is computed",
    "show_per_class_result": "an Accuracy layer with a second top shows each class",
    "plateau_winsize": "the policy plateau counts tests: plateau_patience",
    "momentum_policy": "momentum stays",
    "max_momentum": "momentum stays",
    "momentum_power": "momentum stays",
    "weight_decay_policy": "weight_decay stays",
    "weight_decay_power": "weight_decay stays",
    "max_weight_decay": "weight_decay stays",
    "larc_turbo": "LARC's rate depends only on the norms",
    "solver_data_type": "all numbers are float32",
    "default_forward_type": "all numbers are float32",
    "default_backward_type": "all numbers are float32",
    "default_forward_math": "all numbers are float32",
    "default_backward_math": "all numbers are float32",
    "test_and_snapshot_last_epochs": "test_interval and snapshot hold to the end",
    "max_epoch": "max_iter ends training",
    "epoch_size": "iterations are counted, not epochs",
    "test_epoch_size": "test_iter counts the batches of a test",
    "test_interval_epoch": "test_interval counts iterations",
    "test_offset": "the first test comes at iteration 0, or after test_interval",
    "disabled_update": "weights are updated",
    "engine": "--devices says what computes",
}


def is_given(solver: Any, field: str) -> bool:
    """Whether a SolverParameter sets a field."""
    value = getattr(solver, field)
    return len(value) > 0 if is_repeated(solver.DESCRIPTOR.fields_by_name[field]) else solver.HasField(field)


def device_of(solver: Any) -> int:
    """The graphics card that a SolverParameter names, the first of several."""
    return solver.device_id[0] if solver.device_id else 0


def devices_left_out(solver: Any) -> tuple[str, str]:
    """What a SolverParameter loses that names several cards, and what to do; two empty texts where it names one."""
    if len(solver.device_id) < 2:
        return "", ""
    several = ",".join(f"gpu:{card}" for card in solver.device_id)
    return (
        f"of {len(solver.device_id)} device_id only the first, {device_of(solver)}, is used",
        f"--devices {several} trains on all",
    )


def without_effect(solver: Any) -> dict[str, str]:
    """The fields without effect that a SolverParameter sets to other values than their defaults; each with what holds instead."""
    fields = solver.DESCRIPTOR.fields_by_name
    return {
        name: why
        for name, why in WITHOUT_EFFECT.items()
        if is_given(solver, name) and (is_repeated(fields[name]) or getattr(solver, name) != fields[name].default_value)
    }
