"""What ``train`` does: a new run or one that goes on, counted or trained, saved on the way and shown at the end."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tinygrad_lm import progress, runs
from tinygrad_lm.cli import family, mixing, names, ranks
from tinygrad_lm.cli.console import Console
from tinygrad_lm.cli.folder import run_folder
from tinygrad_lm.cli.names import Source
from tinygrad_lm.cli.parsing import INTERRUPTED, UsageError
from tinygrad_lm.cli.train import picture, showing
from tinygrad_lm.cli.train.open_run import OpenRun
from tinygrad_lm.cli.train.options import TrainOptions
from tinygrad_lm.cli.train.plan import plan_of
from tinygrad_lm.interrupts import Later
from tinygrad_lm.models import FittedModel, LanguageModel, ModelFileError, TrainableModel, files
from tinygrad_lm.text import Split
from tinygrad_lm.training import Communicator, Plan, Report, Trainer, TrainingError, stopping_on_signals
from tinygrad_lm.training.plan import PIECES

SECONDS_BETWEEN_CHECKPOINTS = 2.0


def train(options: TrainOptions) -> int:
    """Train a model, or count, in a new run."""
    say, team = Console(), ranks.communicator()
    file, lines = ranks.read_once(team, lambda: names.read(options.data))
    data = Source(
        file, options.alphabet, options.boundary, options.min_length, options.max_length, options.seed_of_split
    )
    cleaned, split, vocabulary = data.split(lines)
    showing.show_data(say, data, cleaned, split, vocabulary)
    lines = lines if file == names.OWN_COPY else []
    model = family.make(options.choice, options, vocabulary, options.seed)
    if isinstance(model, FittedModel):
        if ranks.helps(team):  # counting is not shared
            return 0
        showing.show_summary(say, model.fit(split.train, split.validation))
        with _new_run(say, options, model, data, lines, split, None) as run:
            runs.save_weights(run.folder, model, run.config)
            _finish(say, model, run, ", ".join(filter(None, [f"this run: {run.name}", model.brief()])))
            showing.show_files(say, run.folder, run.seed, run.model)
        return 0
    if not isinstance(model, TrainableModel):
        raise UsageError(f"{type(model).__name__} learns nothing: derive it from TrainableModel, or from FittedModel")
    if options.choice.is_own:
        model.evaluate(split.validation[:1])  # what goes wrong in it does so before a run is begun
    plan = plan_of(options, len(model.examples(split.train)))
    if options.is_given("pieces") and plan.pieces is None and team is not None and team.size > 1:
        raise UsageError("--pieces none leaves batches whole, which processes cannot share: leave it out, or mpiexec")
    trainer = _trainer(model, split, plan, team)
    least = 2 * (trainer.plan.pieces or 1)
    if plan.batch_size < least and not options.choice.is_own and model.config().get("norm") == "batch":
        raise UsageError(
            f"BatchNorm learns from several examples at a time: take --batch-size {least}, or --norm layer"
        )
    if ranks.helps(team):
        ranks.follow(team)
        return _help(trainer)
    with ranks.leading(team) as begin:
        if options.mix:
            mixing.check_free(options.out)
        showing.show_windows(say, model, split.train)
        showing.show_parameters(say, model)
        with _new_run(say, options, model, data, lines, split, trainer) as run:
            begin()
            code = _fit(say, trainer, run)
    return _mixed(options, run) if options.mix and not code else code


def _trainer(model: TrainableModel, split: Split, plan: Plan, team: Communicator | None) -> Trainer:
    """The trainer of a run, alone or with the other processes.

    Raises
    ------
    UsageError
        Where there are more of them than pieces of a batch.
    """
    pieces = plan.pieces or PIECES
    if team is not None and team.size > pieces:
        raise UsageError(
            f"{team.size} processes share the {pieces} pieces of a batch, so that some would have none: start it by "
            f"mpiexec -n {pieces}, or train anew with --pieces {team.size}"
        )
    if team is None:
        return Trainer(model, split.train, split.validation, plan)
    return Trainer(model, split.train, split.validation, plan, communicator=team)


def _help(trainer: Trainer) -> int:
    """Train as one of several processes, of which rank 0 alone shows and saves what comes of it."""
    with stopping_on_signals(trainer), suppress(TrainingError):  # which every rank has alike
        trainer.run(progress=False)
    return 0


@contextmanager
def _new_run(
    say: Console,
    options: TrainOptions,
    model: LanguageModel,
    data: Source,
    lines: Sequence[str],
    split: Split,
    trainer: Trainer | None,
) -> Generator[OpenRun]:
    """A new run, locked within."""
    files.check_limits(model, 1 if trainer is None else _copies(trainer))
    folder = runs.new_folder(options.out, options.choice.name)
    with runs.locked(folder):
        runs.check_free(folder)  # until it was locked, another could have trained there
        say.log_to(folder)
        runs.save_names(folder, split.train)
        names.keep(folder, data, lines)
        told = {**vars(data), "fingerprint": runs.fingerprint((*split.train, *split.validation))}
        name = options.choice.name
        preset = name if name in model.presets else None
        config = runs.save_config(folder, model, told, None if trainer is None else trainer.plan, preset=preset)
        own = _naming(options)
        yield OpenRun(folder, config, data, split, options.seed, own, name, mix=options.mix, out=options.out)


def _copies(trainer: Trainer) -> int:
    """How many arrays a checkpoint has for each of the model: its own and the best, the optimizer's, the average."""
    return 2 + len(trainer.optimizer.moments) + (trainer.average is not None)


