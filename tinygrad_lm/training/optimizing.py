"""The optimizer and the schedule of a training: those that the plan names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_lm import optim
from tinygrad_lm.autograd import Value
from tinygrad_lm.models.interface import TrainableModel
from tinygrad_lm.nn import Parameter
from tinygrad_lm.training.plan import Plan


def optimizer_of(model: TrainableModel, plan: Plan) -> optim.Optimizer:
    """The optimizer that a plan names, over the parameters of the model."""
    parameters = [parameter for _, parameter in model.named_parameters()]
    return optim.OPTIMIZERS[plan.optimizer](_groups(parameters), lr=plan.lr, weight_decay=plan.weight_decay)


def schedule_of(plan: Plan) -> optim.Schedule:
    """The schedule that a plan names, after its warm-up."""
    schedule = optim.SCHEDULES[plan.schedule](plan.steps - plan.warmup_steps)
    return optim.warmup(plan.warmup_steps, schedule) if plan.warmup_steps else schedule


def _groups(parameters: Sequence[Parameter | Value]) -> list[dict[str, object]]:
    """Matrices decay; vectors (biases, norms) do not, since shrinking them only shifts the output."""
    matrices = [parameter for parameter in parameters if np.ndim(parameter.data) >= 2]
    vectors = [parameter for parameter in parameters if np.ndim(parameter.data) < 2]
    groups: list[dict[str, object]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
