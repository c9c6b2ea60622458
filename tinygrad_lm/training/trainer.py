"""The training loop: batches, steps, the best validation weights kept, stopping cleanly, and resuming exactly."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace

import numpy as np

from tinygrad_lm import optim, progress
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.interrupts import Later
from tinygrad_lm.models.trainable import TrainableModel
from tinygrad_lm.nn import evaluating, learning
from tinygrad_lm.random import default_generator, existing_default_generator
from tinygrad_lm.replay import replay as replayed
from tinygrad_lm.text import DataError, NameDataset
from tinygrad_lm.threads import on_one_thread
from tinygrad_lm.training.average import WeightAverage, buffers_of
from tinygrad_lm.training.communicator import Alone, Communicator
from tinygrad_lm.training.generators import generators_of, read_state, read_states, state_of
from tinygrad_lm.training.gradients import Gradients, WholeBatch
from tinygrad_lm.training.optimizing import MakesOptimizer, described, loss_of, optimizer_of, plan_beside, schedule_of
from tinygrad_lm.training.pieces import Pieces
from tinygrad_lm.training.plan import PIECES, Plan
from tinygrad_lm.training.report import MeanLoss, Report, TrainingError
from tinygrad_lm.training.rewind import Rewind
from tinygrad_lm.training.state import Progress, Setup, joined, parted, read_progress, stepped
from tinygrad_lm.training.whole_step import AFTER, only_gradients, whole_step


class Trainer:
    """Trains a model by a plan: ``run`` steps until the plan is done or ``stop`` is set.

    Batches are drawn with replacement from one generator, so that the same seed gives the same run, and a run
    that was saved with ``state`` and taken up with ``resume`` ends with the same bytes as one in a single go: the
    weights, the buffers and every generator that the model's layers own (Dropout's ``rng``) are a part of that state.
    So is the default generator of the thread, from which layers draw that have none of their own: ``resume`` sets it.

    A training takes up only a state of its own plan and names, but for the number of steps, which may have grown:
    the schedule then runs over the new total from the step reached, so a rate that had fallen to 0 jumps up again.

    Parameters
    ----------
    model
        What is trained.
    train, validation
        The names to learn from, and those to measure on.
    plan
        How. An optimizer or a schedule given here stands in the place of the plan's, which then has to leave its own
        out (``plan`` becomes one with ``optimizer=None``, ``schedule=None``; see ``Plan``).
    optimizer
        An ``optim.Optimizer`` over parameters of the model, or a function of the list of them that makes one, such as
        ``lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9)``.
    schedule
        A function of the number of steps done that gives what every learning rate is multiplied by.
    before_step
        Called with the trainer between the backward pass and the optimizer's step, before gradients are clipped: it
        may look at the gradients of ``trainer.model`` and change them.
    communicator
        Where several processes share each batch, how they talk (see ``Communicator``, ``over_mpi``): every one of them
        makes the same trainer but for this, and calls ``run`` at the same time, which brings all to the state of rank
        0. Bars are shown by rank 0 alone; callbacks are called on every rank. A plan that does not say into how many
        ``pieces`` a batch is cut then has 4. With such a plan and no communicator this process computes all of them.
    replay
        Whether steps are recorded and replayed (see ``tinygrad_lm.replay``), which gives the same bits sooner. Of
        those with a ``before_step``, and of those in pieces, the gradients are. Where batches come in many shapes, as
        whole names do, each is recorded after 20 steps, since a plan takes a while to make.

    Attributes
    ----------
    model
        After ``run`` it has the weights of the last step (see ``restore_best``).
    step
        How many steps are done.
    seconds
        The time spent training.
    history
        The reports so far, one for each evaluation.
    best_loss, best_step
        The lowest validation loss, and after which step it was.
    best
        The model's state then; with ``Plan(ema_decay=...)`` it has the averaged weights and buffers.
    optimizer, schedule
        What steps the parameters, and what multiplies its rates.
    average
        The ``WeightAverage`` of ``Plan(ema_decay=...)``, which ``with trainer.average.applied():`` puts into the model
        for a while; else ``None``.
    stop
        Set it to let ``run`` end after the step under way.

    Raises
    ------
    DataError
        Where a batch is larger than the training data, and without a validation name.
    ValueError
        For a plan that says something to an optimizer or a schedule that is given here, or that leaves one out which
        is not; for an optimizer over parameters that are not the model's; and for more ranks than pieces.
    TypeError
        For an ``optimizer`` that is none and makes none.
    """

    _rewind: Rewind
    """Made anew by each ``run``, since layers may have come to the model."""

    def __init__(
        self,
        model: TrainableModel,
        train: Sequence[str],
        validation: Sequence[str],
        plan: Plan,
        *,
        optimizer: optim.Optimizer | MakesOptimizer | None = None,
        schedule: optim.Schedule | None = None,
        before_step: Callable[[Trainer], object] | None = None,
        communicator: Communicator | None = None,
        replay: bool = True,
    ) -> None:
        self.model = model
        plan = plan_beside(plan, optimizer, schedule)
        if communicator is not None and plan.pieces is None:
            plan = replace(plan, pieces=PIECES)
        self.plan = plan
        self.validation = tuple(validation)
        if not self.validation:
            raise DataError("validation is empty: the best weights are chosen by its names; give at least one")
        self.fingerprint = fingerprint((*train, "", *validation))  # no name is empty: the border counts
        self.examples = model.examples(train)
        if plan.batch_size > len(self.examples):
            raise DataError(
                f"a batch of {plan.batch_size} is larger than the training data, which has {len(self.examples)} "
                f"examples; choose a batch size of at most {len(self.examples)}, or give more names"
            )
        self.rng = np.random.Generator(np.random.PCG64(plan.seed))
        self.communicator = communicator = Alone() if communicator is None else communicator
        loss = loss_of(model, plan)
        self.optimizer = optimizer_of(model, plan, optimizer)
        step = only_gradients(loss, self.optimizer.parameters)
        self._gradients: Gradients = (
            WholeBatch(replayed(step, after=AFTER) if replay else step)
            if plan.pieces is None
            else Pieces(model, loss, plan.pieces, communicator, replay)
        )
        self.schedule = schedule_of(plan, schedule)
        self.before_step = before_step
        self._step: Callable[[Array, Array], Tensor] | None = None
        if replay and plan.pieces is None:
            self._step = replayed(whole_step(loss, self.optimizer, plan.clip_grad_norm), after=AFTER)
        self.average = None
        if plan.ema_decay is not None:
            self.average = WeightAverage(model.named_parameters(), plan.ema_decay, buffers_of(model))
        self.step = 0
        self.seconds = 0.0
        self.best_loss = math.inf
        self.best_step = 0
        self.best: dict[str, Array] = model.state_dict()
        self.history: list[Report] = []
        self.stop = False
        self._losses = MeanLoss(model.vocabulary)  # since the last report
        told = None if optimizer is None else described(self.optimizer)
        self._setup = Setup(plan, self.fingerprint, told, before_step is not None)

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
        After any exception in a batch, a loss, an evaluation or a callback another ``run`` goes on as if nothing had
        happened.

        Raises
        ------
        TrainingError
            Naming the step where the loss is nan or inf; the model then has its best weights.
        KeyboardInterrupt
            After Ctrl-C, when the step under way is done; after a second one at once.
        """
        self._gradients.begin(self)
        if self.communicator.rank:
            progress = False
        if not self._is_due() and (self.stop or self.step == self.plan.steps):
            if progress is not False:
                print(self._why_idle(), file=sys.stderr)
            return
        started = time.perf_counter() - self.seconds
        try:
            self._rewind = Rewind(self.rng, self.model)
            with learning(self.model), on_one_thread(), Later(second_at_once=True) as interrupt:
                self._run(started, on_step, on_report, progress, interrupt)
        except TrainingError:
            with suppress(ValueError):  # where a buffer has come or gone meanwhile
                self.restore_best()
            raise
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
                self.stop, interrupt.heard = self._gradients.agree(self.stop, interrupt.heard)
                if self.step == self.plan.steps or self.stop or interrupt.heard:
                    return
                with np.errstate(over="ignore", invalid="ignore"):  # the loss says it
                    loss = self._train_step()
                self.step += 1
                bar.update()
                if on_step is not None:
                    on_step(self.step, loss)

    def _is_due(self) -> bool:
        """Whether an evaluation comes next; steps were made since the last."""
        last = self.step == self.plan.steps
        return self._losses.characters > 0 and (last or self.step % self.plan.evaluate_every == 0)

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
        self._rewind.mark()
        try:
            inputs, targets = self.examples.sample(self.plan.batch_size, self.rng)
            counted = self._losses.count(targets)
            if self._step is not None and self.before_step is None:
                loss = self._step(inputs, targets).item()
            else:
                loss = self._gradients.of(inputs, targets, self.step)
            if not math.isfinite(loss):
                raise self._failure(f"the loss became {loss} at step {self.step + 1}")
            if self._step is None or self.before_step is not None:
                self._update()
        except BaseException:
            self._rewind.back()  # the step was not made: the next one has the same batch
            raise
        if self.average is not None:
            self.average.update(self.step + 1)
        self._losses.add(loss, counted)
        return loss

    def _update(self) -> None:
        """Step the parameters along their gradients."""
        if self.before_step is not None:
            self.before_step(self)
        if self.plan.clip_grad_norm is not None:
            optim.clip_grad_norm_(self.optimizer.parameters, self.plan.clip_grad_norm)
        self.optimizer.step()

    def _evaluate(self, started: float) -> Report:
        self.seconds = time.perf_counter() - started
        with nullcontext() if self.average is None else self.average.applied():
            self._rewind.mark()
            try:
                with evaluating(self.model):
                    loss = self.model.evaluate(self.validation).loss
            except BaseException:
                self._rewind.back()  # the evaluation was not made: the next one draws the same
                raise
            if loss < self.best_loss:
                self.best_loss, self.best_step, self.best = loss, self.step, self.model.state_dict()
        train_loss = self._losses.value()
        self._losses.reset()
        if not math.isfinite(loss):
            raise self._failure(f"the validation loss became {loss} after step {self.step}")
        report = Report(self.step, train_loss, loss, self._lr() * float(self.optimizer.scale), self.seconds)
        self.history.append(report)
        return report

    def _lr(self) -> float:
        """The learning rate that the schedule multiplies: of the first group, where each has its own."""
        _, options = self.optimizer.groups[0]
        return options.get("lr", 1.0)

    def _failure(self, what: str) -> TrainingError:
        return TrainingError(
            f"{what}, so the training stopped; the weights of step {self.best_step} are kept. "
            f"Try a smaller learning rate than {self._lr():g}"
        )

    def restore_best(self) -> None:
        """Put the weights with the lowest validation loss into the model."""
        self.model.load_state_dict(self.best)

    def state(self) -> tuple[dict[str, Array], dict[str, object]]:
        """All that ``resume`` needs: arrays, and plain data for JSON.

        Raises
        ------
        TypeError
            Where the model draws from a generator whose state cannot be written down.
        """
        parts = {"model": self.model.state_dict(), "best": self.best, "optimizer": self.optimizer.state_arrays()}
        if self.average is not None:
            parts["average"] = self.average.state_arrays()
        losses, default = self._losses, existing_default_generator()
        progress = Progress(self.step, self.seconds, self.best_loss, self.best_step, losses.nats, losses.characters)
        return joined(parts), {
            **self._setup.to_json(),
            **progress.to_json(),
            "stepped": stepped(parts["optimizer"]),
            "generator": state_of("rng", self.rng),
            "generators": {name: state_of(name, held) for name, held in generators_of(self.model).items()},
            "default_generator": None if default is None else state_of("default", default),
        }

    def resume(self, arrays: Mapping[str, Array], data: Mapping[str, object]) -> None:
        """Take up where ``state`` left off, in a trainer that was made with the same arguments.

        The default generator of the thread goes on from its state too, where it had one: layers draw from it that have
        no generator of their own.

        Raises
        ------
        ValueError, KeyError, TypeError
            Saying what differs or does not fit; nothing is changed then.
        """
        self._setup.check_same(data)
        losses = self._losses
        one_character = isinstance(self.examples, NameDataset) and losses.by_target
        progress, parts = read_progress(data, self.plan, one_character), parted(arrays)
        if progress.step and stepped(parts["optimizer"]) != data.get("stepped", len(self.optimizer.parameters)):
            raise ValueError("the optimizer's state is missing, or a part of it")
        generators = [(self.rng, read_state("rng", self.rng, data["generator"]))]
        generators += read_states(generators_of(self.model), data.get("generators", {}))
        if (asked := data.get("default_generator")) is not None:
            generators.append((default_generator(), read_state("default", default_generator(), asked)))
        self._load(parts)
        for generator, state in generators:
            generator.bit_generator.state = state
        self.step, self.seconds, self.best_loss, self.best_step, losses.nats, losses.characters = progress

    def _load(self, parts: Mapping[str, Mapping[str, Array]]) -> None:
        """Take over all arrays, or none."""
        before = self.model.state_dict()
        try:
            self.model.load_state_dict(parts["best"])
            best = self.model.state_dict()
            self.model.load_state_dict(parts["model"])
            if self.average is not None:
                self.average.load_state_arrays(parts["average"])
            elif parts["average"]:
                raise ValueError("the weights were averaged when it was saved, and are not now")
            self.optimizer.load_state_arrays(parts["optimizer"])
        except BaseException:
            self.model.load_state_dict(before)
            raise
        self.best = best


def fingerprint(names: Sequence[str]) -> str:
    """A hash of a list of names: whether a run goes on with the data it began with."""
    return hashlib.sha256("\n".join(names).encode("utf-8")).hexdigest()
