"""What is changed between two calls counts: the model, the optimizer, other steps in between."""

import numpy as np
import pytest

from tests.helpers.replaying import OPTIMIZERS, Net, Twins, World, batch, batches, learn, let_go, only_gradients, train
from tinygrad_lm import Tensor, nn, no_grad
from tinygrad_lm.replay.plan import Plan
from tinygrad_lm.replay.replayed import replay

CHANGES = {
    "nothing": lambda w: None,
    "data set": lambda w: setattr(w.model.first.weight, "data", np.full((4, 3), 0.25, np.float32)),
    "data set, columns first": lambda w: setattr(w.model.first.weight, "data", np.full((3, 4), 0.25, np.float32).T),
    "data changed": lambda w: w.model.first.weight.data.__setitem__(0, 0.5),
    "assigned": lambda w: _assign(w),
    "parameter replaced": lambda w: setattr(w.model.first, "weight", nn.Parameter(np.full((4, 3), 0.1, np.float32))),
    "state loaded": lambda w: w.model.load_state_dict(w.at_first),
    "frozen": lambda w: w.model.first.weight.requires_grad_(False),
    "all frozen but one": lambda w: (w.model.requires_grad_(False), w.model.last.bias.requires_grad_()),
    "float64": lambda w: w.model.to(np.float64),
    "lr": lambda w: w.optimizer.groups[0][1].update(lr=0.3),
    "options replaced": lambda w: w.optimizer.groups.__setitem__(
        0, (w.optimizer.groups[0][0], {**w.optimizer.groups[0][1], "lr": 0.3})
    ),
    "member removed": lambda w: w.optimizer.groups[0][0].pop(),
    "scale": lambda w: setattr(w.optimizer, "scale", 0.5),
    "moments": lambda w: w.optimizer.load_state_arrays({k: v + 1 for k, v in w.optimizer.state_arrays().items()}),
    "eval": lambda w: w.model.eval(),
    "layer replaced": lambda w: setattr(w.model, "last", nn.Linear(4, 5, rng=9)),
    "hidden": lambda w: setattr(w.model, "hidden", nn.Dropout(0.2, rng=3)),
    "gradients left": lambda w: [setattr(p, "grad", np.ones_like(p.data)) for p in w.model.parameters()],
    "no gradients": lambda w: w.optimizer.zero_grad(),
    "an eager step": lambda w: train(w, *batch(99)),
    "steps of one alone": lambda w: (train(w, *batch(99)), _count(w.optimizer, w.model.first.weight, 50)),
    "tied": lambda w: setattr(w.model.first, "bias", nn.Parameter(w.model.first.bias.data)),
}


def _count(optimizer, parameter, steps):
    optimizer.counts[id(parameter)] = steps


def _assign(w):
    with no_grad():
        w.model.first.weight[1] = 0.75


@pytest.mark.parametrize("optimizer", [pytest.param("momentum", marks=pytest.mark.slow), "adamw"])
@pytest.mark.parametrize("step", [pytest.param(train, marks=pytest.mark.slow), let_go, only_gradients])
@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_between_two_calls_counts(name, step, optimizer):
    def make():
        net = Net(nn.BatchNorm1d(4))
        return World(net, OPTIMIZERS[optimizer], at_first=net.state_dict())

    twins = Twins(make, step)
    for args in batches(3):
        twins.call(*args)
    twins.was_replayed()
    for _ in range(2):
        twins.change(CHANGES[name])
        for args in batches(3):
            twins.call(*args)


def by_hand(w, columns_first=False):
    for p in w.model.parameters():
        new = p.data - 0.1 * p.grad
        p.data = np.asfortranarray(new) if columns_first else new


def test_data_that_are_new_at_each_call_make_no_plan_anew():
    """The step that lectures begin with: the gradients by ``backward``, and the update by hand, outside."""
    twins = Twins(step=only_gradients)
    for i, args in enumerate(batches(24)):
        twins.call(*args)
        twins.change(lambda w, i=i: by_hand(w, columns_first=i == 11))
        if i == 5:
            layout = twins.replayed.plan.layout
        if i == 10:
            assert twins.replayed.plan.layout is layout
    (shape,) = twins.replayed.shapes
    assert shape.replayed == 21 and len(shape.plans) == 2, shape


def test_a_number_of_another_dtype():
    """Its array has the strides that it had: none."""

    class Scaled(Net):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(np.array(2.0, np.float32))

        def forward(self, x):
            return super().forward(x * self.scale)

    twins = Twins(lambda: World(Scaled()), only_gradients)
    for i, args in enumerate(batches(12)):
        twins.call(*args)
        if i == 5:
            twins.change(lambda w: w.model.scale.astype_(np.float64))
    twins.was_replayed(7)


def columns_first(w):
    for p in w.model.parameters():
        p.data = np.asfortranarray(p.data * 2)


