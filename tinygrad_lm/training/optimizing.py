"""The optimizer, the schedule and the loss of a training: those that the plan names, or ones of the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import signature

import numpy as np

from tinygrad_lm import optim
from tinygrad_lm.autograd import Tensor, Value
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.trainable import TrainableModel
from tinygrad_lm.nn import Parameter
from tinygrad_lm.training.plan import Plan

MakesOptimizer = Callable[[Sequence[Parameter | Value]], optim.Optimizer]


def plan_beside(plan: Plan, optimizer: object, schedule: object) -> Plan:
    """The plan of a training that is given an optimizer or a schedule, or ``None``: it leaves out what is given.

    Raises
    ------
    ValueError
        Where the plan chooses another than the default, which would be ignored.
    """
    for name, given in (("optimizer", optimizer), ("schedule", schedule)):
        if given is not None and getattr(plan, name) not in (None, getattr(Plan, name)):
            raise ValueError(
                f"{name}={getattr(plan, name)!r} in the plan says nothing where the Trainer is given {name}=...: leave "
                "one of them out"
            )
    plan = plan if optimizer is None else replace(plan, optimizer=None)
    return plan if schedule is None else replace(plan, schedule=None)


def optimizer_of(model: TrainableModel, plan: Plan, own: optim.Optimizer | MakesOptimizer | None) -> optim.Optimizer:
    """The optimizer that a plan names, or one of the user's own over parameters of the model.

    Raises
    ------
    TypeError
        For what is no optimizer and makes none.
    ValueError
        For one over other parameters, and where the plan names none and none was given.
    """
    parameters = [parameter for _, parameter in model.named_parameters()]
    if own is None:
        if plan.optimizer is None:
            raise ValueError("the plan has no optimizer (optimizer=None): give Trainer(..., optimizer=...) one")
        return optim.OPTIMIZERS[plan.optimizer](_groups(parameters), lr=plan.lr, weight_decay=plan.weight_decay)
    return _checked(own if isinstance(own, optim.Optimizer) or not callable(own) else own(parameters), parameters)


def _checked(made: object, parameters: Sequence[Parameter | Value]) -> optim.Optimizer:
    if not isinstance(made, optim.Optimizer):
        raise TypeError(
            f"optimizer is an optim.Optimizer, or a function of the parameters that makes one, not {made!r:.60}: write "
            "optimizer=lambda parameters: optim.SGD(parameters, lr=0.1)"
        )
    known = {id(parameter) for parameter in parameters}
    for parameter in made.parameters:
        if id(parameter) not in known:
            raise ValueError(
                f"the optimizer steps {parameter!r:.60}, which is no parameter of the model's: make it over "
                "model.parameters() of the model that the Trainer is given"
            )
    return made


def loss_of(model: TrainableModel, plan: Plan) -> Callable[[Array, Array], Tensor]:
    """The loss that a training lowers: the model's, of targets that are smoothed if the plan says so.

    Raises
    ------
    ValueError
        Where the model computes a loss of its own that takes no ``label_smoothing``.
    """
    if not plan.label_smoothing:
        return lambda inputs, targets: model.loss(inputs, targets)
    if "label_smoothing" not in signature(model.loss).parameters:
        raise ValueError(
            f"label_smoothing={plan.label_smoothing} says nothing to a loss of the model's own: leave it out, or write "
            f"{type(model).__name__}.loss(self, inputs, targets, label_smoothing=0.0)"
        )
    return lambda inputs, targets: model.loss(inputs, targets, label_smoothing=plan.label_smoothing)


def schedule_of(plan: Plan, own: optim.Schedule | None) -> optim.Schedule:
    """The schedule that a plan names, after its warm-up, or the user's own."""
    if own is not None:
        return own
    if plan.schedule is None:
        raise ValueError("the plan has no schedule (schedule=None): give Trainer(..., schedule=...) one")
    schedule = optim.SCHEDULES[plan.schedule](plan.steps - plan.warmup_steps)
    return optim.warmup(plan.warmup_steps, schedule) if plan.warmup_steps else schedule


def described(optimizer: optim.Optimizer) -> dict[str, object]:
    """What can be told of an optimizer in plain data: its class, its options, and those of its groups."""
    told: dict[str, object] = {"optimizer": type(optimizer).__qualname__}
    told |= {f"{name} of the optimizer": value for name, value in vars(optimizer).items() if _is_option(name, value)}
    for number, (parameters, options) in enumerate(optimizer.groups):
        told[f"the number of parameters in group {number} of the optimizer"] = len(parameters)
        told |= {f"{name} in group {number} of the optimizer": value for name, value in options.items()}
    return told


def _is_option(name: str, value: object) -> bool:
    """Whether an attribute is an option, as ``nesterov`` is; the scale is the schedule's."""
    plain = isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))
    return plain and name != "scale" and not name.startswith("_")


def _groups(parameters: Sequence[Parameter | Value]) -> list[dict[str, object]]:
    """Matrices decay; vectors (biases, norms) do not, since shrinking them only shifts the output."""
    matrices = [parameter for parameter in parameters if np.ndim(parameter.data) >= 2]
    vectors = [parameter for parameter in parameters if np.ndim(parameter.data) < 2]
    groups: list[dict[str, object]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
