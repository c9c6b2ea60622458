"""The model families that ``train`` offers: the options of each, and how a model is made from them.

All that the command line knows of a single family stands here.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import tinygrad_lm.defaults as defaults
from tinygrad_lm.cli.parsing import COUNT, RATE, Options, UsageError

if TYPE_CHECKING:
    from tinygrad_lm.models import NGram, TrainableModel
    from tinygrad_lm.text import Split, Tokenizer

NGRAMS = {"unigram": 1, "bigram": 2, "trigram": 3, "4gram": 4, "5gram": 5, "6gram": 6}
"""What ``--model`` calls the counting models, and how many characters in a row each counts."""


class ModelOptions(Options):
    """What is told of the model, whichever family it is of."""

    model: str = "mlp"
    seed: int = 0
    # The neural model.
    context: int = defaults.CONTEXT
    embedding: int = defaults.EMBEDDING
    hidden: Sequence[Sequence[int]] = (defaults.HIDDEN,)
    """Sizes in groups, as they were typed: ``300 100`` is two of one size, ``300,100`` one of two."""
    activation: str = defaults.ACTIVATION
    # The counting models.
    smoothing: float | None = None


class Family(NamedTuple):
    """A family of models: one group of options serves them all."""

    models: tuple[str, ...]
    """What ``--model`` calls them."""
    options: tuple[str, ...]
    """The options that mean something to this family alone."""
    add_options: Callable[[ArgumentParser], None]
    learns: bool
    """Whether it learns by gradient descent, so that the options of training mean something to it."""
    make: Callable[[ModelOptions, Split, Tokenizer], TrainableModel | NGram]
    """An untrained model, or counts that are complete. Raises ``UsageError`` for options out of range."""


def _sizes(text: str) -> list[int]:
    return [COUNT(part) for part in text.split(",")]


def _add_neural(parser: ArgumentParser) -> None:
    neural = parser.add_argument_group("the neural model")
    hidden = ",".join(map(str, defaults.HIDDEN))
    neural.add_argument(
        "--context", type=COUNT, metavar="N", help=f"how many characters it sees (default: {ModelOptions.context})"
    )
    neural.add_argument(
        "--embedding", type=COUNT, metavar="N", help=f"numbers a character (default: {ModelOptions.embedding})"
    )
    neural.add_argument(
        "--hidden",
        type=_sizes,
        nargs="+",
        metavar="N",
        help=f"hidden layer sizes: 300 100, or 300,100 (default: {hidden})",
    )
    neural.add_argument(
        "--activation",
        choices=["tanh", "relu"],
        help=f"after each hidden layer (default: {ModelOptions.activation})",
    )


def _make_neural(options: ModelOptions, split: Split, vocabulary: Tokenizer) -> TrainableModel:
    from tinygrad_lm.models import MLP

    hidden = list(chain(*options.hidden))
    try:
        return MLP(vocabulary, options.context, options.embedding, hidden, options.activation, rng=options.seed)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _add_counting(parser: ArgumentParser) -> None:
    counting = parser.add_argument_group("the counting models")
    counting.add_argument(
        "--smoothing", type=RATE, metavar="X", help="added to every count (default: what validates best)"
    )


def _make_counting(options: ModelOptions, split: Split, vocabulary: Tokenizer) -> NGram:
    from tinygrad_lm.models import NGram

    order = NGRAMS[options.model]
    try:
        if options.smoothing is None:
            return NGram.fitted(order, split.train, split.validation, vocabulary)
        return NGram(order, options.smoothing, vocabulary).fit(split.train)
    except ValueError as error:
        raise UsageError(str(error)) from None


NEURAL = Family(("mlp",), ("context", "embedding", "hidden", "activation"), _add_neural, True, _make_neural)
COUNTING = Family(tuple(NGRAMS), ("smoothing",), _add_counting, False, _make_counting)
FAMILIES = (NEURAL, COUNTING)
MODELS = tuple(chain(*(family.models for family in FAMILIES)))
"""All that ``--model`` offers."""


def family_of(model: str) -> Family:
    """The family of a model that ``--model`` offers."""
    return next(family for family in FAMILIES if model in family.models)
