"""What somebody holds or copied shows what it would in eager mode: copies, moments, arrays, gradients."""

import copy

import numpy as np
import pytest

from tests.helpers.replaying import (
    OPTIMIZERS,
    Net,
    Twins,
    World,
    batch,
    batches,
    let_go,
    only_gradients,
    run,
    train,
)
from tinygrad_lm import optim
from tinygrad_lm.replay import replay


def test_a_deep_copy_of_the_model_is_its_own():
    twins = run(train, 5)
    copies = [copy.deepcopy(world.model) for world in twins.worlds]
    saved = [world.model.state_dict() for world in twins.worlds]
    for args in batches(3):
        twins.call(*args)
    for one, other in zip(copies[0].parameters(), copies[1].parameters(), strict=True):
        assert one.data.tobytes() == other.data.tobytes()
    assert all(saved[0][name].tobytes() == saved[1][name].tobytes() for name in saved[0])
    for world, model in zip(twins.worlds, copies, strict=True):
        world.model.load_state_dict(model.state_dict())
    twins.call(*batch(0))
    twins.was_replayed(6)


def test_moments_that_somebody_holds_and_state_that_is_saved():
    twins = Twins(lambda: World(optimizer=OPTIMIZERS["adamw"]))
    saved = []
    for i, args in enumerate(batches(12)):
        twins.call(*args)
        if i == 5:
            saved = [w.optimizer.state_arrays() for w in twins.worlds]
        if i == 8:
            for world, state in zip(twins.worlds, saved, strict=True):
                world.optimizer.load_state_arrays(state)
    twins.was_replayed(9)


def test_gradients_that_somebody_keeps_stay_what_they_are():
    twins = Twins(step=train)
    kept = [[], []]
    for args in batches(8):
        twins.call(*args)
        for world, mine in zip(twins.worlds, kept, strict=True):
            grad = world.model.first.weight.grad
            mine.append(grad)
            mine.append(world.model.last.weight.grad[1:, ::2])
            mine.append(world.model.last.bias.grad.reshape(5, 1))
    assert [x.tobytes() for x in kept[0]] == [x.tobytes() for x in kept[1]]
    twins.was_replayed(4)


@pytest.mark.parametrize("step", [train, let_go])
@pytest.mark.parametrize("moment", [0, 1, 2, 3, 4, 5, 6])
def test_an_array_that_somebody_holds_shows_what_it_would_in_eager_mode(moment, step):
    twins = Twins(lambda: World(optimizer=OPTIMIZERS["adamw"]), step)
    held = [[], []]

    def compare():
        for one, other in zip(*held, strict=True):
            assert one.tobytes() == other.tobytes()

    for i in range(24):
        if i == moment:
            for world, mine in zip(twins.worlds, held, strict=True):
                mine += [world.model.first.weight.data, world.model.last.weight.data[1:], world.model.first.bias.data]
        if i == 12:
            twins.change(lambda w: w.model.load_state_dict(Net().state_dict()))
        if i == 16:
            twins.change(lambda w: setattr(w.model.first.weight, "data", np.zeros((4, 3), np.float32)))
        twins.call(*batch(i, rows=4 if i % 4 == 3 else 8))
        compare()
    twins.was_replayed(8)


def test_an_array_that_somebody_holds_after_the_parameter_was_given_other_data():
    """It is the parameter's, and the optimizer writes to it, as long as it is."""
    twins = run(let_go, 6)
    assert [one.alone for one in twins.replayed.plan.stepped] == [False]
    twins.change(lambda w: w.model.load_state_dict(Net().state_dict()))
    held = [[w.model.first.weight.data, w.model.last.weight.data[1:]] for w in twins.worlds]
    for args in batches(4):
        twins.call(*args)
        for one, other in zip(*held, strict=True):
            assert one.tobytes() == other.tobytes()
    twins.was_replayed(8)


def test_gradients_that_somebody_keeps_while_plans_come_to_share_their_memory():
    """Steps of two shapes, and some that are not replayed in between."""
    twins = Twins(lambda: World(optimizer=OPTIMIZERS["momentum"]), let_go)
    kept = [[], []]
    for i in range(16):
        if i in (4, 5, 9):
            twins.change(let_go, *batch(100 + i))
        if i > 3:
            for world, mine in zip(twins.worlds, kept, strict=True):
                mine += [world.model.first.weight.grad, world.model.first.weight.data, world.model.first.bias.data[:2]]
        twins.call(*batch(i, rows=8 if i % 3 else 5))
        assert [x.tobytes() for x in kept[0]] == [x.tobytes() for x in kept[1]]
    twins.was_replayed(10)


