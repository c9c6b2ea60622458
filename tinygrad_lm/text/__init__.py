"""Text as a model sees it: vocabularies, lists of names, sliding windows, padded sequences. Needs only NumPy."""

from tinygrad_lm.lazy import attribute as _attribute

TYPE_CHECKING = False  # each file is imported when something of it is first asked for
if TYPE_CHECKING:
    from tinygrad_lm.text.dataset import NameDataset
    from tinygrad_lm.text.errors import DataError
    from tinygrad_lm.text.files import bundled_names, read_names
    from tinygrad_lm.text.lecture import lecture_names
    from tinygrad_lm.text.names import CleanedNames, Split, clean_names, in_lower_case, split_names
    from tinygrad_lm.text.segmentation import graphemes
    from tinygrad_lm.text.sequences import SequenceDataset
    from tinygrad_lm.text.targets import IGNORE, count_characters, count_targets, token_lengths
    from tinygrad_lm.text.tokenizer import TOKENIZERS, Tokenizer, tokenizer_from_json
    from tinygrad_lm.text.vocabulary import Vocabulary

_HOMES = {
    "CleanedNames": "names",
    "DataError": "errors",
    "IGNORE": "targets",
    "NameDataset": "dataset",
    "SequenceDataset": "sequences",
    "Split": "names",
    "TOKENIZERS": "tokenizer",
    "Tokenizer": "tokenizer",
    "Vocabulary": "vocabulary",
    "bundled_names": "files",
    "clean_names": "names",
    "count_characters": "targets",
    "count_targets": "targets",
    "graphemes": "segmentation",
    "in_lower_case": "names",
    "lecture_names": "lecture",
    "read_names": "files",
    "split_names": "names",
    "token_lengths": "targets",
    "tokenizer_from_json": "tokenizer",
}

__all__ = [
    "Tokenizer",
    "Vocabulary",
    "TOKENIZERS",
    "tokenizer_from_json",
    "graphemes",
    "read_names",
    "bundled_names",
    "lecture_names",
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


def __getattr__(name: str) -> object:
    """What lives in one of the files here."""
    return _attribute(__name__, _HOMES, name)


def __dir__() -> list[str]:
    """What the room has, imported or not."""
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING"})
