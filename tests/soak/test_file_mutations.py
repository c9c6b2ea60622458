"""Runs with a damaged file: refused with one sentence, or read as if nothing had happened; never anything else."""

import random
import re
import shutil
import time

import pytest

from tests import soak
from tests.soak import mutations
from tinygrad_lm.cli import INTERRUPTED, main
from tinygrad_lm.cli.train import picture, showing
from tinygrad_lm.text import bundled_names
from tinygrad_lm.training import Trainer

PARTS = 10
FILES = ("config.json", "model.safetensors", "checkpoint.safetensors", "training_names.txt", "metrics.csv", "log.txt")
WAYS = {
    "config.json": (*mutations.BLIND, *(mutations.in_json,) * 12),
    "model.safetensors": (*mutations.BLIND, *(mutations.in_header,) * 3, *(mutations.resigned,) * 6),
    "checkpoint.safetensors": (*mutations.BLIND, *(mutations.in_header,) * 3, *(mutations.resigned,) * 12),
}
WEIGHTS = (6, 5, 8, 1, 1, 1)
FOREVER = 60
"""Seconds after which a command hangs."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def without_the_show():
    """No pictures and no samples at the end of a training: nine tenths of its time, and nothing reads them again."""
    with pytest.MonkeyPatch.context() as patch:
        for room, name in ((picture, "draw"), (showing, "show_samples")):
            patch.setattr(room, name, lambda *arguments: None)
        yield


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A small run that was stopped on the way, and the bytes of the weights that it ends with."""
    folder = tmp_path_factory.mktemp("stopped")
    data = folder / "names.txt"
    data.write_text("\n".join(bundled_names()[::40]), encoding="utf-8")
    run = folder / "run"
    step = Trainer._train_step

    def stopping(trainer):
        trainer.stop = trainer.step == 29
        return step(trainer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_train_step", stopping)
        options = ["--steps", "40", "--hidden", "4", "--context", "2", "--embedding", "2", "--batch-size", "4"]
        assert main(["train", "--data", str(data), "--out", str(run), *options]) == INTERRUPTED
    whole = folder / "whole"
    shutil.copytree(run, whole)
    assert main(["train", "--resume", str(whole)]) == 0
    return run, (whole / "model.safetensors").read_bytes()


def called(arguments, capsys):
    """A command's exit code and what it wrote to stderr; it must be a sentence where it failed."""
    begun = time.perf_counter()
    code = main(arguments)
    told = capsys.readouterr()
    lasted = time.perf_counter() - begun
    assert code in (0, 1), (code, told.err)
    assert lasted < FOREVER, f"{arguments} took {lasted:.0f} s"
    assert "Traceback" not in told.out + told.err
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", told.out + told.err), "a control character reached the terminal"
    if code:
        (line,) = told.err.splitlines()
        assert line.startswith("tinygrad-lm: ") and len(line) < 2_100
    return code


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.mark.parametrize("part", range(PARTS))
def test_a_damaged_file_is_refused_or_harmless(part, stopped, tmp_path, capsys):
    """``sample``, ``evaluate`` and ``train --resume`` on runs of which one file was changed."""
    original, final = stopped
    rng = random.Random(soak.seed() * PARTS + part)
    outcomes = {}
    for number in range(soak.trials(5_000) // PARTS):
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(original, run)
        (name,) = rng.choices(FILES, WEIGHTS)
        way = rng.choice(WAYS.get(name, mutations.BLIND))
        before = (run / name).read_bytes()
        damaged = way(rng, before)
        (run / name).write_bytes(damaged)
        what = f"part {part}, number {number}: {way.__name__} of {name}"
        was = contents(run)
        try:
            sampled = called(["sample", str(run), "-n", "2"], capsys)
            evaluated = called(["evaluate", str(run)], capsys)
            assert contents(run) == was, "reading changed the run"
            resumed = called(["train", "--resume", str(run)], capsys)
            if resumed:
                assert contents(run) == was, "a refused run was changed"
            elif way is not mutations.resigned:
                assert (run / "model.safetensors").read_bytes() == final, "went on to other weights"
            if name == "model.safetensors" and damaged != before and not sampled:
                assert way in (mutations.in_header, mutations.resigned), "damaged weights were taken"
        except BaseException as error:
            kept = tmp_path / "kept"
            kept.write_bytes(damaged)
            raise AssertionError(f"{what}; the file is kept as {kept}") from error
        key = (name, way.__name__)
        counts = outcomes.setdefault(key, [0, 0, 0, 0])
        for i, happened in enumerate((True, sampled, evaluated, resumed)):
            counts[i] += bool(happened)
    for (name, way), (count, *refused) in sorted(outcomes.items()):
        print(f"{name:<24} {way:<10} {count:>4} damaged; refused by sample, evaluate, resume: {refused}")
