"""Runs with a damaged file: refused with one sentence, or read as if nothing had happened; never anything else.

``SOAK`` says how many files are damaged (5,000 by default), ``SOAK_SEED`` which.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.soak import mutations
from tinygrad_lm.cli import main
from tinygrad_lm.text import bundled_names

COUNT = int(os.environ.get("SOAK", "5000"))
SEED = int(os.environ.get("SOAK_SEED", "0"))
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


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A small run that was stopped on the way, and the bytes of the weights that it ends with."""
    folder = tmp_path_factory.mktemp("stopped")
    data = folder / "names.txt"
    data.write_text("\n".join(bundled_names()[::20]), encoding="utf-8")
    run = folder / "run"
    command = [sys.executable, "-m", "tinygrad_lm", "train", "--data", str(data), "--out", str(run)]
    command += ["--steps", "4000", "--hidden", "4", "--context", "2", "--embedding", "2", "--batch-size", "4"]
    for _ in range(20):
        shutil.rmtree(run, ignore_errors=True)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (run / "metrics.csv").exists() and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        if process.wait(60) == 130:
            break
    else:
        pytest.fail("the run could not be stopped before it ended")
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
    rng = random.Random(SEED * PARTS + part)
    outcomes = {}
    for number in range(COUNT // PARTS):
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
