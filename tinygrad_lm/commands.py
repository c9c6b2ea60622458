"""What each command does: reads the data, calls the rooms, prints what they answer."""

from __future__ import annotations

import argparse
import math
import traceback
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_lm import runs, sampling, source
from tinygrad_lm.checks import quoted
from tinygrad_lm.cli import INTERRUPTED, NGRAMS, UsageError
from tinygrad_lm.console import Console
from tinygrad_lm.interrupts import Later
from tinygrad_lm.models import MLP, LanguageModel, NGram, TrainableModel, files
from tinygrad_lm.source import Source
from tinygrad_lm.text import DataError, Split, Tokenizer, clean_names, in_lower_case, read_names
from tinygrad_lm.training import Plan, Report, Trainer, TrainingError, stopping_on_signals

SECONDS_BETWEEN_CHECKPOINTS = 2.0
MOST_WINDOWS = 20
"""How many windows of the first name are shown."""

FILES = {
    runs.WEIGHTS: "the weights",
    runs.CONFIG: "the settings and the vocabulary",
    runs.METRICS: "the losses in the course of it",
    runs.LOG: "what was printed",
    runs.TRAINING_NAMES: "the names it learned from",
    source.OWN_COPY: "all lines that came in",
    runs.CHECKPOINT: "to go on: --resume RUN --steps N",
    "graph.svg": "the graph of one small batch",
    "graph.html": "its backward pass to step through",
    "graph.dot": "the same graph for Graphviz",
}
"""What a run folder holds, in the order of telling."""


def _show_windows(say: Console, model: TrainableModel, names: Sequence[str]) -> None:
    windows = getattr(model.examples(names[:1]), "windows", None)
    if windows is not None:
        say(f"Sliding window: {quoted(names[0])} gives these examples, context -> next character")
        for context, target in (examples := windows(names[0]))[:MOST_WINDOWS]:
            say(f"  {context} -> {target}")
        if len(examples) > MOST_WINDOWS:
            say(f"  ... and {len(examples) - MOST_WINDOWS:,} more")
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
        return _resume(say, _run_folder(options.resume), options.steps)
    file, lines = source.read(options.data)
    names = ("alphabet", "boundary", "min_length", "max_length", "seed")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    data = Source(file, **chosen)
    cleaned, split, vocabulary = data.split(lines)
    source.show(say, data, cleaned, split, vocabulary)
    lines = lines if file == source.OWN_COPY else []
    if options.model in NGRAMS:
        return _count(say, options, data, lines, split, vocabulary)
    sizes = {name: getattr(options, name) for name in ("context", "embedding", "hidden", "activation")}
    try:
        model = MLP(vocabulary, **{name: value for name, value in sizes.items() if value is not None}, rng=data.seed)
    except ValueError as error:
        raise UsageError(str(error)) from None
    plan = _plan(options, len(model.examples(split.train)), data.seed)
    trainer = Trainer(model, split.train, split.validation, plan)
    _show_windows(say, model, split.train)
    _show_parameters(say, model)
    with _new_run(say, options.out, model, data, lines, split, plan) as (folder, config):
        return _fit(say, trainer, folder, config, split, data)


def _run_folder(text: str) -> Path:
    """The folder of a run. Where there is none, ``ModelFileError`` names those that there are."""
    folder = Path(text)
    if not folder.exists() and (known := runs.known()):
        shown = ", ".join(known[:10]) + (f" and {len(known) - 10:,} more" if len(known) > 10 else "")
        raise runs.ModelFileError(f"there is no run folder {text!r}; there are {shown}")
    return folder


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
    say: Console,
    out: str | None,
    model: LanguageModel,
    data: Source,
    lines: Sequence[str],
    split: Split,
    plan: Plan | None,
) -> Generator[tuple[Path, dict[str, Any]]]:
    """The folder of a new run, locked within, and its configuration."""
    files.check_limits(model)
    folder = runs.new_folder(out, _family(model))
    with runs.locked(folder):
        runs.check_free(folder)  # until it was locked, another could have trained there
        say.log_to(folder)
        runs.save_names(folder, split.train)
        source.keep(folder, data, lines)
        told = {**vars(data), "fingerprint": runs.fingerprint((*split.train, *split.validation))}
        yield folder, runs.save_config(folder, model, told, plan)


def _family(model: LanguageModel) -> str:
    """What ``--model`` calls the model."""
    orders = {order: name for name, order in NGRAMS.items()}
    return orders.get(model.order, model.kind) if isinstance(model, NGram) else model.kind


def _count(
    say: Console,
    options: argparse.Namespace,
    data: Source,
    lines: Sequence[str],
    split: Split,
    vocabulary: Tokenizer,
) -> int:
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
    with _new_run(say, options.out, model, data, lines, split, None) as (folder, config):
        runs.save_weights(folder, model, config)
        _finish(say, model, split, data, f"this run: {options.model}, add {model.smoothing:g}")
        _show_files(say, folder, data.seed)
    return 0


def _resume(say: Console, folder: Path, steps: int | None) -> int:
    with runs.locked(folder):
        config, model, plan = runs.open_stopped(folder, steps=steps)
        data, split = source.read_again(config, model, folder, "train anew")
        trainer = Trainer(model, split.train, split.validation, plan)
        runs.restore(folder, trainer)
        say.log_to(folder)
        say(f"Going on with {folder} after step {trainer.step:,} of {plan.steps:,}")
        say()
        return _fit(say, trainer, folder, config, split, data)


