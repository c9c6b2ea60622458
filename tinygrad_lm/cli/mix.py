"""``tinygrad-lm mix``: one model out of several runs, each with the weight that predicts the validation names best."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from itertools import combinations
from os.path import realpath
from pathlib import Path

from tinygrad_lm.cli import family
from tinygrad_lm.cli.parsing import SEED, Command, Options, Parser, UsageError
from tinygrad_lm.cli.wording import in_options
from tinygrad_lm.interrupts import Later


class MixOptions(Options):
    """What ``mix`` is told."""

    run: Sequence[str]
    out: str | None = None
    model: Sequence[str] = ()
    seed: int = 0

    def check(self) -> None:
        """Refuse a single run, and one that is given twice."""
        if len(self.run) < 2:
            raise UsageError("a mixture has two runs or more: tinygrad-lm mix RUN RUN")
        for one, other in combinations(self.run, 2):
            if realpath(one) == realpath(other):
                raise UsageError(f"a run is given twice, which says nothing new: leave out {other!r:.80}")


def add_options(parser: Parser) -> None:
    """Declare them."""
    parser.add_argument(
        "run", nargs="+", metavar="RUN", help="run folders, trained on the same split of the same names"
    )
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/mix-1, or the next free number)")
    parser.add_argument(
        "--seed", type=SEED, metavar="N", help=f"same seed, same names at the end (default: {MixOptions.seed})"
    )
    family.add_own(parser)


@in_options
def run(options: MixOptions) -> int:
    """Mix the models of several runs in a new one."""
    with Later():
        for name in ("safetensors.numpy", "threadpoolctl", "numpy.random", "importlib.readers"):
            import_module(name)  # in the course of it

        from tinygrad_lm import runs
        from tinygrad_lm.cli import mixing
        from tinygrad_lm.cli.folder import run_folder
    family.register_own(options.model)
    if options.out is not None:
        runs.check_free(Path(options.out))
    mixing.mix_runs([run_folder(each) for each in options.run], options.out, options.model, options.seed)
    return 0


COMMAND = Command(
    "mix the models of several runs into one that predicts better",
    MixOptions,
    add_options,
    run,
    examples=(("mix runs/mlp-1 runs/kneser-ney-1", "a network and counts"),),
    takes="RUN RUN [RUN ...]",
)
