"""``tinygrad-lm mix``: one model out of several runs, each with the weight that predicts the validation names best."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tinygrad_lm.cli import family
from tinygrad_lm.cli.parsing import Command, Options, UsageError
from tinygrad_lm.interrupts import Later

if TYPE_CHECKING:
    from tinygrad_lm.cli.console import Console
    from tinygrad_lm.models import LanguageModel, Mixture
    from tinygrad_lm.runs import Run
    from tinygrad_lm.text import Split


class MixOptions(Options):
    """What ``mix`` is told."""

    run: Sequence[str]
    out: str | None = None
    model: Sequence[str] = ()

    def check(self) -> None:
        """Refuse a single run, and one that is given twice."""
        if len(self.run) < 2:
            raise UsageError("a mixture has two runs or more: tinygrad-lm mix RUN RUN")
        if len({os.path.realpath(run) for run in self.run}) < len(self.run):
            raise UsageError("a run is given twice, which says nothing new: leave it out")


def add_options(parser: ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument(
        "run", nargs="+", metavar="RUN", help="run folders, trained on the same split of the same names"
    )
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/mix-1, or the next free number)")
    family.add_own(parser)


def run(options: MixOptions) -> int:
    """Mix the models of several runs in a new one."""
    with Later():
        for name in ("safetensors.numpy", "threadpoolctl", "numpy.random", "importlib.readers"):
            import_module(name)  # in the course of it

        from tinygrad_lm import runs
        from tinygrad_lm.cli import source
        from tinygrad_lm.cli.console import Console
        from tinygrad_lm.cli.folder import run_folder
        from tinygrad_lm.cli.train import showing
        from tinygrad_lm.models import Mixture, files
    family.told(options.model)
    say = Console()
    if options.out is not None:
        runs.check_free(Path(options.out))
    folders = [run_folder(each) for each in options.run]
    with Later(second_at_once=True):  # it imports the models' families
        parts = [runs.load(folder) for folder in folders]
    first = parts[0]
    for other in parts[1:]:
        runs.check_same_split(first, other)
    data, split = source.read_again(first.config, first.model, first.folder, "train anew the runs that are to be mixed")
    mixture = Mixture([part.model for part in parts]).fit(split.validation)
    files.check_limits(mixture)
    _show(say, parts, mixture, split)
    folder = runs.new_folder(options.out, "mix")
    with runs.locked(folder):
        runs.check_free(folder)
        say.log_to(folder)
        runs.save_names(folder, split.train)
        source.copy(folder, data, first.folder)
        config = runs.save_config(folder, mixture, first.config["data"], None, [_record(part) for part in parts])
        runs.save_weights(folder, mixture, config)
        showing.show_samples(say, mixture, frozenset(split.train), 0)
        showing.show_files(say, folder, 0, "".join(f" --model {runs.typed(each)}" for each in options.model))
    return 0


def _show(say: Console, parts: Sequence[Run], mixture: Mixture, split: Split) -> None:
    """Each part with its weight and its losses, and the whole."""
    rows = [("model", "weight", "validation", "test")]
    whole = f"mixture of {len(mixture.members)}"
    weighed = zip(_named(parts), mixture.weights.tolist(), strict=True)
    for (name, model), weight in (*weighed, ((whole, mixture), 1.0)):
        validation, test = (f"{model.evaluate(names).loss:.4f}" for names in (split.validation, split.test))
        rows.append((name, f"{weight:.3f}", validation, test))
    say("Losses in nats a character (lower is better); the weights are those that predict the")
    say(f"{len(split.validation):,} validation names best")
    say.table(rows)
    say()


def _named(parts: Sequence[Run]) -> Iterator[tuple[str, LanguageModel]]:
    """The members of the mixture, in its order, each by its run."""
    from tinygrad_lm.models import Mixture

    for part in parts:
        if isinstance(part.model, Mixture):
            yield from ((f"{part.folder}: {member.kind}", member) for member in part.model.members)
        else:
            yield str(part.folder), part.model


def _record(part: Run) -> dict[str, object]:
    """What the new run says of one that it came from."""
    from tinygrad_lm import runs

    seconds = runs.seconds_of_training(part.folder, part.config)
    return {"run": os.path.realpath(part.folder), "kind": part.model.kind, "seconds": seconds}


COMMAND = Command(
    "mix the models of several runs into one that predicts better",
    MixOptions,
    add_options,
    run,
    examples=(("mix runs/mlp-1 runs/kneser-ney-1", "a network and counts"),),
)