def _fit(say: Console, trainer: Trainer, folder: Path, config: Mapping[str, Any], split: Split, data: Source) -> int:
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
        say(f"Go on with:  tinygrad-lm train --resume {runs.typed(folder)}")
        return INTERRUPTED
    trainer.restore_best()
    say(
        f"Trained {trainer.plan.steps:,} steps in {trainer.seconds:.1f} s; the best weights are those of step "
        f"{trainer.best_step:,} (validation {trainer.best_loss:.3f})"
    )
    say()
    _finish(say, trainer.model, split, data, f"this run: {trainer.model.kind}")
    _draw(say, trainer, folder)
    _show_files(say, folder, data.seed)
    return 0


def _progress(say: Console, trainer: Trainer, folder: Path, config: Mapping[str, Any]) -> None:
    from tqdm import tqdm

    say("Training")
    saved = [-SECONDS_BETWEEN_CHECKPOINTS]
    # The losses first: where the terminal is narrow the bar is cut, not they.
    form = "{desc}{percentage:3.0f}% |{bar}| {remaining}"
    with tqdm(
        total=trainer.plan.steps,
        initial=trainer.step,
        disable=None,  # hidden unless it goes to a terminal
        leave=False,
        dynamic_ncols=True,
        bar_format=form,
    ) as bar:

        def on_report(report: Report) -> None:
            bar.set_description_str(f"validation {report.validation_loss:.3f}, train {report.train_loss:.3f}, ")
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
    """Leave the picture of one small batch's graph in the run folder; whatever fails there is one line."""
    with Later(second_at_once=True):  # what is raised in an import of the drawing is swallowed
        try:
            import visualize

            rng = np.random.Generator(np.random.PCG64(0))
            inputs, targets = trainer.examples.sample(min(4, len(trainer.examples)), rng)
            loss = trainer.model.loss(inputs, targets)
            loss.backward()
            view = visualize.draw(loss, names=trainer.model)
            for suffix in ("dot", "svg", "html"):
                view.save(folder / f"graph.{suffix}")
        except Exception as error:  # the run is whole without it
            reason = " ".join(str(error).split()) or "no reason given"
            say(f"No picture of the graph: {type(error).__name__}: {reason:.300}")
            say()


def _finish(say: Console, model: LanguageModel, split: Split, data: Source, title: str) -> None:
    _show_comparison(say, model, split, title)
    _show_samples(say, model, frozenset(split.train), data.seed)


def _show_files(say: Console, folder: Path, seed: int) -> None:
    say("Files of the run")
    for name, what in FILES.items():
        if (folder / name).exists():
            say(f"  {name:<22}  {what}")
    say()
    say(f"Saved in {folder}. More names:  tinygrad-lm sample {runs.typed(folder)} --seed {(seed + 1) % 10**18}")


def sample(options: argparse.Namespace) -> int:
    """Write names with a trained model."""
    say = Console()
    run = runs.load(_run_folder(options.run))
    prefix = options.prefix.lower() if in_lower_case(run.model.vocabulary) else options.prefix
    settings = sampling.Settings(options.temperature, options.top_k, options.top_p, options.max_length)
    rng = np.random.Generator(np.random.PCG64(options.seed))
    for found in sampling.samples(run.model, settings, rng, prefix, options.count):
        if options.trace:
            _show_trace(say, run.model.vocabulary, found)
        say(_marked(found, run.training_names))
    return 0


def _show_trace(say: Console, vocabulary: Tokenizer, found: sampling.Sample) -> None:
    rows = [("context", "the likeliest options", "roll", "choice")]
    for step in found.steps:
        options = "  ".join(f"{token} {chance:.2f}" for token, chance in step.options[:5])
        beyond = [chance for token, chance in step.options[5:] if token == step.choice]
        options += f"  ... {step.choice} {beyond[0]:.2f}" if beyond else ""
        rows.append((vocabulary.boundary + step.context, options, f"{step.roll:.3f}", step.choice))
    say.table(rows, indent="    ")


def evaluate(options: argparse.Namespace) -> int:
    """Print how well a model predicts the names of a file, or those of its own test split."""
    say = Console()
    run = runs.load(_run_folder(options.run))
    if options.file is None:
        remedy = f"give a file of names: tinygrad-lm evaluate {runs.typed(run.folder)} FILE"
        data, split = source.read_again(run.config, run.model, run.folder, remedy)
        names = split.test
        say(f"The test split of the run (seed {data.seed}; {data.origin}): {_told(names, run)}")
    else:
        cleaned = clean_names(read_names(options.file), run.model.vocabulary)
        names = cleaned.kept
        say(f"{options.file}: {_told(names, run)}")
        for reason, dropped in cleaned.dropped.items():
            say(f"  {len(dropped):,} more dropped, {reason}: {source.some(dropped)}")
    found = run.model.evaluate(names)
    say(
        f"loss {found.loss:.4f} nats a character, perplexity {found.perplexity:.2f}, "
        f"over {found.characters:,} characters"
    )
    return 0


def _told(names: Sequence[str], run: runs.Run) -> str:
    known = sum(name in run.training_names for name in names)
    return f"{len(names):,} names, {known:,} of them in the training data"


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

    with Later(second_at_once=True):  # it imports what it looks for
        found = visualize.doctor()
    Console()(found.rstrip())
    return 0
