"""A call gives what it does in eager mode wherever it is made: without a graph, where it fails, in several threads."""

import collections
import contextvars
import threading
import warnings

import numpy as np
import pytest

from tests.helpers.replaying import Net, Twins, World, batch, batches, learn, only_gradients, run, train
from tinygrad_lm import Tensor, detect_anomaly, manual_seed, no_grad
from tinygrad_lm.autograd import custom
from tinygrad_lm.replay.replayed import replay


def test_no_grad_around_the_call():
    def step(w, x, y):
        return w.model.loss(x, y)

    twins = Twins(step=only_gradients)
    for args in batches(6):
        twins.call(*args)
    quiet = Twins(step=step)
    for i, args in enumerate(batches(8)):
        if i % 2:
            with no_grad():
                for world in quiet.worlds:
                    world.context = contextvars_here()
                one, other = quiet.call(*args)
            assert not one.requires_grad and not other.requires_grad
        else:
            for world in quiet.worlds:
                world.context = contextvars_here()
            quiet.call(*args)


def contextvars_here():
    context = contextvars.copy_context()
    context.run(manual_seed, 5)
    return context


def test_detect_anomaly_around_the_call():
    twins = run(train, 5)
    x, y = batch(7)
    x[0, 0] = np.nan
    eager = twins.worlds[0]
    for call in (lambda: train(eager, x, y), lambda: twins.replayed(x, y)):
        with detect_anomaly(), pytest.raises(FloatingPointError, match="nan"):
            call()
    twins.change(lambda w: w.optimizer.zero_grad())
    twins.call(*batch(8))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e38, 0.0])
def test_numbers_that_are_none(bad):
    def step(w, x, y):
        return learn(w, w.model.loss(x, y) + np.sqrt(np.maximum(x * w.model.first.weight[0], 0)).mean())

    twins = Twins(step=step)
    with np.errstate(all="ignore"):
        for i, (x, y) in enumerate(batches(10)):
            if i in (4, 5, 8):
                x[0, i % 3] = bad
            twins.call(x, y)


def test_an_exception_within_the_step():
    def step(w, x, y):
        w.optimizer.zero_grad()
        loss = w.model.loss(x, y)
        loss.backward()
        if loss > 3:
            raise ValueError("too large")
        w.optimizer.step()
        return loss

    twins = Twins(step=step)
    for i, (x, y) in enumerate(batches(12)):
        twins.call(x * (1000 if i in (3, 6, 7) else 1), y)
    twins.was_replayed(4)


def test_targets_that_are_no_classes_are_refused_and_leave_all_as_it_was():
    twins = Twins()
    for i, (x, y) in enumerate(batches(10)):
        if i in (0, 4, 7):
            y[0] = 5
        given = twins.call(x, y)
        assert isinstance(given[1], Exception) == (i in (0, 4, 7))
    twins.was_replayed(4)


def test_a_warning_that_is_an_error_leaves_all_as_in_eager_mode():
    def step(w, x, y):
        w.optimizer.zero_grad()
        loss = w.model.loss(x, y) * np.exp(x.sum())
        loss.backward()
        w.optimizer.step()
        return loss

    twins = Twins(step=step)
    with np.errstate(over="raise"):
        for i, (x, y) in enumerate(batches(8)):
            twins.call(x + (1000 if i in (5, 6) else 0), y)
    twins.was_replayed(3)


@pytest.mark.parametrize("block", [None, 4])
def test_what_numpy_has_to_say_is_said_once_at_each_call(block):
    """Making a plan computes all once more, which may say nothing, and may not fail where warnings are errors."""
    weight = Tensor(np.array([0.0, 1.0]), requires_grad=True)

    def step(x):
        weight.grad = None
        loss = (x * weight).log().exp().mean()
        loss.backward()
        return loss.detach()

    def said(call):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call(np.ones((8, 2)))
        return [str(one.message) for one in caught]

    step_or_plan = replay(step, block=block)
    eager = said(step)
    assert len(eager) == 3
    assert [said(step_or_plan) for _ in range(2)] == [eager, eager]
    assert set(said(step_or_plan)) == set(eager)
    assert step_or_plan.shapes[0].replayed == 1
    assert (block is None) == (str(step_or_plan.plan) == ""), step_or_plan.report()


