"""The training loop: batches, steps, the best validation weights kept, stopping cleanly, and resuming exactly."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_lm import optim
from tinygrad_lm.models.interface import Array, TrainableModel
from tinygrad_lm.text import DataError


class TrainingError(ArithmeticError):
    """The training cannot go on: the loss is no longer a number. The best weights so far are kept."""


@dataclass(frozen=True)
class Plan:
    """How to train. ``ValueError`` names a setting that is out of range."""

    steps: int
    batch_size: int = 64
    lr: float = 3e-3
    optimizer: str = "adamw"
    schedule: str = "cosine"
    weight_decay: float = 0.06
    seed: int = 0
    evaluate_every: int = 250

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "evaluate_every", "seed"):
            value = getattr(self, name)
            low = 0 if name == "seed" else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ValueError(f"{name} is a whole number from {low}, not {value!r}")
        if not 0 <= self.lr < math.inf or not 0 <= self.weight_decay < math.inf:
            raise ValueError(
                f"lr and weight_decay are finite numbers from 0, not {self.lr!r} and {self.weight_decay!r}"
            )
        if self.optimizer not in optim.OPTIMIZERS:
            raise ValueError(f"optimizer is one of {', '.join(optim.OPTIMIZERS)}, not {self.optimizer!r}")
        if self.schedule not in optim.SCHEDULES:
            raise ValueError(f"schedule is one of {', '.join(optim.SCHEDULES)}, not {self.schedule!r}")

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The settings from plain data. Raises ``ValueError`` for unknown, missing or bad ones."""
        names = {field.name for field in fields(cls)}
        if set(data) != names:
            raise ValueError(
                f"a training plan has the settings {', '.join(sorted(names))}, not {', '.join(sorted(data))}"
            )
        return cls(**data)


@dataclass(frozen=True)
class Report:
    """Where the training stands after an evaluation."""

    step: int
    train_loss: float
    """The mean loss of the batches since the last report, in nats a character."""
    validation_loss: float
    lr: float
    seconds: float
    """Time spent training so far."""


