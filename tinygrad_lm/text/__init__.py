"""Text as a model sees it: vocabularies, lists of names, sliding windows, padded sequences. Needs only NumPy."""

from tinygrad_lm.text.dataset import NameDataset
from tinygrad_lm.text.errors import DataError
from tinygrad_lm.text.files import bundled_names, read_names
from tinygrad_lm.text.graphemes import graphemes
from tinygrad_lm.text.names import CleanedNames, Split, clean_names, in_lower_case, split_names
from tinygrad_lm.text.sequences import SequenceDataset
from tinygrad_lm.text.targets import IGNORE, count_characters, count_targets, token_lengths
from tinygrad_lm.text.tokenizer import TOKENIZERS, Tokenizer, tokenizer_from_json
from tinygrad_lm.text.vocabulary import Vocabulary

__all__ = [
    "Tokenizer",
    "Vocabulary",
    "TOKENIZERS",
    "tokenizer_from_json",
    "graphemes",
    "read_names",
    "bundled_names",
    "clean_names",
    "in_lower_case",
    "CleanedNames",
    "split_names",
    "Split",
    "NameDataset",
    "SequenceDataset",
    "IGNORE",
    "token_lengths",
    "count_targets",
    "count_characters",
    "DataError",
]
