"""``tinygrad-lm train``: train a model on a list of names, or go on with a stopped run."""

from __future__ import annotations

from importlib import import_module

from tinygrad_lm.cli import family
from tinygrad_lm.cli.parsing import Command
from tinygrad_lm.cli.train.options import TrainOptions, add_more, add_options, refuse
from tinygrad_lm.cli.wording import in_options
from tinygrad_lm.interrupts import Later


@in_options
def run(options: TrainOptions) -> int:
    """Train a model, or go on with a stopped run."""
    with Later():
        others = ("safetensors.numpy", "threadpoolctl", "tqdm", "numpy.random", "importlib.readers")
        for name in others:  # which are imported in the course of it
            import_module(name)

        from tinygrad_lm.cli.train import fitting
    if options.resume is None:
        return fitting.train(options)
    family.register_own([options.model] if options.is_given("model") else [])
    return fitting.resume(options.resume, options)


COMMAND = Command(
    "train a model on a list of names and write new ones",
    TrainOptions,
    add_options,
    run,
    examples=(
        ("train --model trigram", "count; a second's work"),
        ("train --data names.txt --hidden 300 100", "names of your own"),
        ("train --resume runs/mlp-1 --steps 16000", "go on with a run"),
    ),
    add_more=add_more,
    refuse=refuse,
)
