"""What a step reads into Python is that of this call, or the step is not replayed."""

import math

import numpy as np
import pytest

from tests.helpers.replaying import Twins, batch, learn, run, train
from tinygrad_lm import no_grad

READINGS = {
    "item": lambda x: x.item(),
    "float": float,
    "int": lambda x: int(10 * x),
    "tolist": lambda x: x.tolist(),
    "data": lambda x: x.data.item(),
    "asarray": lambda x: np.asarray(x.detach()).item(),
    "numpy": lambda x: x.detach().numpy().item(),
    "format": lambda x: float(f"{x:.3f}"),
    "text": lambda x: len(repr(x)),
    "math": math.exp,
    "round": lambda x: round(float(x), 2),
    "str": lambda x: len(str(x)),
}


@pytest.mark.parametrize("how", READINGS)
def test_a_number_that_is_read_is_never_an_old_one(how):
    def step(w, x, y):
        loss = w.model.loss(x, y)
        return learn(w, loss * READINGS[how](loss))

    run(step).was_not("read", "test_what_is_read.py", "lambda x" if how not in ("float", "math") else "READINGS")


@pytest.mark.parametrize("how", READINGS)
def test_a_number_read_of_an_input_is_never_an_old_one(how):
    def step(w, x, y):
        total = x.sum()
        number = (
            READINGS[how](total) if how not in ("data", "asarray", "numpy", "text", "str") else float(np.asarray(total))
        )
        return learn(w, w.model.loss(x, y) * number)

    run(step).was_not("read")


def test_a_number_that_is_printed_is_that_of_this_call(capsys):
    def step(w, x, y):
        loss = train(w, x, y)
        print(loss)
        return loss

    run(step).was_not("text")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Tensor(")]
    assert len(lines) == 12 and lines[::2] == lines[1::2]


def test_an_index_that_was_read_is_never_an_old_one():
    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * [1.0, 2.0, 3.0, 4.0, 5.0][y[0]])

    run(step).was_not("index")


def test_a_branch_goes_each_way_when_it_is_to():
    def step(w, x, y):
        loss = w.model.loss(x, y)
        if x.sum() > 0:
            loss = 2 * loss
        return learn(w, loss)

    signs = [1, 1, -1, -1, 1, -1, 1, 1, -1, -1]
    twins = Twins(step=step)
    for i, sign in enumerate(signs):
        x, y = batch(i)
        twins.call(sign * np.abs(x), y)
    twins.was_replayed(6)


def test_a_branch_on_the_loss_goes_each_way_when_it_is_to():
    def step(w, x, y):
        loss = w.model.loss(x, y)
        while loss > 2:
            loss = loss * 0.5
        return learn(w, loss if loss > 1.5 else 3 * loss)

    twins = Twins(step=step)
    for i in range(20):
        x, y = batch(i % 5)
        twins.call(x * 3 ** (i % 4), y)
    twins.was_replayed()


def test_truth_of_a_tensor_and_comparisons_count():
    def step(w, x, y):
        inside = bool((x > 0).any()) and not (x.max() < 1) and x.min() != 0
        return learn(w, w.model.loss(x, y) * (2 if inside else 3))

    twins = Twins(step=step)
    for i in range(12):
        x, y = batch(i)
        twins.call(x * (0.01 if i % 3 == 2 else 1), y)
    twins.was_replayed()


def test_a_comparison_as_a_mask_is_computed_anew():
    def step(w, x, y):
        return learn(w, (w.model(x) * (x.sum(axis=1, keepdims=True) > 0)).sum() + np.where(x > 0, x, 0).sum())

    run(step).was_replayed(4)


@pytest.mark.parametrize("reduced", [lambda x: x.sum(), lambda x: x.mean(), lambda x: (x * 2).sum()], ids=range(3))
def test_a_boolean_mask_that_selects_more_or_fewer(reduced):
    def step(w, x, y):
        return learn(w, reduced(w.model.first.weight.reshape(-1)[x > 0]))

    twins = Twins(step=step)
    for count in (3, 3, 3, 1, 5, 1, 0, 3):
        x = -np.ones(12, np.float32)
        x[:count] = 1
        if count or reduced(np.ones(1)) != 1:
            twins.call(x, np.arange(3))


def test_an_index_in_a_python_set_is_found():
    def step(w, x, y):
        seen = {0, 1, 2}
        return learn(w, w.model.loss(x, y) * (2 if y[0] in seen else 3))

    run(step, 8)


def test_data_that_is_written_in_the_step():
    def step(w, x, y):
        loss = train(w, x, y)
        for p in w.model.parameters():
            p.data -= 0.01 * p.data
        return loss

    run(step).was_not("data")


def test_a_parameter_that_is_assigned_into_in_the_step():
    def step(w, x, y):
        loss = train(w, x, y)
        with no_grad():
            w.model.first.bias[0] = 0.5
            w.model.last.weight *= 0.99
        return loss

    run(step).was_not("changed")


def test_a_gradient_that_is_read_in_the_step():
    def step(w, x, y):
        w.optimizer.zero_grad()
        loss = w.model.loss(x, y)
        loss.backward()
        total = float(np.abs(w.model.first.weight.grad).sum())
        w.optimizer.step()
        return loss, total

    run(step).was_not("gradient")


def test_a_gradient_that_is_set_in_the_step():
    def step(w, x, y):
        w.optimizer.zero_grad()
        loss = w.model.loss(x, y)
        loss.backward()
        w.model.first.weight.grad = np.ones((4, 3), np.float32)
        w.optimizer.step()
        return loss

    run(step).was_not("gradient")


def test_lengths_and_shapes_may_be_read():
    def step(w, x, y):
        assert x.ndim == 2 and x.size == 24 and x.dtype == np.float32
        return learn(w, w.model.loss(x, y) * len(x) / x.shape[1])

    run(step).was_replayed(4)
