"""One training in every way that there is: as written, replayed, as a program, on 1, 2 and 4 ranks: the same bytes."""

from functools import cache

import numpy as np
import pytest

from tests.helpers.pieces import NAMES, VALIDATION
from tests.helpers.ranks import on_ranks
from tests.helpers.training import same
from tests.replay.programs import Job, functions, run
from tinygrad_lm import optim
from tinygrad_lm.models import MLP
from tinygrad_lm.replay import replay, source
from tinygrad_lm.text import Vocabulary
from tinygrad_lm.training import Plan, Trainer

STEPS, BATCH, PIECES, RATE = 12, 32, 4, 0.01
OPTIMIZERS = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=RATE, momentum=0.9),
    "adamw": lambda parameters: optim.AdamW(parameters, lr=RATE),
}
WAYS = ("as written", "replayed", "program", "1 rank", "2 ranks", "4 ranks", "4 ranks as written")


def model_of() -> MLP:
    return MLP(Vocabulary(), context=3, embedding=4, hidden=(16,), rng=0)


def batches():
    """Those that a ``Trainer`` draws."""
    examples, rng = model_of().examples(NAMES), np.random.Generator(np.random.PCG64(0))
    return [examples.sample(BATCH, rng) for _ in range(STEPS)]


def by_hand(optimizer, way):
    """A step of one's own, whose batch is cut as a training with pieces cuts it; its weights in the end."""
    model = model_of()
    own = OPTIMIZERS[optimizer](model.parameters())
    each = BATCH // PIECES

    def step(inputs, targets):
        own.zero_grad()
        for first in range(0, BATCH, each):
            piece = slice(first, first + each)
            loss = model.loss(inputs[piece], targets[piece]) * (1 / PIECES)
            loss.backward(retain_graph=False)
        own.step()

    if way == "program":
        return by_program(model, own, source(step, *batches()[0]))
    called = replay(step) if way == "replayed" else step
    for batch in batches():
        called(*batch)
    if way == "replayed":
        assert called.shapes[0].replayed == STEPS - 2
    return model.state_dict()


LOOP = """

def train(parameters, moments, batches):
    for t, (inputs, targets) in enumerate(batches, 1):
        given = {"parameters": parameters, "inputs": inputs, "targets": targets, "moments": moments, "t": t}
        step(**{name: given[name] for name in step.__code__.co_varnames[: step.__code__.co_argcount]})
"""


def by_program(model, optimizer, text):
    """All steps by the written program, in a process that has nothing of the package."""
    assert "step" in functions(text)
    names = {name: name.replace(".", "_") for name, _ in model.named_parameters()}
    parameters = {names[name]: p.data for name, p in model.named_parameters()}
    moments = {name: {m: np.zeros_like(x) for m in optimizer.moments} for name, x in parameters.items()}
    given = {"parameters": parameters, "moments": moments, "batches": batches()}
    ((_, after),) = run([Job(text + LOOP, "train", given, None, {})])
    return {name: after["parameters"][names[name]] for name in names}


@cache
def weights(optimizer, way):
    """What a training ends with."""
    if way in ("as written", "replayed", "program"):
        return by_hand(optimizer, way)

    def work(communicator):
        model, replays = model_of(), not way.endswith("as written")
        plan = Plan(STEPS, batch_size=BATCH, evaluate_every=STEPS, pieces=PIECES, optimizer=None, schedule=None)
        options = {"optimizer": OPTIMIZERS[optimizer], "schedule": optim.constant(), "communicator": communicator}
        Trainer(model, NAMES, VALIDATION, plan, replay=replays, **options).run(progress=False)
        return model.state_dict()

    first, *others = on_ranks(int(way[0]), work)
    assert all(same(first, other) for other in others)
    return first


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("way", WAYS[1:])
def test_all_ways_end_with_the_same_bytes(optimizer, way):
    assert same(weights(optimizer, "as written"), weights(optimizer, way))
    assert not same(model_of().state_dict(), weights(optimizer, way))
