"""An honest leaderboard: every model of the lectures on the same names, counting included, chosen by validation.

    python -m benchmarks.leaderboard                  the bundled Indian names, the mean of seeds 0, 1 and 2
    python -m benchmarks.leaderboard NAMES.TXT        a list of 10,000 names and more (makemore's names.txt), seed 0
    python -m benchmarks.leaderboard --only LSTM Kneser-Ney

Names are de-duplicated and split by name, 80 % for training, 10 % for validation and 10 % for testing. Each model is
trained by the command that stands in its row, in a process of its own with one BLAS thread. What is to be chosen
(settings, the best step, the order of the counts, the weights of a mixture) is chosen by the validation names alone;
the test names are looked at once, here. Losses are in nats a character, with the middle 95 % of 1,000 bootstrap samples
of the test names; "new" is the share of 1,000 sampled names that are not among the training names. The last lines show
what a split without de-duplication would pretend, and the lectures' own number: pairs counted and measured on the whole
file. Runs are kept in the folder --out: what is finished is not made again, what was interrupted goes on, and a folder
of another command or of other names is refused. After a change of the package itself give another --out.
"""

import argparse
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import kept
from tinygrad_lm import comparing, runs
from tinygrad_lm.models import KneserNey, LanguageModel, NGram
from tinygrad_lm.text import Split, Vocabulary, bundled_names, clean_names, read_names, split_names

LARGE = 10_000
"""From how many names on a list is trained on longer, and with one seed."""

COUNTS = {
    "bigram counts": "--model bigram",
    "trigram counts": "--model trigram",
    "4-gram counts": "--model 4gram",
    "Kneser-Ney": "--model kneser-ney --order 6",
}
WEAK = ("bigram counts", "trigram counts", "4-gram counts", "neural bigram")
"""What is no part of the mixture of all."""
BUNDLED = {
    **COUNTS,
    "neural bigram": "--model neural-bigram",
    "MLP of the deck": "--model deck-mlp",
    "MLP": "--model mlp",
    "WaveNet": "--model wavenet",
    "RNN": "--model rnn",
    "GRU": "--model gru",
    "LSTM": "--model lstm",
    "Transformer": "--model transformer",
}
"""How each model is trained on the bundled names: with its defaults."""

GATED = "--embedding 32 --hidden 256 --dropout 0.35 --recurrent-dropout 0.1 --blank 0 --steps 9000 --lr 0.005"
ON_LARGE = {
    **COUNTS,
    "MLP of the lecture": "--model mlp --steps 80000 --batch-size 128 --weight-decay 0.02",
    "MLP": (
        "--model mlp --context 8 --embedding 32 --hidden 384 384 --activation gelu --dropout 0.3 --steps 24000 "
        "--batch-size 256 --weight-decay 0.1 --ema-decay 0.999"
    ),
    "WaveNet": (
        "--model wavenet --embedding 32 --hidden 192 --activation gelu --norm layer --dropout 0.15 --steps 12000 "
        "--batch-size 256 --ema-decay 0.999"
    ),
    "GRU": f"--model gru {GATED}",
    "LSTM": f"--model lstm {GATED}",
    "Transformer": (
        "--model transformer --layers 4 --dropout 0.15 --steps 9000 --batch-size 128 --lr 0.0025 --warmup-steps 200"
    ),
}
"""The same for a large list."""


class Entry(NamedTuple):
    """A row of the table: a model of one seed, or the mean over seeds."""

    numbers: float
    validation: float
    test: float
    low: float
    high: float
    seconds: float
    new: float


