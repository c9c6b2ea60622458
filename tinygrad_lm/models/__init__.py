"""The model families, all of which speak ``LanguageModel``."""

from tinygrad_lm.models.files import FAMILIES, ModelFileError
from tinygrad_lm.models.interface import Evaluation, Examples, LanguageModel, TrainableModel
from tinygrad_lm.models.mlp import MLP
from tinygrad_lm.models.ngram import NGram
from tinygrad_lm.models.saving import load

FAMILIES.update({family.kind: family for family in (NGram, MLP)})

__all__ = [
    "Evaluation",
    "Examples",
    "FAMILIES",
    "LanguageModel",
    "MLP",
    "ModelFileError",
    "NGram",
    "TrainableModel",
    "load",
]
