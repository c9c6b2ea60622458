"""What the tests of the command line share: lists of names, a run's configuration, its losses, its bytes."""

import contextlib
import csv
import json
from pathlib import Path

import pytest

from tinygrad_lm import runs
from tinygrad_lm.training import Trainer

NAMES = ["abid", "zeel", "nipun", "meera", "zara", "anya", "ravi", "kiran", "sunita", "vikash", "priya", "rajesh"]
EIGHT = NAMES[:8]
DEVANAGARI = ["राम", "सीता", "कृष्ण", "गीता", "मोहन", "राधा", "लक्ष्मी", "अर्जुन", "भीम", "द्रौपदी"]
TINY = ("--steps", "16", "--hidden", "6", "--embedding", "2", "--batch-size", "8")
SMALL = ("--hidden", "4", "--batch-size", "8")
FAST = ("--steps", "4", "--hidden", "3")


def config(folder):
    return json.loads(Path(folder, runs.CONFIG).read_text(encoding="utf-8"))


def metrics(folder):
    """The lines of metrics.csv without the column of times."""
    with Path(folder, runs.METRICS).open(encoding="utf-8", newline="") as file:
        return [row[:-1] for row in csv.reader(file)]


def written(folder, name=runs.WEIGHTS):
    return Path(folder, name).read_bytes()


@contextlib.contextmanager
def stopping_after(last):
    """Within, trainings stop after that step."""
    whole = Trainer._train_step

    def step(trainer):
        trainer.stop = trainer.step + 1 == last
        return whole(trainer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_train_step", step)
        yield
