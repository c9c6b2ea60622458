"""An honest leaderboard: every model of the lectures on the same names, counting included, chosen by validation.

    python -m benchmarks.leaderboard                  the bundled Indian names, the mean of seeds 0, 1 and 2
    python -m benchmarks.leaderboard NAMES.TXT        a list of 10,000 names and more (makemore's names.txt), seed 0
    python -m benchmarks.leaderboard NAMES.TXT --only lstm kneser-ney

Names are de-duplicated and split by name, 80 for training, 10 for validation and 10 for testing. Each row is made by
the command that stands in it, in a process of its own with one BLAS thread. What is to be chosen (settings, the best
step, the order of the counts, the weights of a mixture) is chosen by the validation names alone; the test names are
looked at once, here. Losses are in nats a character, with an interval of 95 % from 1,000 bootstrap samples of the test
names; "new" is the share of 1,000 sampled names that are not in the training, and the last line shows the leak of a
split without de-duplication. Runs are kept in --out, and a finished one is not made again.
"""

import argparse
import random
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygrad_lm import runs, sampling
from tinygrad_lm.models import KneserNey, LanguageModel, TrainableModel
from tinygrad_lm.text import Split, Vocabulary, bundled_names, clean_names, read_names, split_names

LARGE = 10_000
"""From how many names on a list is trained on longer, with one seed."""

BUNDLED = {
    "bigram counts": "--model bigram",
    "trigram counts": "--model trigram",
    "4-gram counts": "--model 4gram",
    "Kneser-Ney counts": "--model kneser-ney --order 6",
    "neural bigram": "--model neural-bigram",
    "MLP of the deck": "--model deck-mlp",
    "MLP": "--model mlp",
    "WaveNet": "--model wavenet",
    "RNN": "--model rnn",
    "GRU": "--model gru",
    "LSTM": "--model lstm",
    "Transformer": "--model transformer",
}
"""The models, and how they are trained on the bundled names: with the defaults."""

ON_LARGE = {
    "bigram counts": "--model bigram",
    "trigram counts": "--model trigram",
    "4-gram counts": "--model 4gram",
    "Kneser-Ney counts": "--model kneser-ney --order 6",
}
"""The same for a large list."""


class Row(NamedTuple):
    """What was found of one model, with one seed."""

    numbers: int
    validation: float
    test: float
    low: float
    high: float
    seconds: float
    new: float


def losses_of_names(model: LanguageModel, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The negative log-likelihood of each name, its end included, and how many characters it has."""
    lengths = np.array([len(name) + 1 for name in names])
    ends = np.cumsum(lengths)
    found = -np.add.reduceat(model.log_likelihoods(names).astype(np.float64), np.r_[0, ends[:-1]])
    return found, lengths


def interval(losses: np.ndarray, lengths: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the mean loss over 1,000 lists of names drawn with replacement from these."""
    drawn = np.random.default_rng(0).integers(len(losses), size=(1000, len(losses)))
    low, high = np.quantile(losses[drawn].sum(axis=1) / lengths[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


def command(*words: object) -> list[str]:
    """The command line of the package, in this interpreter."""
    return [sys.executable, "-m", "tinygrad_lm", *map(str, words)]


def finished(folder: Path) -> bool:
    """Whether a run was made to its end."""
    return (folder / runs.WEIGHTS).exists() and "Saved in" in (folder / runs.LOG).read_text(encoding="utf-8")


def make(folder: Path, words: Sequence[object]) -> None:
    """Run a command that makes a run, unless it was made before."""
    if folder.exists() and finished(folder):
        return
    done = subprocess.run(command(*words, "--out", folder), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{shlex.join(map(str, words))} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def look(folder: Path, split: Split) -> Row:
    """What a run comes to."""
    model = runs.load(folder).model
    losses, lengths = losses_of_names(model, split.test)
    texts = [each.text for each in sampling.samples(model, rng=0, count=1000)]
    known = set(split.train)
    reports = runs.metrics(folder)
    return Row(
        numbers=model.num_parameters() if isinstance(model, TrainableModel) else sum_of(model),
        validation=model.evaluate(split.validation).loss,
        test=float(losses.sum() / lengths.sum()),
        **dict(zip(("low", "high"), interval(losses, lengths), strict=True)),
        seconds=reports[-1].seconds if reports else 0.0,
        new=1 - sum(text in known for text in texts) / len(texts),
    )


def sum_of(model: LanguageModel) -> int:
    """How many numbers a model holds that is not trained by steps."""
    return sum(array.size for array in model.state_dict().values())
