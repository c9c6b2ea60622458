"""How well the models predict held-out names, against counting, and how long they train.

    python -m benchmarks.language_models                 the bundled Indian names, the defaults of `train`, three seeds
    python -m benchmarks.language_models NAMES.TXT       a large list (makemore's names.txt), one seed, longer

Losses are in nats a character on validation names; the split is by name after removing duplicates. Counts have the
smoothing that validates best, or Kneser-Ney's (KN), which needs no validation names. The first lines of a large list
are the lectures' own number: bigrams counted and evaluated on the whole file, including duplicates.
"""

import sys
from collections.abc import Sequence
from statistics import mean

from threadpoolctl import threadpool_limits

from tinygrad_lm.models import MLP, KneserNey, NGram
from tinygrad_lm.text import Vocabulary, bundled_names, clean_names, read_names, split_names
from tinygrad_lm.training import Plan, Trainer


def train(names: Sequence[str], plan: Plan) -> tuple[dict[str, float], float]:
    """The validation loss of each model and the seconds that the MLP trained."""
    vocabulary = Vocabulary()
    split = split_names(names, seed=plan.seed)
    losses: dict[str, float] = {}
    for order in (2, 3, 4):
        counted = NGram.fitted(order, split.train, split.validation, vocabulary)
        losses[f"{order}-gram"] = counted.evaluate(split.validation).loss
    for order in (4, 5, 6):
        smoothed = KneserNey(order, vocabulary).fit(split.train)
        losses[f"{order}-gram KN"] = smoothed.evaluate(split.validation).loss
        losses[f"{order}-gram KN, test"] = smoothed.evaluate(split.test).loss
    model = MLP(vocabulary, context=3, embedding=10, hidden=(200,), rng=plan.seed)
    trainer = Trainer(model, split.train, split.validation, plan)
    trainer.run()
    trainer.restore_best()
    losses["MLP"] = trainer.best_loss
    losses["MLP, test"] = model.evaluate(split.test).loss
    return losses, trainer.seconds


def main(path: str | None = None) -> None:
    """Train, and print a table."""
    if path is None:
        names, plans = bundled_names(), [Plan(steps=8000, seed=seed) for seed in range(3)]
    else:
        lines = read_names(path)
        for smoothing in (0.0, 1.0):
            loss = NGram(2, smoothing).fit(lines).evaluate(lines).loss
            print(f"bigram counts over all {len(lines):,} lines, {smoothing:g} added to every count: {loss:.4f}")
        names, plans = lines, [Plan(steps=80_000, batch_size=128, weight_decay=0.02, evaluate_every=2000)]
    kept = clean_names(names, Vocabulary()).kept
    rows = [train(kept, plan) for plan in plans]
    print(f"{len(kept):,} names; validation loss, mean of {len(rows)} seed(s)")
    for model in rows[0][0]:
        found = [losses[model] for losses, _ in rows]
        print(f"  {model:<15} {mean(found):.4f}   {'  '.join(f'{loss:.4f}' for loss in found)}")
    counts = [name for name in rows[0][0] if "gram" in name and "test" not in name]
    best = min(counts, key=lambda name: mean([losses[name] for losses, _ in rows]))
    above = mean([losses["MLP"] - losses[best] for losses, _ in rows])
    print(f"  the MLP is {abs(above):.4f} {'above' if above > 0 else 'below'} the best counts, {best}")
    print(f"  training took {max(seconds for _, seconds in rows):.1f} s at most")


if __name__ == "__main__":
    with threadpool_limits(1):
        main(*sys.argv[1:])