def _naming(options: TrainOptions) -> str:
    return f" --model {runs.typed(options.model)}" if family.is_file(options.model) else ""


def resume(name: str, options: TrainOptions) -> int:
    """Go on with a stopped run, or with a finished one to so many steps in all."""
    steps = options.steps if options.is_given("steps") else None
    say, team = Console(), ranks.communicator()
    folder = run_folder(name)
    if ranks.helps(team):
        ranks.follow(team)
        return _help(_reopened(folder, steps, options, team)[-1])
    with ranks.leading(team) as begin, runs.locked(folder):
        config, data, split, trainer = _reopened(folder, steps, options, team)
        asked = runs.name_of(config, trainer.model)
        out = mixing.out_of(folder, asked)
        if options.mix:
            mixing.check_free_beside(out)
        runs.restore(folder, trainer)
        say.log_to(folder)
        plan = trainer.plan
        say(f"Going on with {folder} after step {trainer.step:,} of {plan.steps:,}")
        say()
        run = OpenRun(folder, config, data, split, plan.seed, _naming(options), asked, mix=options.mix, out=out)
        begin()
        code = _fit(say, trainer, run)
    return _mixed(options, run) if options.mix and not code else code


def _reopened(
    folder: Path, steps: int | None, options: TrainOptions, team: Communicator | None
) -> tuple[dict[str, Any], Source, Split, Trainer]:
    """The configuration, the source, the names and the trainer of a run to go on with."""
    with Later(second_at_once=True):  # it imports the model's family
        config, model, plan = runs.open_stopped(folder, steps)
    family.check_used([options.model] if options.is_given("model") else [], [model])
    if plan.optimizer is None or plan.schedule is None:
        raise ModelFileError(
            f"{folder} was trained with an optimizer or a schedule of its user's own, which the command line does "
            "not know: go on with it in Python, by runs.restore and the same Trainer"
        )
    if plan.pieces is None and team is not None:
        if team.size > 1:
            raise UsageError(
                f"{folder} was begun with whole batches, which processes cannot share: go on with it without "
                "mpiexec, or train anew"
            )
        team = None
    data, split = names.read_again(config, model, folder, "train anew")
    return config, data, split, _trainer(model, split, plan, team)


def _mixed(options: TrainOptions, run: OpenRun) -> int:
    """Mix a run that has ended with counts."""
    mixing.mix_with_counts(run, [options.model] if family.is_file(options.model) else [])
    return 0


def _fit(say: Console, trainer: Trainer, run: OpenRun) -> int:
    """Train to the end of the plan or until stopped, then save and show what came of it."""
    with stopping_on_signals(trainer):
        try:
            _run(say, trainer, run)
        except TrainingError:
            runs.save_weights(run.folder, trainer.model, run.config)
            raise
    runs.save_checkpoint(run.folder, trainer, run.config)
    if trainer.stop:
        say(f"Stopped after step {trainer.step:,} of {trainer.plan.steps:,}; all is saved in {run.folder}.")
        more = " --mix" if run.mix else ""
        start = f"mpiexec -n {trainer.communicator.size} " if trainer.communicator.size > 1 else ""
        say(f"Go on with:  {start}tinygrad-lm train --resume {runs.typed(run.folder)}{run.model}{more}")
        return INTERRUPTED
    trainer.restore_best()
    say(f"Trained {trainer.plan.steps:,} steps in {trainer.seconds:.1f} s")
    say(f"  the best weights are those of step {trainer.best_step:,} (validation {trainer.best_loss:.3f})")
    say()
    _finish(say, trainer.model, run, f"this run: {run.name}")
    picture.draw(say, trainer, run.folder)
    showing.show_files(say, run.folder, run.seed, run.model)
    return 0


def _run(say: Console, trainer: Trainer, run: OpenRun) -> None:
    """Train, with a bar and a line now and then; a kill costs what was done since the last checkpoint."""
    plan, ranks_in_all = trainer.plan, trainer.communicator.size
    shared = f", each batch in {plan.pieces} pieces, on {ranks_in_all} {'process' + 'es' * (ranks_in_all > 1)}"
    say(f"Training{shared if plan.pieces else ''}")
    saved = -SECONDS_BETWEEN_CHECKPOINTS
    with progress.bar(plan.steps, trainer.step, leave=False) as bar:

        def on_report(report: Report) -> None:
            nonlocal saved
            bar.set_description_str(progress.losses(report.train_loss, report.validation_loss))
            if report.step % (plan.evaluate_every * 4) == 0 or report.step == plan.steps:
                bar.clear()
                say(
                    f"  step {report.step:>7,}  train {report.train_loss:.3f}  validation {report.validation_loss:.3f}"
                    f"  {report.seconds:5.1f} s"
                )
            runs.append_metrics(run.folder, report)
            if report.seconds - saved > SECONDS_BETWEEN_CHECKPOINTS:
                runs.save_checkpoint(run.folder, trainer, run.config)
                saved = report.seconds

        def on_step(step: int, loss: float) -> None:
            bar.update()

        trainer.run(on_step, on_report, progress=False)


def _finish(say: Console, model: LanguageModel, run: OpenRun, title: str) -> None:
    showing.show_comparison(say, model, run.split, title)
    showing.show_samples(say, model, frozenset(run.split.train), run.seed)
