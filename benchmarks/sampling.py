"""How long a thousand names take to write, and to compare with thirty thousand: the best of five.

python -m benchmarks.sampling
"""

import time
from collections.abc import Callable

import numpy as np

from tinygrad_lm.models import MLP
from tinygrad_lm.sampling import memorisation, most_probable, samples
from tinygrad_lm.text import Vocabulary, bundled_names, split_names
from tinygrad_lm.training import Plan, Trainer


def best_of(measured: Callable[[], object], times: int = 5) -> float:
    """The least of the seconds that calls take."""
    found: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        measured()
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    """Train for a moment, and print what each takes."""
    rng = np.random.default_rng(0)
    split = split_names(bundled_names(), seed=0)
    model = MLP(Vocabulary(), context=3, embedding=10, hidden=(200,), rng=0)
    for what in ("untrained", "trained"):
        print(f"1,000 names, MLP {what}: {best_of(lambda: list(samples(model, rng=0, count=1000))):.3f} s")
        if what == "untrained":
            trainer = Trainer(model, split.train, split.validation, Plan(steps=2000))
            trainer.run()
            trainer.restore_best()
    print(f"the 100 most probable: {best_of(lambda: most_probable(model, 100)):.3f} s")
    texts = [name.text for name in samples(model, rng=0, count=1000)]
    names = ["".join(map(chr, 97 + rng.integers(0, 26, size))) for size in rng.integers(3, 12, 30_000).tolist()]
    print(f"their distances to 30,000 names: {best_of(lambda: memorisation(texts, names), 1):.2f} s")


if __name__ == "__main__":
    main()
