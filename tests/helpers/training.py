"""A small training: its names, its trainer, and what came of it."""

import numpy as np

from tinygrad_lm import nn
from tinygrad_lm.models import MLP
from tinygrad_lm.text import bundled_names, split_names
from tinygrad_lm.training import Plan, Trainer

NAMES = bundled_names()[::9]
SPLIT = split_names(NAMES)


class BatchNormed(MLP):
    """Its running means and variances are buffers."""

    kind = "batch normed"

    def __init__(self, dtype=np.float32):
        super().__init__(context=2, embedding=3, hidden=(8, 8), norm="batch", rng=0, dtype=dtype)


class MeansOfAllBatches(BatchNormed):
    """Its running statistics are means over all batches, which are counted."""

    kind = "means of all batches"

    def __init__(self):
        super().__init__()
        for place in (1, 4):
            self.hidden[place] = nn.BatchNorm1d(8, momentum=None)


NORMED = (BatchNormed, MeansOfAllBatches)


def trainer(steps=24, *, dtype=np.float32, seed=0, **settings):
    plan = Plan(steps, **{"batch_size": 16, "evaluate_every": 10, "seed": seed, **settings})
    model = MLP(context=2, embedding=3, hidden=(8,), rng=seed, dtype=dtype)
    return Trainer(model, SPLIT.train, SPLIT.validation, plan)


def run(subject, stop_after=None):
    """Train, to the end or so many steps; the losses of the steps, and the reports without their times."""
    losses, reports = [], []

    def on_step(step, loss):
        losses.append(loss)
        subject.stop = step == stop_after

    subject.stop = False
    subject.run(on_step, lambda report: reports.append(_plain(report)))
    return losses, reports


def _plain(report):
    return (report.step, report.train_loss, report.validation_loss, report.lr)


def same(one, other):
    """Whether two dictionaries of arrays are the same, bit by bit."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and one[name].tobytes() == other[name].tobytes() for name in one
    )
