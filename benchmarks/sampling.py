"""How long a thousand names take to write, and to compare with thirty thousand: the best of five.

    python -m benchmarks.sampling

Each model was trained for a moment, for one that has learned nothing writes names that never end.
"""

import time
from collections.abc import Callable

import numpy as np

from tinygrad_lm.models import loading
from tinygrad_lm.sampling import memorisation, most_probable, samples
from tinygrad_lm.text import Vocabulary, bundled_names, split_names
from tinygrad_lm.training import Plan, Trainer

MODELS = {
    "MLP, context 3, hidden 200": ("mlp", {"hidden": (200,)}),
    "LSTM, hidden 192": ("lstm", {"embedding": 32, "hidden": 192}),
    "makemore's Transformer": ("makemore-transformer", {}),
}


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
    for name, (model_name, settings) in MODELS.items():
        family = loading.family("transformer" if model_name.endswith("transformer") else model_name)
        model = family.build(family.Config(**{**family.presets.get(model_name, {}), **settings}), Vocabulary(), rng)
        trainer = Trainer(model, split.train, split.validation, Plan(steps=400, clip_grad_norm=1.0))
        trainer.run()
        trainer.restore_best()
        texts = [each.text for each in samples(model, rng=0, count=1000)]
        letters = sum(map(len, texts)) / 1000
        seconds = best_of(lambda model=model: list(samples(model, rng=0, count=1000)))
        print(f"1,000 names of {letters:.1f} letters, {name}: {seconds:.3f} s")
        print(f"  the 100 most probable: {best_of(lambda model=model: most_probable(model, 100), 1):.3f} s")
    names = ["".join(map(chr, 97 + rng.integers(0, 26, size))) for size in rng.integers(3, 12, 30_000).tolist()]
    print(f"distances of 1,000 names to 30,000: {best_of(lambda: memorisation(texts, names), 1):.2f} s")


if __name__ == "__main__":
    main()