@pytest.mark.parametrize("change", [columns_first, lambda w: w.model.to(np.float64)])
def test_a_plan_that_does_not_fit_is_not_taken_after_a_call_that_stepped_nothing(change):
    twins = Twins(lambda: World(optimizer=OPTIMIZERS["adamw"]), let_go)
    for i, (x, y) in enumerate(batches(10)):
        if i == 4:
            twins.change(change)
            twins.call(x, np.full_like(y, 99))  # which both refuse
        twins.call(x, y)
    twins.was_replayed(2)


def test_a_parameter_that_changes_its_dtype_again_and_again():
    twins = Twins(lambda: World(optimizer=OPTIMIZERS["adamw"]), let_go)
    for i, args in enumerate(batches(16)):
        if i in (4, 5, 9):
            dtype = np.float32 if i == 5 else np.float64
            twins.change(lambda w, dtype=dtype: w.model.last.weight.astype_(dtype))
        if i == 9:
            twins.change(lambda w: train(w, *batch(99)))
        twins.call(*args)
    twins.was_replayed(6)


def test_a_parameter_without_elements():
    twins = Twins(lambda: World(leaves=[Tensor(np.zeros((0, 4), np.float32), requires_grad=True)]), with_leaves)
    for i, args in enumerate(batches(8)):
        twins.call(*args)
        if i == 4:
            twins.change(lambda w: setattr(w.model.first.weight, "data", w.model.first.weight.data * 2))
    twins.was_replayed(6)


def with_leaves(w, x, y):
    w.optimizer.zero_grad()
    loss = w.model.loss(x, y) + sum((leaf * leaf).sum() for leaf in w.leaves)
    loss.backward(retain_graph=False)
    w.optimizer.step()
    return loss.detach()


def test_data_that_somebody_keeps_while_another_parameter_changes_its_order():
    kept = []
    twins = Twins(step=let_go)
    twins.change(lambda w: kept.append(w.model.first.bias.data))
    for i, args in enumerate(batches(6)):
        twins.call(*args)
        if i == 3:
            twins.change(lambda w: setattr(w.model.first.bias, "data", w.model.first.bias.data + 100))
            twins.change(lambda w: setattr(w.model.last.weight, "data", np.asfortranarray(w.model.last.weight.data)))
        assert kept[0].tobytes() == kept[1].tobytes()


def test_plans_that_are_never_right_come_to_an_end():
    twins = Twins()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plan, "ready", lambda plan: False)
        for args in batches(40):
            twins.call(*args)
    assert "17 plans were made, and hardly one was still right at the next call" in twins.replayed.report()


def test_other_data_beside_parameters_that_an_optimizer_steps():
    def step(w, x, y):
        return learn(w, w.model.loss(x * w.scale, y))

    twins = Twins(lambda: World(optimizer=OPTIMIZERS["adamw"], scale=Tensor(np.ones(3, np.float32))), step)
    for i, args in enumerate(batches(12)):
        twins.call(*args)
        if i > 4:
            twins.change(lambda w, i=i: setattr(w.scale, "data", np.full(3, 1 + i / 10, np.float32)))
        if i == 8:
            twins.change(lambda w: w.scale.data.__setitem__(0, 3))
    twins.was_replayed(10)


def test_evaluation_and_back():
    def make():
        return World(Net(nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.3, rng=1))))

    twins = Twins(make)
    for i, args in enumerate(batches(16)):
        if i in (4, 12):
            twins.change(lambda w: w.model.eval())
        if i == 8:
            twins.change(lambda w: w.model.train())
        twins.call(*args)
    twins.was_replayed(6)


def test_evaluation_between_two_calls_makes_no_plan_anew():
    twins = Twins()
    for i, args in enumerate(batches(8)):
        twins.call(*args)
        if i > 2:
            twins.change(lambda w: (w.model.eval(), w.model(batch(0)[0]), w.model.train()))
    twins.was_replayed(5)


def test_two_replayed_steps_taking_turns():
    def other(w, x, y):
        return learn(w, 0.5 * w.model.loss(x * 2, y) + (w.model.first.weight**2).sum())

    twins = Twins(lambda: World(optimizer=OPTIMIZERS["adamw"]))
    eager, replayed = twins.worlds
    second = replay(lambda x, y: other(replayed, x, y))
    for i, args in enumerate(batches(12)):
        twins.call(*args)
        if i % 3:
            assert other(eager, *args).item() == second(*args).item()
            assert eager.holds() == replayed.holds()
    twins.was_replayed(10)
    assert second.shapes[0].replayed > 4


def test_eager_steps_in_between():
    twins = Twins(lambda: World(optimizer=OPTIMIZERS["adamw"]))
    for i, args in enumerate(batches(12)):
        twins.call(*args)
        if i % 3 == 2:
            twins.change(lambda w, i=i: train(w, *batch(100 + i)))
    twins.was_replayed(8)
