"""Random histories of a model: steps that are replayed or not, and what somebody holds or changes in between."""

import copy
import random

import numpy as np
import pytest

from tests.helpers.replaying import Net, batch, frozen
from tinygrad_lm import nn, optim
from tinygrad_lm.nn import functional as F
from tinygrad_lm.replay import replay


class Tied(nn.Module):
    """A model that computes twice with a layer, and with a bias of another one."""

    def __init__(self):
        self.first, self.middle, self.last = nn.Linear(3, 4, rng=1), nn.Linear(4, 4, rng=2), nn.Linear(4, 5, rng=3)
        self.again, self.bias = self.middle, self.first.bias
        self.to(np.float32)

    def loss(self, x, y):
        x = self.again(self.middle(self.first(x).tanh()).tanh()).tanh() + self.bias
        return F.cross_entropy(self.last(x), y)


class World:
    """A model, three optimizers of its parameters, six steps, and what somebody keeps."""

    def __init__(self, seed, replayed):
        self.model = Tied() if seed % 2 else Net()
        self.parameters = p = list(self.model.parameters())
        self.optimizers = [
            optim.SGD(p, lr=0.05, momentum=0.9),
            optim.AdamW([{"params": p[:2]}, {"params": p[2:], "weight_decay": 0.0}], lr=0.01),
            optim.SGD(p[1:], lr=0.02),
        ]
        self.eager = [*steps(self.model, *self.optimizers)]
        self.steps = list(map(replay, self.eager)) if replayed else self.eager
        self.kept, self.saved = {}, {}

    def holds(self):
        """All of it as plain data."""
        found = {f"kept {i}": np.asarray(array).tobytes() for i, array in self.kept.items()}
        for i, p in enumerate(self.parameters):
            found[f"data {i}"], found[f"grad {i}"], found[f"learns {i}"] = (
                frozen(p.data),
                frozen(p.grad),
                p.requires_grad,
            )
        for i, optimizer in enumerate(self.optimizers):
            found |= {f"{i} {name}": frozen(array) for name, array in optimizer.state_arrays().items()}
        return found


def steps(model, first, second, third):
    """Steps that do different things with the same parameters."""

    def with_momentum(x, y):
        first.zero_grad()
        loss = model.loss(x, y)
        loss.backward(retain_graph=False)
        first.step()
        return loss.detach()

    def clipped_with_its_graph(x, y):
        second.zero_grad()
        loss = model.loss(x, y)
        loss.backward()
        optim.clip_grad_norm_(first.parameters, 0.5)
        second.step()
        return loss

    def of_some_parameters(x, y):
        first.zero_grad()
        loss = model.loss(x, y)
        loss.backward(retain_graph=False)
        third.step()
        return loss.detach()

    def only_gradients(x, y):
        first.zero_grad()
        loss = model.loss(x, y)
        loss.backward(retain_graph=False)
        return loss.detach()

    def only_the_loss(x, y):
        return model.loss(x, y).detach()

    def cleared_at_the_end(x, y):
        loss = model.loss(x, y)
        if np.isfinite(loss):
            second.zero_grad()
            loss.backward(retain_graph=False)
            second.step()
            second.zero_grad()
        return loss.detach()

    return (
        with_momentum,
        clipped_with_its_graph,
        of_some_parameters,
        only_gradients,
        only_the_loss,
        cleared_at_the_end,
    )


def keep_all(w, i, p, o):
    w.kept |= {f"{i} {j}": p.data for j, p in enumerate(w.parameters)}


def keep_gradient(w, i, p, o):
    if p.grad is not None:
        w.kept[i] = p.grad.T


def load(w, i, p, o):
    if "model" in w.saved:
        w.model.load_state_dict(w.saved["model"])


def load_moments(w, i, p, o):
    if o in w.saved:
        w.optimizers[o].load_state_arrays(w.saved[o])


def swap(w, i, p, o):
    """As with running means of the parameters."""
    for parameter in w.parameters:
        w.saved[id(parameter)], parameter.data = parameter.data, w.saved.get(id(parameter), parameter.data)


def write_gradient(w, i, p, o):
    if p.grad is not None:
        p.grad[...] = 0.1


CHANGES = (
    lambda w, i, p, o: w.kept.__setitem__(i, p.data),
    lambda w, i, p, o: w.kept.__setitem__(i, p.data[1:]),
    lambda w, i, p, o: w.kept.__setitem__(i, memoryview(p.data)),
    keep_all,
    keep_gradient,
    lambda w, i, p, o: w.kept.clear(),
    lambda w, i, p, o: setattr(p, "data", p.data.copy()),
    lambda w, i, p, o: p.data.fill(0.1),
    write_gradient,
    lambda w, i, p, o: setattr(p, "grad", None),
    lambda w, i, p, o: setattr(p, "grad", np.ones_like(p.data)),
    lambda w, i, p, o: w.saved.__setitem__("model", w.model.state_dict()),
    load,
    lambda w, i, p, o: w.saved.__setitem__(o, w.optimizers[o].state_arrays()),
    load_moments,
    swap,
    lambda w, i, p, o: w.eager[2 * o](*batch(1000 + i)),
    lambda w, i, p, o: copy.deepcopy(w.model),
    lambda w, i, p, o: setattr(w.optimizers[o], "scale", 0.5),
    lambda w, i, p, o: [one.requires_grad_(one is not p or o > 0) for one in w.parameters],
)
"""What may happen between two calls: to the i-th call, a parameter, and the number of an optimizer."""


def compare(seed):
    """How many calls of a history were replayed; everything is what it is where none is."""
    chance = random.Random(seed)
    worlds = [World(seed, False), World(seed, True)]
    used, often = chance.sample(range(6), chance.choice([1, 2, 3])), chance.choice([0.15, 0.4])
    for i in range(40):
        if i > 2 and chance.random() < often:
            change, place, o = chance.choice(CHANGES), chance.randrange(len(worlds[0].parameters)), chance.randrange(3)
            for world in worlds:
                change(world, i, world.parameters[place], o)
        k, (x, y) = chance.choice(used), batch(i, chance.choice([8, 8, 8, 5]))
        if chance.random() < 0.04:
            y[-1] = 77  # no class
        told = []
        for world in worlds:
            try:
                told.append(frozen(world.steps[k](x, y)))
            except (IndexError, RuntimeError) as error:
                told.append(repr(error))
        assert told[0] == told[1], f"call {i}"
        held = [world.holds() for world in worlds]
        assert [key for key in held[0] if held[0][key] != held[1][key]] == [], f"call {i}"
    return sum(shape.replayed for step in worlds[1].steps for shape in step.shapes)


def test_histories():
    assert sum(map(compare, range(10))) > 100


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, 1000, 100))
def test_many_histories(seed):
    assert sum(map(compare, range(seed, seed + 100))) > 1000
