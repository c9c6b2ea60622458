"""Arguments of every kind are those of this call: shapes, layouts, tensors, numbers, objects."""

import types

import numpy as np
import pytest

from tests.helpers.replaying import Twins, World, batch, batches, learn, run, train, with_gaps
from tinygrad_lm import Tensor
from tinygrad_lm.replay.replayed import replay


def test_other_shapes_and_other_dtypes_have_plans_of_their_own():
    twins = Twins()
    for i in range(48):
        x, y = batch(i, rows=(8, 5, 1)[i % 3])
        twins.call(x.astype(np.float64 if i % 2 else np.float32), y.astype(np.int32 if i % 4 > 1 else np.int64))
    twins.was_replayed(24)


def test_where_there_are_several_shapes_they_may_wait_until_a_plan_pays():
    twins = Twins(after=3)
    for i in range(18):
        twins.call(*batch(i, rows=(8, 5, 1)[i % 3]))
    first, *others = twins.replayed.shapes
    assert (first.calls, first.replayed) == (6, 2)  # the first call was recorded, before there were others
    assert [(shape.calls, shape.replayed) for shape in others] == [(6, 1)] * 2
    twins.call(*batch(0, rows=2))
    assert str(twins.replayed.shapes[-1]).endswith(": 1 calls, 0 replayed, 0 plans\n  recorded after 3 calls")
    assert "recorded after" not in "".join(map(str, twins.replayed.shapes[:-1]))


def test_a_shape_that_comes_alone_does_not_wait():
    twins = Twins(after=3)
    for i in range(6):
        twins.call(*batch(i, rows=8 if i != 4 else 5))
    assert [(shape.calls, shape.replayed) for shape in twins.replayed.shapes] == [(5, 3), (1, 0)]


@pytest.mark.parametrize("after", [-1, 1.5, "3", True])
def test_how_many_calls_are_waited_for_is_a_whole_number(after):
    with pytest.raises((TypeError, ValueError), match="after is a whole number of calls"):
        replay(lambda x: x, after=after)


LAYOUTS = {
    "gaps": with_gaps,
    "fortran": np.asfortranarray,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "read-only": lambda x: _read_only(x),
    "backwards": lambda x: x[::-1].copy()[::-1],
}


def _read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("first", ["laid out", "plain"])
def test_inputs_of_other_layouts(layout, first):
    twins = Twins()
    for i in range(8):
        x, y = (np.tile(part, (9, 1)[: part.ndim]) for part in batch(i))
        lay = LAYOUTS[layout] if (i % 4 < 2) == (first == "laid out") else np.ascontiguousarray
        twins.call(lay(x), lay(y))


def test_inputs_that_are_refilled_between_calls():
    x, y = batch(0)
    eager, other = World(), World()
    replayed = replay(lambda x, y: train(other, x, y))
    for i in range(8):
        x[...], y[...] = batch(i)
        assert train(eager, x, y).data.tobytes() == replayed(x, y).data.tobytes()
    assert replayed.shapes[0].replayed == 6


def test_inputs_that_are_tensors():
    twins = Twins()
    for x, y in batches(6):
        twins.call(Tensor(x), Tensor(y))
    twins.was_replayed(4)


def test_an_input_that_learns_is_given_its_gradient():
    def step(w, x, y):
        return learn(w, w.model.loss(x, y))

    twins = Twins(step=step)
    for x, y in batches(6):
        one, other = Tensor(x, requires_grad=True), Tensor(x, requires_grad=True)
        world, twin = twins.worlds
        step(world, one, y)
        twins.replayed(other, y)
        assert one.grad.tobytes() == other.grad.tobytes()
        assert world.holds() == twin.holds()


def test_a_parameter_that_is_given_as_an_argument():
    def step(w, x, y, p):
        return learn(w, w.model.loss(x * p.sum(), y))

    twins = Twins(step=step)
    world, twin = twins.worlds
    for x, y in batches(6):
        step(world, x, y, world.model.first.bias)
        twins.replayed(x, y, twin.model.first.bias)
        assert world.holds() == twin.holds()


@pytest.mark.parametrize(
    "values",
    [[1, 2], [1.0, 2.0], [0.0, -0.0], [1, 1.0, True], [(1,), (1.0,)], ["a", "b"], [np.float32(1), np.float64(1)]],
)
def test_numbers_and_text_as_arguments(values):
    def step(w, x, y, value):
        value = value[0] if isinstance(value, tuple) else value
        value = len(value) if isinstance(value, str) else value
        return learn(w, w.model.loss(x, y) * value + (1 / w.model.first.bias * value).sum() * 0)

    twins = Twins(step=step)
    with np.errstate(all="ignore"):
        for i, args in enumerate(batches(12)):
            twins.call(*args, values[i % len(values)])
    twins.was_replayed()


def test_lists_and_objects_as_arguments_may_change():
    def step(w, x, y, numbers, space):
        return learn(w, w.model.loss(x, y) * numbers[0] * space.scale)

    numbers, space = [1.0], types.SimpleNamespace(scale=1.0)
    twins = Twins(step=step)
    for i, args in enumerate(batches(9)):
        numbers[0], space.scale = 1.0 if i < 4 else 2.0, 1.0 if i < 6 else 3.0
        twins.call(*args, numbers, space)
        twins.call(*args, [float(i)], types.SimpleNamespace(scale=float(i)))


@pytest.mark.slow
def test_a_number_that_is_another_at_each_call_takes_no_memory_for_ever():
    def step(w, x, y, value):
        return learn(w, w.model.loss(x, y) * value)

    twins = Twins(step=step)
    for i in range(270):
        twins.replayed(*batch(0), 0.5 + i)
    assert len(twins.replayed.shapes) <= 257


def test_keyword_arguments():
    def step(w, x, y, scale=1.0):
        return learn(w, w.model.loss(x, y) * scale)

    twins = Twins(step=step)
    for i, (x, y) in enumerate(batches(12)):
        twins.call(x, y=y, scale=1.0 + i % 2)
        twins.call(y=y, x=x)
        twins.call(x, y)


def test_arguments_that_do_not_fit_are_refused_as_ever():
    twins = run(train)
    with pytest.raises(TypeError):
        twins.replayed(*batch(0), 1)
    with pytest.raises(TypeError):
        twins.replayed(*batch(0), z=1)
    twins.call(*batch(0))


def test_an_input_that_the_step_changes_is_changed():
    def step(w, x, y):
        x[0] = 0
        x += 1
        return learn(w, w.model.loss(x, y))

    run(step)


def test_an_input_that_numpy_alone_understands():
    def step(w, x, y):
        bits = x.view(np.int32) & 1
        return learn(w, w.model.loss(x + bits.astype(np.float32), y))

    run(step)


def test_arrays_that_are_made_of_inputs_alone_are_returned_as_arrays():
    def step(w, x, y):
        learn(w, w.model.loss(x, y))
        return x, x.mean(), y + 1, w.model.first.weight.sum()

    run(step)
