"""The table of model families: which there are, and where each is found. Nothing is imported here, not even NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tinygrad_lm.models.interface import LanguageModel


class Builtin(NamedTuple):
    """A family of the package."""

    where: str
    """Its module and class."""
    summary: str
    """What the help of ``train`` says of it."""
    presets: tuple[str, ...] = ()
    """The names of its ``presets``."""
    made_by: str = ""
    """What makes its models, where they learn nothing from names by themselves, so that ``train`` cannot."""


NGRAMS = ("unigram", "bigram", "trigram", "4gram", "5gram", "6gram", "7gram")
"""The counting models by their order, from 1 up."""

FAMILIES: dict[str, Builtin | type[LanguageModel]] = {
    "mlp": Builtin(
        "tinygrad_lm.models.mlp:MLP",
        "the last characters embedded, then hidden layers",
        ("deck-mlp", "lab4-mlp"),
    ),
    "ngram": Builtin(
        "tinygrad_lm.models.ngram:NGram",
        "counts of so many characters in a row",
        NGRAMS,
    ),
    "kneser-ney": Builtin(
        "tinygrad_lm.models.kneser_ney:KneserNey", "counts of so many in a row, mixed with those of fewer"
    ),
    "neural-bigram": Builtin(
        "tinygrad_lm.models.bigram:NeuralBigram", "the table of the bigram, learned by gradient descent"
    ),
    "wavenet": Builtin(
        "tinygrad_lm.models.wavenet:WaveNet",
        "the last characters fused two by two",
        ("makemore-wavenet",),
    ),
    "rnn": Builtin("tinygrad_lm.models.recurrent:RNN", "a state handed from character to character"),
    "gru": Builtin("tinygrad_lm.models.recurrent:GRU", "a state with two gates"),
    "lstm": Builtin("tinygrad_lm.models.recurrent:LSTM", "a state and a cell with three gates"),
    "transformer": Builtin(
        "tinygrad_lm.models.transformer:Transformer",
        "each character looks back at those before it",
        ("makemore-transformer", "microgpt"),
    ),
    "mixture": Builtin(
        "tinygrad_lm.models.mixture:Mixture",
        "the weighted mean of the probabilities of several models",
        made_by="tinygrad-lm mix RUN RUN",
    ),
}
"""The families by their kind: those of the package, and the classes that ``models.register`` added."""

TRAINED = {kind: found for kind, found in FAMILIES.items() if isinstance(found, Builtin) and not found.made_by}
"""Those of the package that ``train`` makes models of."""

PRESETS = {name: kind for kind, found in FAMILIES.items() if isinstance(found, Builtin) for name in found.presets}
"""The family of each preset of the package's."""


def where(kind: str) -> str:
    """The module and class of a family: ``"tinygrad_lm.models.mlp:MLP"``."""
    found = FAMILIES[kind]
    return found.where if isinstance(found, Builtin) else place(found)


def place(family: type[object]) -> str:
    """The module and name of a class."""
    return f"{family.__module__}:{family.__qualname__}"
