"""What ``mix`` does, and ``train --mix`` at its end: runs mixed into a new one, and the table of what each is worth."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

from tinygrad_lm import runs
from tinygrad_lm.cli import family, names, written
from tinygrad_lm.cli.console import Console
from tinygrad_lm.cli.parsing import UsageError
from tinygrad_lm.cli.train import showing
from tinygrad_lm.cli.train.open_run import OpenRun
from tinygrad_lm.interrupts import Later
from tinygrad_lm.models import KneserNey, LanguageModel, Mixture, files
from tinygrad_lm.runs import Run
from tinygrad_lm.text import Split

MIX = "mix"
"""What the folders of mixtures are called."""
RUN = 48
"""How many characters of a run's folder a table shows."""


def mix_runs(folders: Sequence[Path], out: str | None, own: Sequence[str], seed: int = 0) -> None:
    """Mix the models of runs in a new one, and show names of it.

    ``own`` are the families of the user's among them, and ``seed`` decides the names.

    Raises
    ------
    ModelFileError
        For a run that cannot be read, and for runs of different splits.
    UsageError
        For a run that is in one of the mixtures already.
    """
    say = Console()
    with Later(second_at_once=True):  # it imports the models' families
        parts = [runs.load(folder) for folder in folders]
    family.check_used(own, [part.model for part in parts])
    _check_new(parts)
    first = parts[0]
    for other in parts[1:]:
        runs.check_same_split(first, other)
    data, split = names.read_again(first.config, first.model, first.folder, "train anew the runs that are to be mixed")
    mixture = Mixture([part.model for part in parts]).fit(split.validation)
    files.check_limits(mixture)
    _show(say, parts, mixture, split)
    folder = runs.new_folder(out, MIX)
    with runs.locked(folder):
        runs.check_free(folder)
        say.log_to(folder)
        runs.save_names(folder, split.train)
        names.copy(folder, data, first.folder)
        config = runs.save_config(folder, mixture, first.config["data"], None, [_record(part) for part in parts])
        runs.save_weights(folder, mixture, config)
        showing.show_samples(say, mixture, frozenset(split.train), seed)
        showing.show_files(say, folder, seed, "".join(f" --model {runs.typed(each)}" for each in own))


def _check_new(parts: Sequence[Run]) -> None:
    """Raise ``UsageError`` where a run would be in the mixture twice, by itself or in a mixture that is mixed again."""
    inside = [runs.mixed_from(part.config) for part in parts]
    for (one, mixed), (whole, others) in permutations(zip(parts, inside, strict=True), 2):
        if os.path.realpath(one.folder) in others:
            raise UsageError(
                f"{one.folder} is in the mixture {whole.folder} already: leave it out, or mix it with the runs that "
                f"{whole.folder} was made of"
            )
        if both := mixed & others:
            raise UsageError(
                f"{one.folder} and {whole.folder} are both mixtures of {min(both)}: mix the runs that they were made "
                "of, each once"
            )


def _show(say: Console, parts: Sequence[Run], mixture: Mixture, split: Split) -> None:
    """Each part with its weight and its losses, and the whole."""
    rows = [("model", "weight", "validation", "test")]
    whole = f"mixture of {len(mixture.members)}"
    weighed = zip(_named(parts), mixture.weights.tolist(), strict=True)
    for (name, model), weight in (*weighed, ((whole, mixture), 1.0)):
        validation, test = (f"{model.evaluate(names).loss:.4f}" for names in (split.validation, split.test))
        rows.append((written.ending(name, RUN), f"{weight:.3f}", validation, test))
    say("Losses in nats a character (lower is better); the weights are those that")
    say(f"predict the {len(split.validation):,} validation names best")
    say.table(rows)
    say()


def _named(parts: Sequence[Run]) -> Iterator[tuple[str, LanguageModel]]:
    """The members of the mixture, in its order, each by its run."""
    for part in parts:
        if isinstance(part.model, Mixture):
            yield from ((f"{part.folder}: {member.kind}", member) for member in part.model.members)
        else:
            yield str(part.folder), part.model


def _record(part: Run) -> dict[str, object]:
    """What the new run says of one that it came from."""
    seconds = runs.seconds_of_training(part.folder, part.config)
    within = {key: value for key, value in part.config.items() if key == runs.MIXED}
    return {"run": os.path.realpath(part.folder), "kind": part.model.kind, "seconds": seconds, **within}


def _beside(out: str | None, kind: str) -> str | None:
    """What the folder of a further run is called after ``out``, the folder of the first, if that was given."""
    if out is None:
        return None
    folder = Path(out)
    return f"{folder if folder.name not in ('', '..') else folder.resolve()}-{kind}"


def check_free(out: str | None) -> None:
    """Raise ``FileExistsError`` where a run, or one that ``mix_with_counts`` makes of it, finds its folder taken.

    To be asked before a training.
    """
    for folder in (out, _beside(out, KneserNey.kind), _beside(out, MIX)):
        if folder is not None:
            runs.check_free(Path(folder))


def check_free_beside(out: str | None) -> None:
    """The same for a run that goes on, whose own folder is there already."""
    try:
        for kind in (KneserNey.kind, MIX):
            if (folder := _beside(out, kind)) is not None:
                runs.check_free(Path(folder))
    except FileExistsError as error:
        taken = str(error).partition(";")[0]
        raise FileExistsError(
            f"{taken}; move it, or leave out --mix and mix the run afterwards: tinygrad-lm mix"
        ) from None


def out_of(folder: Path, name: str) -> str | None:
    """The folder that was asked for when a run was begun, by its model's name; ``None`` where it has but a number."""
    return None if runs.is_numbered(folder, name) else str(folder)


def mix_with_counts(run: OpenRun, own: Sequence[str]) -> None:
    """Count what a run was trained on, in a run of its own, and mix both.

    ``own`` are the families of the user's that the run is of.
    """
    say = Console()
    vocabulary = runs.load(run.folder).model.vocabulary
    counts = showing.strongest_counts(run.split.train, vocabulary)
    folder = runs.new_folder(_beside(run.out, counts.kind), counts.kind)
    with runs.locked(folder):
        runs.check_free(folder)
        say.log_to(folder)
        say()
        showing.show_summary(say, counts)
        runs.save_names(folder, run.split.train)
        names.copy(folder, run.data, run.folder)
        config = runs.save_config(folder, counts, run.config["data"], None)
        runs.save_weights(folder, counts, config)
        say(f"Saved in {folder}")
        say()
    mix_runs([run.folder, folder], _beside(run.out, MIX), own, run.seed)