def losses_of_names(model: LanguageModel, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The negative log-likelihood of each name, its end included, and how many characters it has with it."""
    lengths = np.array([len(name) + 1 for name in names])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return -np.add.reduceat(model.log_likelihoods(names).astype(np.float64), starts), lengths


def interval(losses: np.ndarray, lengths: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the mean loss over 1,000 lists of names drawn from these, with replacement."""
    drawn = np.random.default_rng(0).integers(len(losses), size=(1000, len(losses)))
    low, high = np.quantile(losses[drawn].sum(axis=1) / lengths[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


def entry(folder: Path, split: Split) -> Entry:
    """What a run comes to."""
    found = runs.load(folder)
    losses, lengths = losses_of_names(found.model, split.test)
    measured = comparing.measure(found.model, split.train, split.validation, count=1000, rng=0)
    seconds = runs.seconds_of_training(folder, found.config)
    loss = float("nan") if measured.validation is None else measured.validation.loss
    test = float(losses.sum() / lengths.sum())
    return Entry(measured.numbers, loss, test, *interval(losses, lengths), seconds or 0.0, measured.new)


def leak(lines: Sequence[str], order: int) -> tuple[float, float]:
    """The share of validation lines that stand in the training too, and the loss of Kneser-Ney, not de-duplicated."""
    lines = [line for line in map(str.lower, lines) if line.isascii() and line.isalpha()]
    random.Random(0).shuffle(lines)
    first, second = int(0.8 * len(lines)), int(0.9 * len(lines))
    train, validation = lines[:first], lines[first:second]
    known = set(train)
    share = sum(name in known for name in validation) / len(validation)
    return share, KneserNey(order).fit(train).evaluate(validation).loss


def table(rows: Mapping[str, tuple[Entry, str]]) -> str:
    """The rows in Markdown, the lowest validation loss last; the best of them in bold."""
    columns = ("model", "parameters", "validation", "test (95 %)", "seconds", "new", "command")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    ordered = sorted(rows.items(), key=lambda row: -row[1][0].validation)
    for name, (found, words) in ordered:
        name = f"**{name}**" if name == ordered[-1][0] else name
        test = f"{found.test:.3f} ({found.low:.3f} to {found.high:.3f})"
        numbers, loss, seconds = f"{found.numbers:,.0f}", f"{found.validation:.3f}", f"{found.seconds:.1f}"
        lines.append(f"| {name} | {numbers} | {loss} | {test} | {seconds} | {found.new:.0%} | `{words}` |")
    return "\n".join(lines)


def entries(
    home: Path, chosen: Mapping[str, str], data: Sequence[str], names: Sequence[str], seed: int
) -> dict[str, Entry]:
    """The rows of one seed: every model and mixture, made in the folder ``home`` where it is not there yet."""
    split = split_names(names, seed=seed)
    found: dict[str, Entry] = {}
    made: dict[str, Path] = {}
    for name, recipe in chosen.items():
        words = [*recipe.split(), "--seed", str(seed)]
        asked = {"command": " ".join(["train", *words]), "names": runs.fingerprint(names)}
        made[name] = kept.make(folder_of(home, name, seed), ["train", *data, *words], asked)
        found[name] = entry(made[name], split)
    for name, parts in mixtures(made).items():
        words = ["mix", *(part.name for part in parts)]
        asked = {"command": " ".join(words), "parts": [kept.hash_of_weights(part) for part in parts]}
        folder = kept.make(folder_of(home, name, seed), ["mix", *map(str, parts)], asked, again=True)
        found[name] = entry(folder, split)
    return found


def folder_of(home: Path, name: str, seed: int) -> Path:
    """Where the run of a row is kept."""
    return home / f"{name.lower().replace(' ', '-').replace(',', '')}-{seed}"


def main() -> None:
    """Make what is missing, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaderboard", description=__doc__.partition("\n")[0])
    parser.add_argument("file", nargs="?", help="a list of names, one a line (default: the bundled Indian names)")
    parser.add_argument(
        "--only", nargs="+", metavar="MODEL", choices=sorted({*BUNDLED, *ON_LARGE}), help="some of the rows"
    )
    parser.add_argument("--out", default="runs/leaderboard", type=Path, help="where the runs are kept")
    options = parser.parse_args()
    lines = bundled_names() if options.file is None else read_names(options.file)
    names = clean_names(lines, Vocabulary()).kept
    recipes, seeds = (ON_LARGE, (0,)) if len(names) >= LARGE else (BUNDLED, (0, 1, 2))
    data = [] if options.file is None else ["--data", options.file]
    chosen = {name: words for name, words in recipes.items() if options.only is None or name in options.only}
    home = options.out / (Path(options.file).stem if options.file else "bundled")
    found: dict[str, list[Entry]] = {}
    for seed in seeds:
        for name, row in entries(home, chosen, data, names, seed).items():
            found.setdefault(name, []).append(row)
    rows = {name: (Entry(*np.mean(row, axis=0).tolist()), command(name, recipes)) for name, row in found.items()}
    print(f"{len(names):,} names, {'seed' if len(seeds) == 1 else 'the mean of seeds'} {', '.join(map(str, seeds))}\n")
    print(table(rows))
    if len(set(lines)) < len(lines):
        share, pretended = leak(lines, 6)
        print(f"\nSplit without de-duplication, {share:.1%} of the validation names stand in the training, and")
        print(f"Kneser-Ney has {pretended:.3f}.")
    counted, smoothed = (NGram(2, k).fit(lines).evaluate(lines).loss for k in (0.0, 1.0))
    print(f"Pairs counted and measured on all {len(lines):,} lines: {counted:.4f}; 1 added to each: {smoothed:.4f}.")


def mixtures(made: Mapping[str, Path]) -> dict[str, list[Path]]:
    """Which runs are mixed, by what the mixture is called."""
    found = {
        "MLP and Kneser-Ney": ["MLP", "Kneser-Ney"],
        "LSTM and Kneser-Ney": ["LSTM", "Kneser-Ney"],
        "all of them": [name for name in made if name not in WEAK],
    }
    least = {"all of them": 3}
    return {
        name: [made[part] for part in parts]
        for name, parts in found.items()
        if set(parts) <= set(made) and len(parts) >= least.get(name, 2)
    }


def command(name: str, recipes: Mapping[str, str]) -> str:
    """The command of a row, as it is typed."""
    return f"train {recipes[name]}" if name in recipes else "mix RUN RUN ..."


if __name__ == "__main__":
    main()
