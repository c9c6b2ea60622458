"""What each command does: reads the data, calls the rooms, prints what they answer."""

from __future__ import annotations

import argparse
import math
import sys
import traceback
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_lm import runs, sampling
from tinygrad_lm.cli import INTERRUPTED, NGRAMS, UsageError
from tinygrad_lm.console import Console
from tinygrad_lm.models import MLP, LanguageModel, NGram, TrainableModel, files
from tinygrad_lm.text import (
    CleanedNames,
    DataError,
    Split,
    Vocabulary,
    bundled_names,
    clean_names,
    read_names,
    split_names,
)
from tinygrad_lm.training import Plan, Report, Trainer, TrainingError, stopping_on_signals

SECONDS_BETWEEN_CHECKPOINTS = 2.0


@dataclass(frozen=True)
class Source:
    """Which names a run is about, as its configuration says it."""

    file: str | None = None
    alphabet: str = "latin"
    boundary: str = "-"
    min_length: int = 1
    max_length: int | None = None
    seed: int = 0

    def read(self) -> tuple[CleanedNames, Split, Vocabulary]:
        """The names, cleaned and split, and the vocabulary they are written in."""
        lines = bundled_names() if self.file is None else read_names(self.file)
        if self.alphabet == "data":
            vocabulary = Vocabulary.from_names((line.lower() for line in lines), self.boundary)
        else:
            vocabulary = Vocabulary(boundary=self.boundary)
        try:
            cleaned = clean_names(lines, vocabulary, self.min_length, self.max_length)
        except DataError as error:
            hint = "" if self.alphabet == "data" else " On the command line: --alphabet data"
            raise DataError(f"{error}{hint}" if "alphabet" in str(error) else str(error)) from None
        return cleaned, split_names(cleaned.kept, seed=self.seed), vocabulary