@pytest.mark.parametrize("how", ["one count", "a loaded state"])
def test_parameters_that_are_no_longer_stepped_equally_often(how):
    twins = run(let_go, 5, lambda: World(optimizer=lambda p: optim.AdamW(p, lr=0.01)))
    assert [len(one.parameters) for one in twins.replayed.plan.stepped] == [4]
    for world in twins.worlds:
        if how == "one count":
            world.optimizer.counts[id(world.model.last.bias)] = 500
        else:
            state = world.optimizer.state_arrays()
            world.optimizer.load_state_arrays(state | {"1.steps": np.array(500)})
    for args in batches(6):
        twins.call(*args)
    twins.was_replayed(7)


def test_gradients_that_somebody_keeps_and_the_parameter_has_no_more():
    """What is cleared outside the step is still somebody's."""
    twins = Twins(step=only_gradients)
    kept = [[], []]
    for args in batches(8):
        twins.call(*args)
        for world, mine in zip(twins.worlds, kept, strict=True):
            mine.append(world.model.first.weight.grad.T)
            world.optimizer.zero_grad()
    assert [x.tobytes() for x in kept[0]] == [x.tobytes() for x in kept[1]]
    twins.was_replayed(4)


def test_one_gradient_that_is_kept_once():
    """The memory is left to who keeps it, in the plans for other shapes, too."""
    twins = run(train, 6)
    for args in batches(4, rows=4):
        twins.call(*args)
    kept = [world.model.first.weight.grad for world in twins.worlds]
    for i, args in enumerate(batches(12)):
        twins.call(*args)
        twins.call(*batch(i, rows=4))
        assert kept[0].tobytes() == kept[1].tobytes()
    twins.was_replayed(20)


def test_an_optimizers_moments_that_are_replaced_stay_with_who_holds_them():
    twins = Twins(lambda: World(optimizer=OPTIMIZERS["adamw"]))
    for args in batches(6):
        twins.call(*args)
    held = [w.optimizer.state[id(w.model.first.weight)]["mean"] for w in twins.worlds]
    for args in batches(2):
        twins.call(*args)
        assert held[0].tobytes() == held[1].tobytes()
    states = [w.optimizer.state_arrays() for w in twins.worlds]
    for world, state in zip(twins.worlds, states, strict=True):
        world.optimizer.load_state_arrays(state)
    for args in batches(4):
        twins.call(*args)
        assert held[0].tobytes() == held[1].tobytes()
    twins.was_replayed(8)


def test_moments_that_are_put_in_the_place_of_others_are_those_that_count():
    """Also where no parameter is another between two calls."""
    twins = Twins(lambda: World(optimizer=OPTIMIZERS["adamw"]), let_go)
    for i, args in enumerate(batches(10)):
        if i in (5, 7):
            for world in twins.worlds:
                state = world.optimizer.state[id(world.model.last.weight)]
                state["mean"] = np.ones_like(state["mean"])
                first = id(world.model.first.weight)
                world.optimizer.state[first] = {name: 0 * x for name, x in world.optimizer.state[first].items()}
        twins.call(*args)
    twins.was_replayed(8)


@pytest.mark.parametrize("graph", ["kept", "used up"])
def test_parameters_are_stepped_as_one_soon_after_somebody_let_go(graph):
    world = World()

    def step(x, y):
        world.optimizer.zero_grad()
        loss = world.model.loss(x, y)
        loss.backward(retain_graph=graph == "kept")
        world.optimizer.step()
        return loss.detach()

    replayed = replay(step)
    held = [p.data for p in world.model.parameters()]
    for args in batches(4):
        replayed(*args)
    assert all(one.alone for one in replayed.plan.stepped)
    held.clear()
    for args in batches(6):
        replayed(*args)
    assert [one.alone for one in replayed.plan.stepped] == [False]


def test_two_optimizers_in_turn_go_on_in_the_array_that_somebody_holds():
    """Each has a plan of its own, and had arrays of its own before the parameters were given other data."""

    def world():
        model = Net()
        steps = []
        for optimizer in (optim.SGD(model.parameters(), lr=0.1), optim.AdamW(model.parameters(), lr=0.01)):
            part = World(model, lambda _, optimizer=optimizer: optimizer)
            steps.append(lambda x, y, part=part: let_go(part, x, y))
        return model, steps

    (eager, steps), (model, others) = world(), world()
    replayed = [replay(other) for other in others]
    held = []
    for i, args in enumerate(batches(30)):
        if i == 12:
            for one in (eager, model):
                one.load_state_dict(Net().state_dict())
        if i in (13, 17, 23):
            held += [(p.data, q.data) for p, q in zip(eager.parameters(), model.parameters(), strict=True)]
        turn = i % 2
        assert steps[turn](*args).item() == replayed[turn](*args).item()
        assert [one.tobytes() for one, _ in held] == [other.tobytes() for _, other in held]
    assert sum(each.shapes[0].replayed for each in replayed) > 20
