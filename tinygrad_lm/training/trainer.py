"""The training loop: batches, steps, the best validation weights kept, stopping cleanly, and resuming exactly."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lm import optim, progress
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.interrupts import Later
from tinygrad_lm.models.interface import TrainableModel, whole_entry
from tinygrad_lm.nn import evaluating, learning
from tinygrad_lm.text import DataError
from tinygrad_lm.training.plan import MOST, Plan, finite_number
from tinygrad_lm.training.report import Report, TrainingError


class Trainer:
    """Trains a model by a plan: ``run`` steps until the plan is done or ``stop`` is set.

    ``resume`` takes up a state of the same plan and names alone, but for the number of steps, which may have grown:
    the schedule then runs over the new total from the step reached, so a rate that had fallen to 0 jumps up again.

    Batches are drawn with replacement from one generator, so that the same seed gives the same run, and a run
    that was saved with ``state`` and taken up with ``resume`` ends with the same bytes as one in a single go.
    Random layers of the model's own (Dropout) have their own generators, which are no part of that state.

    Attributes
    ----------
    model
        What is trained; after ``run`` it has the weights of the last step (see ``restore_best``).
    step
        How many steps are done.
    seconds
        The time spent training.
    history
        The reports so far, one for each evaluation.
    best_loss, best_step
        The lowest validation loss, and after which step it was.
    stop
        Set it to let ``run`` end after the step under way.
    """

    def __init__(self, model: TrainableModel, train: Sequence[str], validation: Sequence[str], plan: Plan) -> None:
        self.model = model
        self.plan = plan
        self.validation = tuple(validation)
        self.fingerprint = fingerprint((*train, "", *validation))  # no name is empty: the border counts
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
        self.history: list[Report] = []
        self.stop = False
        self._loss_sum, self._loss_count = 0.0, 0  # since the last report

    def __repr__(self) -> str:
        best = f"; best validation loss {self.best_loss:.3f} at step {self.best_step:,}" if self.history else ""
        return f"Trainer({type(self.model).__name__}: step {self.step:,} of {self.plan.steps:,}{best})"

    def run(
        self,
        on_step: Callable[[int, float], None] | None = None,
        on_report: Callable[[Report], None] | None = None,
        *,
        progress: bool | None = None,
    ) -> None:
        """Train to the end of the plan, or until ``stop`` is set.

        A bar shows how far it is, in a terminal and in a notebook (``progress`` True or False: always or never);
        where nothing is left to do, a sentence says so. ``on_step(step, loss)`` is called after each step,
        ``on_report`` after each evaluation. The model is in training mode meanwhile, and BLAS runs on one thread.

        Raises ``TrainingError`` naming the step where the loss is nan or inf; the model then has its best weights.
        Ctrl-C raises ``KeyboardInterrupt`` after the step under way, a second one at once. After any exception in a
        batch, a loss, an evaluation or a callback another ``run`` goes on as if nothing had happened.
        """
        if not self._is_due() and (self.stop or self.step == self.plan.steps):
            if progress is not False:
                print(self._why_idle(), file=sys.stderr)
            return
        started = time.perf_counter() - self.seconds
        try:
            with learning(self.model), _on_one_thread(), Later(second_at_once=True) as interrupt:
                self._run(started, on_step, on_report, progress, interrupt)
        finally:
            self.seconds = time.perf_counter() - started

    def _run(
        self,
        started: float,
        on_step: Callable[[int, float], None] | None,
        on_report: Callable[[Report], None] | None,
        show: bool | None,
        interrupt: Later,
    ) -> None:
        with progress.bar(self.plan.steps, self.step, show) as bar:
            while True:
                if self._is_due():
                    report = self._evaluate(started)
                    bar.set_description_str(progress.losses(report.train_loss, report.validation_loss))
                    if on_report is not None:
                        on_report(report)
                if self.step == self.plan.steps or self.stop or interrupt.heard:
                    return
                with np.errstate(over="ignore", invalid="ignore"):  # the loss says it
                    loss = self._train_step()
                self.step += 1
                self._loss_sum += loss
                self._loss_count += 1
                bar.update()
                if on_step is not None:
                    on_step(self.step, loss)

    def _is_due(self) -> bool:
        """Whether an evaluation comes next; steps were made since the last."""
        last = self.step == self.plan.steps
        return self._loss_count > 0 and (last or self.step % self.plan.evaluate_every == 0)

    def _why_idle(self) -> str:
        if self.step == self.plan.steps:
            return (
                f"nothing is left to do: all {self.step:,} steps of the plan are done; "
                "for more, make a Trainer of the same model with another Plan(steps=...)"
            )
        return (
            f"nothing was done: the training was stopped at step {self.step:,} of {self.plan.steps:,}; "
            "to go on, set trainer.stop = False and run it again"
        )

    def _train_step(self) -> float:
        self.optimizer.scale = self.schedule(self.step)
        before = self.rng.bit_generator.state
        try:
            inputs, targets = self.examples.sample(self.plan.batch_size, self.rng)
            self.optimizer.zero_grad()
            node = self.model.loss(inputs, targets)
            loss = node.item()
            if not math.isfinite(loss):
                self._fail(f"the loss became {loss} at step {self.step + 1}")
            node.backward(retain_graph=False)
            self.optimizer.step()
        except BaseException:
            self.rng.bit_generator.state = before  # the step was not made: the next one has the same batch
            raise
        return loss

    def _evaluate(self, started: float) -> Report:
        self.seconds = time.perf_counter() - started
        with evaluating(self.model):
            loss = self.model.evaluate(self.validation).loss
        train_loss = self._loss_sum / self._loss_count
        self._loss_sum, self._loss_count = 0.0, 0
        if not math.isfinite(loss):
            self._fail(f"the validation loss became {loss} after step {self.step}")
        if loss < self.best_loss:
            self.best_loss, self.best_step, self.best = loss, self.step, self.model.state_dict()
        report = Report(self.step, train_loss, loss, self.plan.lr * self.optimizer.scale, self.seconds)
        self.history.append(report)
        return report

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
            "plan": self.plan.to_json(),
            "fingerprint": self.fingerprint,
        }

    def resume(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Take up where ``state`` left off. Raises a ``ValueError``, ``KeyError`` or ``TypeError`` otherwise."""
        self._check_same_training(data)
        parts: dict[str, dict[str, Array]] = {"model": {}, "best": {}, "optimizer": {}}
        for name, array in arrays.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = array
        step = whole_entry(data, "step", 0, MOST)
        if step > self.plan.steps:
            raise ValueError(f"step {step} is not one of the plan's {self.plan.steps}")
        best_step, loss_count = (whole_entry(data, name, 0, step) for name in ("best_step", "loss_count"))
        seconds, loss_sum = finite_number(data, "seconds", 0), finite_number(data, "loss_sum")
        best_loss = math.inf if data["best_loss"] is None else finite_number(data, "best_loss")
        stepped = {name.partition(".")[0] for name in parts["optimizer"]}
        if step and len(stepped) < len(self.optimizer.parameters):
            raise ValueError("the optimizer's state is missing, or a part of it")
        self.rng.bit_generator.state = data["generator"]
        if self.rng.bit_generator.state != data["generator"]:
            raise ValueError("the state of the random generator is none that it can have")
        self.model.load_state_dict(parts["best"])
        self.best = self.model.state_dict()
        self.model.load_state_dict(parts["model"])
        self.optimizer.load_state_arrays(parts["optimizer"])
        self.step, self.seconds, self.best_loss, self.best_step = step, seconds, best_loss, best_step
        self._loss_sum, self._loss_count = loss_sum, loss_count

    def _check_same_training(self, data: Mapping[str, Any]) -> None:
        if "plan" not in data:
            raise ValueError(
                "an earlier version of tinygrad-lm wrote it, without the plan and the names, so that nothing tells "
                "whether the training would go on as it began; train anew"
            )
        for name, value in self.plan.to_json().items():
            if name != "steps" and data["plan"][name] != value:
                raise ValueError(f"{name} was {data['plan'][name]!r:.60} when it was saved and is now {value!r}")
        if data["fingerprint"] != self.fingerprint:
            raise ValueError("the names, or which of them are for validation, are not those that it was trained on")


def _groups(model: TrainableModel) -> list[dict[str, Any]]:
    """Matrices decay; vectors (biases, norms) do not, since shrinking them only shifts the output."""
    parameters = [parameter for _, parameter in model.named_parameters()]
    matrices = [parameter for parameter in parameters if np.ndim(parameter.data) >= 2]
    vectors = [parameter for parameter in parameters if np.ndim(parameter.data) < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _on_one_thread() -> Any:
    """Within, BLAS runs on one thread: small matrices on several take many times longer when a core is busy."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def fingerprint(names: Sequence[str]) -> str:
    """A hash of a list of names: whether a run goes on with the data it began with."""
    return hashlib.sha256("\n".join(names).encode("utf-8")).hexdigest()