def _show_data(say: Console, source: Source, cleaned: CleanedNames, split: Split, vocabulary: Vocabulary) -> None:
    dropped = sum(map(len, cleaned.dropped.values()))
    origin = "the bundled Indian names" if source.file is None else source.file
    say(f"Data: {origin}")
    say(f"  {len(cleaned.kept) + dropped:,} lines, {len(cleaned.kept):,} names kept, {dropped:,} dropped")
    for reason, names in cleaned.dropped.items():
        shown = ", ".join(repr(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
        say(f"    {len(names):,} {reason}: {shown}")
    parts = (
        f"{len(split.train):,} for training, {len(split.validation):,} for validation, {len(split.test):,} for testing"
    )
    say(f"  split by name, seed {source.seed}: {parts}")
    say()
    tokens = vocabulary.tokens
    shown = " ".join(tokens) if len(tokens) <= 60 else " ".join(tokens[:50]) + " ... " + tokens[-1]
    say(f"Vocabulary: {len(tokens)} tokens, numbered from 0: {shown}")
    say(
        f"  {vocabulary.boundary} (number {vocabulary.boundary_id}) stands before the start and after the end of a name"
    )
    say()


def _show_windows(say: Console, model: TrainableModel, names: Sequence[str]) -> None:
    windows = getattr(model.examples(names[:1]), "windows", None)
    if windows is not None:
        say(f"Sliding window: {names[0]!r} gives these examples, context -> next character")
        for context, target in windows(names[0]):
            say(f"  {context} -> {target}")
        say()


def _show_parameters(say: Console, model: TrainableModel) -> None:
    say("Learnable parameters")
    rows = [
        (name, " x ".join(map(str, parameter.shape)), f"{parameter.size:,}")
        for name, parameter in model.named_parameters()
    ]
    total = sum(parameter.size for _, parameter in model.named_parameters())
    say.table([*rows, ("total", "", f"{total:,}")])
    say()


def _show_comparison(say: Console, model: LanguageModel, split: Split, title: str) -> None:
    """The model beside n-gram counts (smoothing chosen on the validation names) on the same split."""
    own = model.evaluate(split.validation)
    say("Validation, in nats a character (lower is better)")
    rows = [("model", "loss", "perplexity")]
    for name, order in NGRAMS.items():
        if order in (2, 3, 4):
            counted = NGram.fitted(order, split.train, split.validation, model.vocabulary)
            found = counted.evaluate(split.validation)
            rows.append((f"{name} counts, add {counted.smoothing:g}", f"{found.loss:.3f}", f"{found.perplexity:.2f}"))
    say.table([*rows, (title, f"{own.loss:.3f}", f"{own.perplexity:.2f}")])
    say()


def _show_samples(say: Console, model: LanguageModel, training_names: frozenset[str], seed: int) -> None:
    say("Twenty names from the model")
    rng = np.random.Generator(np.random.PCG64(seed))
    for sample in sampling.samples(model, sampling.Settings(), rng):
        say(f"  {_marked(sample, training_names)}")
    say()


def _marked(sample: sampling.Sample, training_names: frozenset[str]) -> str:
    mark = "in training data" if sample.text in training_names else "new"
    text = sample.text if sample.complete else sample.text + "..."
    return f"{text or '(empty)':<16} {mark}"


def train(options: argparse.Namespace) -> int:
    """Train a model, or go on with a stopped run."""
    say = Console()
    if options.resume is not None:
        return _resume(say, Path(options.resume))
    chosen: dict[str, Any] = {
        "file": None if options.data is None else str(Path(options.data).resolve()),
        **{name: getattr(options, name) for name in ("alphabet", "boundary", "min_length", "max_length", "seed")},
    }
    source = Source(**{name: value for name, value in chosen.items() if value is not None})
    cleaned, split, vocabulary = source.read()
    _show_data(say, source, cleaned, split, vocabulary)
    if options.model in NGRAMS:
        return _count(say, options, source, split, vocabulary)
    sizes = {name: getattr(options, name) for name in ("context", "embedding", "hidden", "activation")}
    try:
        model = MLP(vocabulary, **{name: value for name, value in sizes.items() if value is not None}, rng=source.seed)
    except ValueError as error:
        raise UsageError(str(error)) from None
    plan = _plan(options, len(model.examples(split.train)), source.seed)
    trainer = Trainer(model, split.train, split.validation, plan)
    _show_windows(say, model, split.train)
    _show_parameters(say, model)
    with _new_run(say, options.out, model, source, split, plan) as (folder, config):
        return _fit(say, trainer, folder, config, split, source)


def _plan(options: argparse.Namespace, examples: int, seed: int) -> Plan:
    names = ("batch_size", "lr", "optimizer", "schedule", "weight_decay")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if chosen.get("optimizer") == "sgd":
        chosen.setdefault("lr", 0.3)
    if chosen.get("optimizer", "adamw") != "adamw":
        chosen.setdefault("weight_decay", 0.0)
    batch_size = chosen.get("batch_size", Plan.batch_size)
    steps = options.steps or 8000
    if options.epochs is not None:
        steps = options.epochs * math.ceil(examples / batch_size)
    if options.batch_size is None and examples < batch_size:
        chosen["batch_size"] = examples
    return Plan(steps=steps, seed=seed, evaluate_every=max(1, min(250, steps // 8)), **chosen)


@contextmanager
def _new_run(
    say: Console, out: str | None, model: LanguageModel, source: Source, split: Split, plan: Plan | None
) -> Generator[tuple[Path, dict[str, Any]]]:
    """The folder of a new run, locked within, and its configuration."""
    files.check_limits(model)
    folder = runs.new_folder(out, model.kind)
    with runs.locked(folder):
        say.log_to(folder)
        runs.save_names(folder, split.train)
        data = {**vars(source), "fingerprint": runs.fingerprint((*split.train, *split.validation))}
        yield folder, runs.save_config(folder, model, data, plan)


def _count(say: Console, options: argparse.Namespace, source: Source, split: Split, vocabulary: Vocabulary) -> int:
    order = NGRAMS[options.model]
    try:
        if options.smoothing is None:
            model = NGram.fitted(order, split.train, split.validation, vocabulary)
        else:
            model = NGram(order, options.smoothing, vocabulary).fit(split.train)
    except ValueError as error:
        raise UsageError(str(error)) from None
    say(
        f"Counted {model.counts.sum():,} {options.model}s: {len(model.contexts):,} of "
        f"{len(vocabulary) ** (order - 1):,} contexts occur; {model.smoothing:g} is added to every count"
    )
    say()
    with _new_run(say, options.out, model, source, split, None) as (folder, config):
        runs.save_weights(folder, model, config)
        _finish(say, model, folder, split, source, f"this run: {options.model}, add {model.smoothing:g}")
    return 0


def _resume(say: Console, folder: Path) -> int:
    with runs.locked(folder):
        config, model, plan = runs.open_stopped(folder)
        source = _source_of(config, folder)
        _, split, vocabulary = source.read()
        seen = runs.fingerprint((*split.train, *split.validation))
        if config["data"].get("fingerprint") != seen or model.vocabulary != vocabulary:
            origin = source.file or "the package"
            raise DataError(f"the names in {origin} have changed since {folder} was started; train anew")
        trainer = Trainer(model, split.train, split.validation, plan)
        runs.restore(folder, trainer)
        say.log_to(folder)
        say(f"Going on with {folder} after step {trainer.step:,} of {plan.steps:,}")
        say()
        return _fit(say, trainer, folder, config, split, source)


def _source_of(config: Mapping[str, Any], folder: Path) -> Source:
    with suppress(KeyError, TypeError, AttributeError):
        known = {name: value for name, value in config["data"].items() if name != "fingerprint"}
        if isinstance(known["file"], str | None) and known["alphabet"] in ("latin", "data"):
            return Source(**known)
    raise runs.ModelFileError(f"{folder / runs.CONFIG} does not say which data the run is about")


def _fit(say: Console, trainer: Trainer, folder: Path, config: Mapping[str, Any], split: Split, source: Source) -> int:
    """Train to the end of the plan or until stopped, then save and show what came of it."""
    with stopping_on_signals(trainer):
        try:
            _progress(say, trainer, folder, config)
        except TrainingError:
            runs.save_weights(folder, trainer.model, config)
            raise
    runs.save_checkpoint(folder, trainer, config)
    if trainer.stop:
        say(f"Stopped after step {trainer.step:,} of {trainer.plan.steps:,}; all is saved in {folder}.")
        say(f"Go on with:  tinygrad-lm train --resume {runs.quoted(folder)}")
        return INTERRUPTED
    trainer.restore_best()
    say(
        f"Trained {trainer.plan.steps:,} steps in {trainer.seconds:.1f} s; the best weights are those of step "
        f"{trainer.best_step:,} (validation {trainer.best_loss:.3f})"
    )
    say()
    _draw(say, trainer, folder)
    _finish(say, trainer.model, folder, split, source, f"this run: {trainer.model.kind}")
    return 0


def _progress(say: Console, trainer: Trainer, folder: Path, config: Mapping[str, Any]) -> None:
    from tqdm import tqdm

    say("Training")
    saved = [-SECONDS_BETWEEN_CHECKPOINTS]
    hidden = True if sys.stderr is None else None  # None: hidden unless it goes to a terminal
    with tqdm(total=trainer.plan.steps, initial=trainer.step, unit="step", disable=hidden, leave=False) as bar:

        def on_report(report: Report) -> None:
            bar.set_postfix_str(f"train {report.train_loss:.3f}, validation {report.validation_loss:.3f}")
            line = (
                f"  step {report.step:>7,}  train {report.train_loss:.3f}  validation {report.validation_loss:.3f}"
                f"  {report.seconds:5.1f} s"
            )
            if report.step % (trainer.plan.evaluate_every * 4) == 0 or report.step == trainer.plan.steps:
                bar.clear()
                say(line)
            runs.append_metrics(folder, report)
            if report.seconds - saved[0] > SECONDS_BETWEEN_CHECKPOINTS:
                runs.save_checkpoint(folder, trainer, config)
                saved[0] = report.seconds

        def on_step(step: int, loss: float) -> None:
            if step % 50 == 0 or step == trainer.plan.steps:
                bar.update(step - bar.n)

        trainer.run(on_step, on_report, progress=False)


def _draw(say: Console, trainer: Trainer, folder: Path) -> None:
    """Leave the picture of one small batch's graph in the run folder."""
    import visualize

    inputs, targets = trainer.examples.sample(min(4, len(trainer.examples)), np.random.Generator(np.random.PCG64(0)))
    loss = trainer.model.loss(inputs, targets)
    loss.backward()
    try:
        view = visualize.draw(loss, names=trainer.model)
        for suffix in ("dot", "svg", "html"):
            view.save(folder / f"graph.{suffix}")
    except visualize.DrawingError as error:
        say(f"No picture of the graph: {error}")
        say()
    for _, parameter in trainer.model.named_parameters():
        parameter.zero_grad()


def _finish(say: Console, model: LanguageModel, folder: Path, split: Split, source: Source, title: str) -> None:
    _show_comparison(say, model, split, title)
    _show_samples(say, model, frozenset(split.train), source.seed)
    say(f"Saved in {folder}. More names:  tinygrad-lm sample {runs.quoted(folder)}")


def sample(options: argparse.Namespace) -> int:
    """Write names with a trained model."""
    say = Console()
    run = runs.load(Path(options.run))
    settings = sampling.Settings(options.temperature, options.top_k, options.top_p, options.max_length)
    rng = np.random.Generator(np.random.PCG64(options.seed))
    for found in sampling.samples(run.model, settings, rng, options.prefix, options.count):
        if options.trace:
            _show_trace(say, run.model.vocabulary, found)
        say(_marked(found, run.training_names))
    return 0


def _show_trace(say: Console, vocabulary: Vocabulary, found: sampling.Sample) -> None:
    rows = [("context", "the likeliest options", "roll", "choice")]
    for step in found.steps:
        options = "  ".join(f"{token} {chance:.2f}" for token, chance in step.options[:5])
        beyond = [chance for token, chance in step.options[5:] if token == step.choice]
        options += f"  ... {step.choice} {beyond[0]:.2f}" if beyond else ""
        rows.append((vocabulary.boundary + step.context, options, f"{step.roll:.3f}", step.choice))
    say.table(rows, indent="    ")


def evaluate(options: argparse.Namespace) -> int:
    """Print how well a model predicts the names of a file."""
    say = Console()
    run = runs.load(Path(options.run))
    cleaned = clean_names(read_names(options.file), run.model.vocabulary)
    found = run.model.evaluate(cleaned.kept)
    known = sum(name in run.training_names for name in cleaned.kept)
    say(f"{options.file}: {len(cleaned.kept):,} names, {known:,} of them in the training data")
    for reason, names in cleaned.dropped.items():
        say(f"  {len(names):,} more dropped, {reason}")
    say(
        f"loss {found.loss:.4f} nats a character, perplexity {found.perplexity:.2f}, "
        f"over {found.characters:,} characters"
    )
    return 0


def gradcheck(options: argparse.Namespace) -> int:
    """Check a function in a user's file, or every operation of the package."""
    from tinygrad_lm.testing import GradientError, command

    say = Console()
    given = {name: getattr(options, name) for name in ("order", "kinks", "mode", "seed")}
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        if options.target is None:
            say(command.check_package(**chosen))
        else:
            say(command.check_file(options.target, options.input or [], **chosen))
    except GradientError as error:
        say(str(error))
        return 1
    except Exception as error:
        # Whatever a user's function raises is the user's to read, with its place and without our frames.
        places = [f"{frame.filename}, line {frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        own = str(Path(__file__).parent)
        theirs = [place for place in places if not place.startswith((own, str(Path(np.__file__).parent)))]
        where = f" ({theirs[-1]})" if theirs and not isinstance(error, (ValueError, FileNotFoundError)) else ""
        raise DataError(f"{error}{where}" if where == "" else f"{type(error).__name__}: {error}{where}") from None
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Say which engines draw pictures here."""
    import visualize

    Console()(visualize.doctor().rstrip())
    return 0
