"""Models measured alike, as plain numbers: what they predict, how large they are, what they write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinygrad_lm import defaults
from tinygrad_lm.models.interface import Evaluation, LanguageModel
from tinygrad_lm.models.mixture import Mixture
from tinygrad_lm.models.trainable import TrainableModel
from tinygrad_lm.random import as_generator
from tinygrad_lm.sampling import AS_LEARNED, Sample, Settings, samples, shares


@dataclass(frozen=True)
class Measured:
    """What was measured of a model."""

    validation: Evaluation | None
    """How well it predicts the validation names; ``None`` without any."""
    test: Evaluation | None
    """The same of the test names."""
    numbers: int
    """How many numbers it holds: parameters, or counts and what they are of."""
    new: float
    """The share of the names drawn that are not among the training names."""
    duplicates: float
    """The share of them that were drawn before."""
    drawn: tuple[Sample, ...] = field(repr=False)
    """The names, in the order drawn."""


def measure(
    model: LanguageModel,
    training_names: Iterable[str],
    validation: Sequence[str] = (),
    test: Sequence[str] = (),
    *,
    count: int = defaults.MEASURED,
    settings: Settings = AS_LEARNED,
    rng: np.random.Generator | int | None = None,
) -> Measured:
    """Measure a model, as the command ``compare`` does for each run.

    Parameters
    ----------
    model
        What is measured; it is in evaluation mode meanwhile.
    training_names
        What it has learned from, by which a name drawn is new or not.
    validation, test
        The names to predict. Losses of two models compare only where both are of the same names, and neither has
        learned from them.
    count
        How many names are drawn, at least one.
    settings
        How: the temperature, and so on.
    rng
        A generator or a seed. The same seed for two models makes their samples comparable, too: each name has the same
        random numbers.

    Raises
    ------
    DataError
        For names the model cannot read, and for no training name.
    """
    drawn = tuple(samples(model, settings, as_generator(rng), count=count))
    in_training, duplicates = shares([sample.text for sample in drawn], training_names)
    return Measured(
        model.evaluate(validation) if len(validation) else None,
        model.evaluate(test) if len(test) else None,
        numbers_of(model),
        1 - in_training,
        duplicates,
        drawn,
    )


def numbers_of(model: LanguageModel) -> int:
    """How many numbers a model holds.

    Of one that is trained its parameters, each once; of counts the contexts, the pairs and how often each occurred; of
    a mixture the sum over its members.
    """
    if isinstance(model, Mixture):
        return sum(map(numbers_of, model.members))
    if isinstance(model, TrainableModel):
        return sum(np.size(parameter.data) for _, parameter in model.named_parameters())
    return sum(array.size for array in model.state_dict().values())
