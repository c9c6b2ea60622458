"""What ``train`` shows: its names, what it learns from, how well it predicts beside counts, names, and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinygrad_lm import runs, sampling
from tinygrad_lm.checks import quoted
from tinygrad_lm.cli import written
from tinygrad_lm.cli.console import Console
from tinygrad_lm.cli.names import OWN_COPY, Source, some
from tinygrad_lm.models import FittedModel, KneserNey, LanguageModel, NGram, TrainableModel, WindowModel
from tinygrad_lm.models.counting import highest_order
from tinygrad_lm.models.kneser_ney import KneserNeyConfig
from tinygrad_lm.random import as_generator
from tinygrad_lm.text import CleanedNames, Split, Tokenizer
from tinygrad_lm.text.names import OUTSIDE

MOST_WINDOWS = 20
"""How many windows of the first name are shown."""
CONTEXT = 60
"""How many characters of a window are shown."""
FEW = 20
"""Losses of fewer names than these differ by a tenth and more with the names that happen to be among them."""

COMPARED = {"bigram": 2, "trigram": 3, "4gram": 4}
"""The counts that a model is shown beside, each with the smoothing that validates best."""
MANY = 2_000_000
"""Of more letters than these the Kneser-Ney counts beside them are of order 4: longer ones would fill the memory."""

FILES = {
    runs.WEIGHTS: "the weights",
    runs.CONFIG: "the settings and the vocabulary",
    runs.METRICS: "the losses during the training",
    runs.LOG: "what was printed",
    runs.TRAINING_NAMES: "the names it learned from",
    OWN_COPY: "all lines that came in",
    runs.CHECKPOINT: "to go on: --resume RUN --steps N",
    "graph.svg": "the graph of one small batch",
    "graph.html": "its backward pass to step through",
    "graph.dot": "the same graph for Graphviz",
}
"""What a run folder holds, in the order of telling."""


def show_data(say: Console, data: Source, cleaned: CleanedNames, split: Split, vocabulary: Tokenizer) -> None:
    """Where the names come from, which were dropped and why, how they are split, and the vocabulary."""
    dropped = sum(map(len, cleaned.dropped.values()))
    say(f"Data: {data.origin}")
    say(f"  {len(cleaned.kept) + dropped:,} lines, {len(cleaned.kept):,} names kept, {dropped:,} dropped")
    for reason, names in cleaned.dropped.items():
        named = f"{'name' if len(names) == 1 else 'names'} with {reason}" if reason == OUTSIDE else reason
        say.wrapped(f"{len(names):,} {named}: {some(names)}", indent="    ")
        if reason == OUTSIDE and data.alphabet != "data":
            clash = any(vocabulary.boundary in name for name in names)
            say(f"      to keep them: --alphabet data{' --boundary .' if clash else ''}")
    parts = (
        f"{len(split.train):,} for training, {len(split.validation):,} for validation, {len(split.test):,} for testing"
    )
    say(f"  split by name, seed {data.seed}: {parts}")
    if (fewest := min(len(split.validation), len(split.test))) < FEW:
        say(f"  losses of {fewest} name{'s' * (fewest > 1)} mean little: they hang on which these are")
    say()
    tokens = vocabulary.tokens
    shown = " ".join(tokens) if len(tokens) <= 60 else " ".join(tokens[:50]) + " ... " + tokens[-1]
    say.wrapped(f"Vocabulary: {len(tokens)} tokens, numbered from 0: {shown}")
    say(
        f"  {vocabulary.boundary} (number {vocabulary.boundary_id}) stands before the start and after the end of a name"
    )
    say()


def show_windows(say: Console, model: TrainableModel, names: Sequence[str]) -> None:
    """The examples that the first name gives, where they can be told."""
    windows = getattr(model.examples(names[:1]), "windows", None)
    if windows is not None:
        what = "Sliding window" if isinstance(model, WindowModel) else "Whole names"
        say(f"{what}: {quoted(names[0], 30)} gives these examples, context -> next character")
        for context, target in (examples := windows(names[0]))[:MOST_WINDOWS]:
            say(f"  {written.ending(context, CONTEXT)} -> {target}")
        if len(examples) > MOST_WINDOWS:
            say(f"  ... and {len(examples) - MOST_WINDOWS:,} more")
        say()


def show_parameters(say: Console, model: TrainableModel) -> None:
    """The shape and size of each parameter."""
    say("Learnable parameters")
    rows = [
        (name, " x ".join(map(str, np.shape(parameter.data))), f"{np.size(parameter.data):,}")
        for name, parameter in model.named_parameters()
    ]
    total = sum(np.size(parameter.data) for _, parameter in model.named_parameters())
    say.table([*rows, ("total", "", f"{total:,}")])
    say()


def show_summary(say: Console, model: FittedModel) -> None:
    """What a model has found in its names, a line for each part of the sentence."""
    first, *rest = model.summary().split("; ")
    say.wrapped(first)
    for each in rest:
        say.wrapped(each, indent="  ")
    say()


def show_comparison(say: Console, model: LanguageModel, split: Split, title: str) -> None:
    """The model beside n-gram counts (smoothing chosen on the validation names, and Kneser-Ney) on the same split."""
    own = model.evaluate(split.validation)
    say("Validation, in nats a character (lower is better)")
    rows = [("model", "loss", "perplexity")]
    vocabulary = model.vocabulary
    counts: dict[str, FittedModel] = {
        name: NGram.fitted(order, split.train, split.validation, vocabulary) for name, order in COMPARED.items()
    }
    counts["Kneser-Ney"] = strongest_counts(split.train, vocabulary)
    for name, counted in counts.items():
        found = counted.evaluate(split.validation)
        rows.append((f"{name} counts, {counted.brief()}", f"{found.loss:.3f}", f"{found.perplexity:.2f}"))
    say.table([*rows, (title, f"{own.loss:.3f}", f"{own.perplexity:.2f}")])
    say()


def strongest_counts(names: Sequence[str], vocabulary: Tokenizer) -> KneserNey:
    """Kneser-Ney counts of the names, which are hard to beat: of the usual order, as far as there is room for it."""
    usual = KneserNeyConfig.order if sum(map(len, names)) <= MANY else 4
    return KneserNey(min(usual, highest_order(vocabulary)), vocabulary).fit(names)


def show_samples(say: Console, model: LanguageModel, training_names: frozenset[str], seed: int) -> None:
    """Names that the model writes, and which of them it has seen."""
    say("Twenty names from the model")
    drawn = list(sampling.samples(model, rng=as_generator(seed), count=20))
    shown = [written.shown(sample.text, sample.complete) for sample in drawn]
    width = written.column(max(map(len, shown)))
    for name, sample in zip(shown, drawn, strict=True):
        say(f"  {name:<{width}} {written.origin(sample.text, training_names)}")
    say()


def show_files(say: Console, folder: Path, seed: int, model: str) -> None:
    """The files of the run, and how to get more names from it."""
    say("Files of the run")
    for name, what in FILES.items():
        if (folder / name).exists():
            say(f"  {name:<22}  {what}")
    say()
    more = f"tinygrad-lm sample {runs.typed(folder)}{model} --seed {(seed + 1) % 10**18}"
    say(f"Saved in {folder}. More names:  {more}")
