"""Gradients are those of eager mode, however a step clears, adds, clips or uses them."""

import numpy as np
import pytest

from tests.helpers.replaying import OPTIMIZERS, Net, Twins, World, batches, learn, let_go, only_gradients, run, train
from tinygrad_lm import nn, no_grad, optim


def adding(w, x, y):
    loss = w.model.loss(x, y)
    loss.backward()
    w.optimizer.step()
    return loss


def cleared_at_the_end(w, x, y):
    loss = adding(w, x, y)
    w.optimizer.zero_grad()
    return loss


def cleared_in_between(w, x, y):
    loss = w.model.loss(x, y)
    w.optimizer.zero_grad()
    loss.backward()
    w.optimizer.step()
    w.model.first.weight.zero_grad()
    return loss


def twice(w, x, y):
    w.optimizer.zero_grad()
    loss = w.model.loss(x, y)
    loss.backward()
    loss.backward()
    w.optimizer.step()
    return loss


def of_two_losses(w, x, y):
    w.optimizer.zero_grad()
    one, other = w.model.loss(x, y), w.model.loss(2 * x, y)
    one.backward(retain_graph=False)
    other.backward(np.float32(2))
    w.optimizer.step()
    return one, other


def cleared_between_two(w, x, y):
    w.optimizer.zero_grad()
    w.model.loss(x, y).backward()
    w.model.first.weight.grad = None
    loss = w.model.loss(x + 1, y)
    loss.backward()
    w.optimizer.step()
    return loss


def two_updates(w, x, y):
    train(w, x, y)
    return train(w, x + 1, y)


def only_cleared(w, x, y):
    w.optimizer.zero_grad()
    loss = (w.model.first(x).sum() * 0.01) ** 2
    loss.backward()
    return loss


def clipped(w, x, y):
    w.optimizer.zero_grad()
    loss = w.model.loss(x, y)
    loss.backward()
    optim.clip_grad_norm_(w.model.parameters(), 0.3)
    w.optimizer.step()
    return loss


def with_norm(w, x, y):
    w.optimizer.zero_grad()
    loss = w.model.loss(x, y)
    loss.backward()
    norm = optim.clip_grad_norm_(w.model.parameters(), 0.3)
    if norm < 1:
        w.optimizer.step()
    return loss, norm


def accumulating(w, x, y):
    w.optimizer.zero_grad()
    for i in range(0, len(x), 4):
        loss = w.model.loss(x[i : i + 4], y[i : i + 4]) / 2
        loss.backward()
    w.optimizer.step()
    return loss


def without_graph(w, x, y):
    with no_grad():
        shift = w.model(x).mean()
    return learn(w, w.model.loss(x + shift, y) + w.model.first.weight.detach().sum())


STEPS = [
    train, adding, cleared_at_the_end, cleared_in_between, twice, of_two_losses, cleared_between_two, two_updates,
    only_cleared, clipped, with_norm, accumulating, without_graph, only_gradients,
]  # fmt: skip


@pytest.mark.parametrize("clear", [False, True], ids=["not cleared outside", "cleared outside"])
@pytest.mark.parametrize("step", STEPS)
def test_gradients_are_those_of_eager_mode(step, clear):
    twins = Twins(lambda: World(optimizer=OPTIMIZERS["adamw"]), step)
    for i, args in enumerate(batches(9)):
        if clear and i < 7:
            twins.change(lambda w: w.optimizer.zero_grad())
        if i == 4:
            twins.change(lambda w: setattr(w.model.last.bias, "grad", np.ones(5, np.float32)))
        twins.call(*args)


@pytest.mark.parametrize("step", [train, twice, of_two_losses, accumulating, without_graph, clipped])
def test_the_steps_that_training_is_made_of_are_replayed(step):
    run(step, 24).was_replayed(12)


def test_gradients_that_are_accumulated_over_calls():
    def step(w, x, y):
        loss = w.model.loss(x, y)
        loss.backward()
        return loss

    twins = Twins(step=step)
    for i, args in enumerate(batches(16)):
        twins.call(*args)
        if i < 4 or i % 4 == 3:
            twins.change(lambda w: (w.optimizer.step(), w.optimizer.zero_grad()))


def test_a_loss_that_is_returned_with_its_graph():
    def step(w, x, y):
        return w.model.loss(x, y)

    twins = Twins(step=step)
    for args in batches(6):
        for world, loss in zip(twins.worlds, twins.call(*args), strict=True):
            world.optimizer.zero_grad()
            loss.backward()
            world.optimizer.step()


def test_a_loss_that_is_returned_with_a_part_of_its_graph():
    twins = Twins()
    for args in batches(6):
        outcomes = []
        for world, loss in zip(twins.worlds, twins.call(*args), strict=True):
            world.optimizer.zero_grad()
            try:
                (loss * 2 + world.model.loss(*args)).backward()
            except RuntimeError:
                outcomes.append("refused")
            else:
                outcomes.append(world.model.first.weight.grad.tobytes())
            world.optimizer.zero_grad()
        assert outcomes[0] == outcomes[1] or outcomes[1] == "refused"


def test_a_parameter_that_is_returned_is_the_parameter():
    def step(w, x, y):
        train(w, x, y)
        return w.model.first.weight

    twins = Twins(step=step)
    for args in batches(6):
        one, other = twins.call(*args)
        assert one is twins.worlds[0].model.first.weight
        assert other is twins.worlds[1].model.first.weight


def test_a_loss_that_is_returned_stays_what_it_was():
    twins = run(train, 8)
    assert [one.item() for one, _ in twins.given] == [other.item() for _, other in twins.given]
    twins.was_replayed(6)


def test_a_frozen_parameter_and_one_that_is_tied():
    def make():
        net = Net()
        net.first.weight.requires_grad_(False)
        net.other = net.last
        net.hidden = nn.Linear(4, 4, bias=False, rng=6)
        net.again = nn.Linear(4, 4, bias=False, rng=7)
        net.again.weight = net.hidden.weight
        return World(net)

    def step(w, x, y):
        return learn(w, w.model.loss(x, y) + (w.model.again(x @ w.model.first.weight.T) ** 2).mean())

    run(step, 6, make).was_replayed(4)


@pytest.mark.parametrize("who", ["optimizer", "other"])
def test_parameters_that_are_stepped_twice(who):
    """By one optimizer or by two, whose plans would have their data and gradients in two places."""

    def make():
        world = World(optimizer=OPTIMIZERS["momentum"])
        world.other = optim.SGD(world.model.parameters(), lr=0.1)
        return world

    def step(w, x, y):
        loss = let_go(w, x, y)
        getattr(w, who).step()
        return loss

    run(step, 6, make).was_not("stepped twice")
