"""From a model to text: filters of the next token, names in batches, names one wants, exact search, memorisation."""

from tinygrad_lm.sampling.logits import choose, min_p, probabilities, top_k, top_p, with_temperature
from tinygrad_lm.sampling.memorising import Memorisation, Shares, distances_to_nearest, memorisation, shares
from tinygrad_lm.sampling.search import Probable, log_probability, most_probable, probability
from tinygrad_lm.sampling.settings import AS_LEARNED, MAX_LENGTH, Settings, check_prefix
from tinygrad_lm.sampling.tree import Branch, sampling_tree
from tinygrad_lm.sampling.wanted import ANYTHING, IncompleteError, Wanted
from tinygrad_lm.sampling.writing import BATCH_SIZE, Sample, Step, generate, samples

__all__ = [
    "with_temperature",
    "top_k",
    "top_p",
    "min_p",
    "probabilities",
    "choose",
    "Settings",
    "AS_LEARNED",
    "MAX_LENGTH",
    "check_prefix",
    "generate",
    "samples",
    "Sample",
    "Step",
    "BATCH_SIZE",
    "Wanted",
    "ANYTHING",
    "IncompleteError",
    "probability",
    "log_probability",
    "most_probable",
    "Probable",
    "sampling_tree",
    "Branch",
    "memorisation",
    "Memorisation",
    "distances_to_nearest",
    "shares",
    "Shares",
]
