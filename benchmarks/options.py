"""What each option of a training is worth: the default LSTM with one of them taken away or added, on the bundled names.

    python -m benchmarks.options         three seeds, about 20 minutes of one core
    python -m benchmarks.options 1       seed 0 alone, about seven minutes

Losses are in nats a character, the means of the seeds, which decide the split, the start and the batches. "Best" is the
lowest validation loss, "last" that after the last step, "test" that of the best weights. The last column is how much
higher the test loss is than with the defaults, seed by seed: the mean, the least and the greatest of the seeds.
"""

import sys
from collections.abc import Mapping
from statistics import mean
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from tinygrad_lm.models import LSTM
from tinygrad_lm.text import Vocabulary, bundled_names, split_names
from tinygrad_lm.training import Plan, Trainer

UNDROPPED: Mapping[str, object] = {"dropout": 0.0, "recurrent_dropout": 0.0, "blank": 0.0}
"""The settings of the model; the others are of the plan."""

CHANGES: Mapping[str, Mapping[str, object]] = {
    "the defaults": {},
    "without dropped units": {"dropout": 0.0},
    "without dropped weights": {"recurrent_dropout": 0.0},
    "without blanked characters": {"blank": 0.0},
    "without these three": UNDROPPED,
    "without averaged weights": {"ema_decay": None},
    "without clipping": {"clip_grad_norm": None},
    "without weight decay": {"weight_decay": 0.0},
    "a warm-up of 250 steps": {"warmup_steps": 250},
    "label smoothing of 0.1": {"label_smoothing": 0.1},
    "a constant learning rate": {"schedule": "constant"},
    "constant, without averaged weights": {"schedule": "constant", "ema_decay": None},
    "none of all these": {
        **UNDROPPED,
        "ema_decay": None,
        "clip_grad_norm": None,
        "weight_decay": 0.0,
        "schedule": "constant",
    },
}
"""What is changed in each row, by the names of the settings."""


class Losses(NamedTuple):
    """What one training came to."""

    best: float
    last: float
    test: float


def train(changes: Mapping[str, object], seed: int) -> Losses:
    """Train the default LSTM by its default plan, with some settings of either changed."""
    settings: dict[str, Any] = {**LSTM.plan_defaults, **changes, "seed": seed}
    dropped = {name: settings.pop(name) for name in UNDROPPED if name in settings}
    split = split_names(bundled_names(), seed=seed)
    model = LSTM(Vocabulary(), **dropped, rng=seed)
    trainer = Trainer(model, split.train, split.validation, Plan(**settings))
    trainer.run(progress=False)
    trainer.restore_best()
    return Losses(trainer.best_loss, trainer.history[-1].validation_loss, model.evaluate(split.test).loss)


def main(seeds: str = "3") -> None:
    """Train, and print a row for each change."""
    print(f"{'':<36} best   last   test   above the first row")
    first: list[float] = []
    for what, changes in CHANGES.items():
        found = [train(changes, seed) for seed in range(int(seeds))]
        means = "  ".join(f"{mean(column):.3f}" for column in zip(*found, strict=True))
        first = first or [losses.test for losses in found]
        above = [losses.test - one for losses, one in zip(found, first, strict=True)]
        spread = f"   {mean(above):+.3f} ({min(above):+.3f} to {max(above):+.3f})" if changes else ""
        print(f"{what:<35} {means}{spread}", flush=True)


if __name__ == "__main__":
    with threadpool_limits(1):
        main(*sys.argv[1:])