class Trainer:
    """Trains a model by a plan: ``run`` steps until the plan is done or ``stop`` is set.

    Batches are drawn with replacement from one generator, so that the same seed gives the same run, and a run
    that was saved with ``state`` and taken up with ``resume`` ends with the same bytes as one in a single go.
    """

    def __init__(self, model: TrainableModel, train: Sequence[str], validation: Sequence[str], plan: Plan) -> None:
        self.model = model
        self.plan = plan
        self.validation = tuple(validation)
        self.examples = model.examples(train)
        if plan.batch_size > len(self.examples):
            raise DataError(
                f"a batch of {plan.batch_size} is larger than the training data, which has {len(self.examples)} "
                f"examples; choose a batch size of at most {len(self.examples)}, or give more names"
            )
        self.rng = np.random.Generator(np.random.PCG64(plan.seed))
        parameters = _groups(model)
        options: dict[str, Any] = {"lr": plan.lr, "weight_decay": plan.weight_decay}
        self.optimizer = optim.OPTIMIZERS[plan.optimizer](parameters, **options)
        self.schedule = optim.SCHEDULES[plan.schedule](plan.steps)
        self.step = 0
        self.seconds = 0.0
        self.best_loss = math.inf
        self.best_step = 0
        self.best: dict[str, Array] = model.state_dict()
        self.stop = False
        self._loss_sum, self._loss_count = 0.0, 0  # since the last report

    def run(self, on_step: Callable[[int, float], None], on_report: Callable[[Report], None]) -> None:
        """Train. ``on_step(step, loss)`` after each step, ``on_report`` after each evaluation.

        Raises ``TrainingError`` naming the step where the loss is nan or inf; the model then has its best weights.
        """
        started = time.perf_counter() - self.seconds
        while self.step < self.plan.steps and not self.stop:
            with np.errstate(over="ignore", invalid="ignore"):  # the loss says it
                loss = self._train_step()
            self.step += 1
            self._loss_sum += loss
            self._loss_count += 1
            on_step(self.step, loss)
            if self.step % self.plan.evaluate_every == 0 or self.step == self.plan.steps:
                self.seconds = time.perf_counter() - started
                on_report(self._evaluate())
        self.seconds = time.perf_counter() - started

    def _train_step(self) -> float:
        self.optimizer.scale = self.schedule(self.step)
        inputs, targets = self.examples.sample(self.plan.batch_size, self.rng)
        self.optimizer.zero_grad()
        node = self.model.loss(inputs, targets)
        loss = node.item()
        if not math.isfinite(loss):
            self._fail(f"the loss became {loss} at step {self.step + 1}")
        node.backward(retain_graph=False)
        self.optimizer.step()
        return loss

    def _evaluate(self) -> Report:
        train_loss = self._loss_sum / self._loss_count
        self._loss_sum, self._loss_count = 0.0, 0
        loss = self.model.evaluate(self.validation).loss
        if not math.isfinite(loss):
            self._fail(f"the validation loss became {loss} after step {self.step}")
        if loss < self.best_loss:
            self.best_loss, self.best_step, self.best = loss, self.step, self.model.state_dict()
        return Report(self.step, train_loss, loss, self.plan.lr * self.optimizer.scale, self.seconds)

    def _fail(self, what: str) -> None:
        self.restore_best()
        raise TrainingError(
            f"{what}, so the training stopped; the weights of step {self.best_step} are kept. "
            f"Try a smaller learning rate than {self.plan.lr:g}"
        )

    def restore_best(self) -> None:
        """Put the weights with the lowest validation loss into the model."""
        self.model.load_state_dict(self.best)

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """All that ``resume`` needs: arrays, and plain data for JSON."""
        arrays = {f"model.{name}": array for name, array in self.model.state_dict().items()}
        arrays |= {f"best.{name}": array for name, array in self.best.items()}
        arrays |= {f"optimizer.{name}": array for name, array in self.optimizer.state_arrays().items()}
        return arrays, {
            "step": self.step,
            "seconds": self.seconds,
            "best_loss": self.best_loss if math.isfinite(self.best_loss) else None,
            "best_step": self.best_step,
            "loss_sum": self._loss_sum,
            "loss_count": self._loss_count,
            "generator": self.rng.bit_generator.state,
        }

    def resume(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Take up where ``state`` left off. Raises a ``ValueError``, ``KeyError`` or ``TypeError`` otherwise."""
        parts: dict[str, dict[str, Array]] = {"model": {}, "best": {}, "optimizer": {}}
        for name, array in arrays.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = array
        step = data["step"]
        if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step <= self.plan.steps:
            raise ValueError(f"step {step!r} is not one of the plan's {self.plan.steps}")
        stepped = {name.partition(".")[0] for name in parts["optimizer"]}
        if step and len(stepped) < len(self.optimizer.parameters):
            raise ValueError("the optimizer's state is missing, or a part of it")
        self.model.load_state_dict(parts["best"])
        self.best = self.model.state_dict()
        self.model.load_state_dict(parts["model"])
        self.optimizer.load_state_arrays(parts["optimizer"])
        self.rng.bit_generator.state = data["generator"]
        self.step, self.seconds, self.best_step = step, float(data["seconds"]), int(data["best_step"])
        self.best_loss = math.inf if data["best_loss"] is None else float(data["best_loss"])
        self._loss_sum, self._loss_count = float(data["loss_sum"]), int(data["loss_count"])


def _groups(model: TrainableModel) -> list[dict[str, Any]]:
    """Matrices decay; vectors (biases, norms) do not, since shrinking them only shifts the output."""
    parameters = [parameter for _, parameter in model.named_parameters()]
    matrices = [parameter for parameter in parameters if parameter.ndim >= 2]
    vectors = [parameter for parameter in parameters if parameter.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


@contextmanager
def stopping_on_signals(trainer: Trainer) -> Generator[None]:
    """Within, Ctrl-C (SIGTERM, SIGHUP) lets the step under way finish, then stops; a second one interrupts at once.

    A signal that is ignored, as nohup and a shell's background jobs do, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if trainer.stop:
            raise KeyboardInterrupt
        trainer.stop = True

    # Windows has no SIGHUP, which a terminal sends when it closes.
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    earlier = {number: signal.getsignal(number) for number in numbers}
    # None is a handler of another language, which could not be put back.
    heard = [number for number, handler in earlier.items() if handler not in (signal.SIG_IGN, None)]
    for number in heard:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, earlier[number])