@pytest.mark.parametrize("block", [None, 4])
def test_what_a_step_has_to_say_itself_is_said_as_often_as_it_runs(block):
    weight = Tensor(np.ones(2), requires_grad=True)

    def step(x):
        warnings.warn("to whom it may concern", stacklevel=1)
        weight.grad = None
        loss = (x * weight).mean()
        loss.backward()
        return loss.detach()

    replayed = replay(step, block=block)
    with pytest.warns(UserWarning, match="concern") as caught:
        for _ in range(4):
            replayed(np.ones((8, 2)))
    assert len(caught) == 2 == replayed.shapes[0].replayed, replayed.report()


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (lambda w, x, y: (train(w, x, y), 3, "text"), tuple),
        (lambda w, x, y: {"loss": train(w, x, y), "more": [1.5, None]}, dict),
        (lambda w, x, y: [train(w, x, y)], list),
        (lambda w, x, y: None if train(w, x, y) is not None else 1, type(None)),
        (lambda w, x, y: train(w, x, y).item(), float),
        (lambda w, x, y: 2.5 if train(w, x, y) is not None else 1, float),
        (lambda w, x, y: train(w, x, y).detach(), Tensor),
        (lambda w, x, y: collections.namedtuple("Pair", "a b")(train(w, x, y), 2), tuple),
        (lambda w, x, y: (train(w, x, y), x.shape, np.float32(2)), tuple),
    ],
)
def test_results_of_every_kind(step, kind):
    twins = run(step)
    assert all(isinstance(other, kind) for _, other in twins.given)


def test_a_result_that_a_caller_changes_is_new_at_the_next_call():
    def step(w, x, y):
        return [train(w, x, y)], {"a": [1]}

    twins = Twins(step=step)
    for args in batches(6):
        for given in twins.call(*args):
            given[0].append(1)
            given[1]["a"].append(2)


def test_operations_of_the_user():
    cube = custom.elementwise("cube", lambda x: x**3, lambda x, out: 3 * x**2)
    scale = [1.0]
    whole = custom.operation("halved", lambda x: x / 2 * scale[0], lambda g, out, x: g / 2 * scale[0])

    def step(w, x, y):
        return learn(w, whole(cube(w.model(x))).sum() + cube(w.model.first.bias).mean())

    twins = Twins(step=step)
    for i, args in enumerate(batches(8)):
        scale[0] = 1.0 if i < 4 else 2.0
        twins.call(*args)
    twins.was_replayed()


def test_two_threads_at_once():
    weights = [Tensor(np.random.default_rng(0).normal(size=(64, 64)), requires_grad=True)]

    def step(x):
        y = x
        for _ in range(20):
            y = np.tanh(y @ weights[0])
        return y.sum(axis=1).detach()

    replayed = replay(step)
    inputs = [np.random.default_rng(i).normal(size=(64, 64)) for i in range(4)]
    wanted = [step(x).data.tobytes() for x in inputs]
    for x in inputs:
        replayed(x)
    wrong = []

    def work(i):
        wrong.extend(i for _ in range(60) if replayed(inputs[i]).data.tobytes() != wanted[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert replayed.shapes[0].replayed > 2


def test_the_report_says_why_not_and_where():
    def step(w, x, y):
        loss = train(w, x, y)
        return loss * 2 if loss.item() > 0 else loss

    text = run(step, 5).replayed.report()
    assert text.startswith(
        "x float32[8, 3], y int64[8]: 5 calls, 0 replayed, 0 plans\n  not replayed: a tensor was read"
    )
    assert "test_around_a_call.py" in text and "loss.item() > 0" in text
    assert run(train, 5).replayed.report() == "x float32[8, 3], y int64[8]: 5 calls, 3 replayed, 1 plan"
    assert replay(train).report() == "not called yet"


def test_a_buffer_that_a_forward_sets_itself():
    class Running(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", np.zeros(3, np.float32))

        def forward(self, x):
            self.mean = 0.9 * self.mean + 0.1
            return super().forward(x + self.mean)

    run(train, 8, lambda: World(Running()))
