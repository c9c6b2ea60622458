"""A small run and its parts: names, a trainer, what a command would save of it, and comparison bit by bit."""

from tinygrad_lm import runs
from tinygrad_lm.models import MLP
from tinygrad_lm.training import Plan, Trainer


class Named:
    """A path that is no string and no Path."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


NAMES = ["abid", "zeel", "nipun", "meera", "zara", "anya", "ravi", "kiran"]
DATA = {"file": None, "alphabet": "latin", "boundary": "-", "min_length": 1, "max_length": None, "seed": 0}


def trainer(steps=20, seed=0):
    model = MLP(context=2, embedding=2, hidden=(4,), rng=seed)
    return Trainer(model, NAMES[2:], NAMES[:2], Plan(steps, 8, seed=seed, evaluate_every=5))


def stop_at(subject, last):
    def on_step(step, loss):
        subject.stop = step == last

    subject.stop = False
    subject.run(on_step, lambda report: None)


def save(folder, subject):
    folder.mkdir(parents=True, exist_ok=True)
    runs.save_names(folder, NAMES)
    data = {**DATA, "fingerprint": runs.fingerprint(NAMES)}
    config = runs.save_config(folder, subject.model, data, subject.plan)
    runs.save_checkpoint(folder, subject, config)


def same(one, other):
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)
