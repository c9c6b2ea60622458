"""What a plan cannot know is an input of it, or is noticed: replayed or not, the numbers are those of eager mode."""

import collections
import contextvars
import copy
import functools
import math
import random
import threading
import types

import numpy as np
import pytest

from tests.helpers.replaying import Net, Twins, World, batch, batches, run, train, with_gaps
from tinygrad_lm import Tensor, detect_anomaly, manual_seed, nn, no_grad, optim
from tinygrad_lm.autograd import custom
from tinygrad_lm.replay.replayed import replay

SCALE = 1.0


def learn(w, loss):
    """The rest of a step."""
    w.optimizer.zero_grad()
    loss.backward()
    w.optimizer.step()
    return loss


# What is read of a tensor into Python.

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

    run(step).was_not(
        "read", "test_never_silently_wrong.py", "lambda x" if how not in ("float", "math") else "READINGS"
    )


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


# Random numbers.


def test_a_generator_of_the_user():
    def step(w, x, y):
        return learn(w, w.model.loss(x + w.generators[0].normal(size=x.shape).astype(np.float32), y))

    run(step, make=lambda: World(generators=[np.random.default_rng(3)])).was_not("random")


def test_a_generator_that_decides():
    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * (2 if w.generators[0].random() < 0.5 else 3))

    run(step, 12, make=lambda: World(generators=[np.random.default_rng(3)])).was_not("random")


@pytest.mark.parametrize("kind", [random.Random, np.random.RandomState])
def test_an_own_generator_of_an_old_kind_that_decides(kind):
    def make():
        return World(old=kind(5))

    def step(w, x, y):
        draw = w.old.random() if kind is random.Random else w.old.uniform()
        return learn(w, w.model.loss(x, y) * (2 if draw < 0.9 else 3))

    run(step, 12, make=make).was_not("random")


@pytest.mark.parametrize("draw", [random.random, lambda: np.random.uniform()], ids=["random", "np.random"])  # noqa: NPY002
def test_global_random_numbers(draw):
    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * (2 if draw() < 0.9 else 3))

    run(step, 12).was_not("random")


def test_dropout_from_the_default_generator_and_from_one_that_is_seeded_anew():
    def make():
        return World(Net(nn.Dropout(0.4)))

    twins = Twins(make)
    for args in batches(5):
        twins.call(*args)
    twins.change(lambda w: manual_seed(77))
    for args in batches(5):
        twins.call(*args)
    twins.was_replayed(4)


def test_dropout_with_a_generator_that_is_set_back():
    def make():
        return World(Net(nn.Dropout(0.4, rng=4)))

    def back(w):
        w.model.hidden.rng.bit_generator.state = np.random.default_rng(9).bit_generator.state

    twins = Twins(make)
    for args in batches(5):
        twins.call(*args)
    twins.change(back)
    for args in batches(3):
        twins.call(*args)
    twins.change(lambda w: setattr(w.model.hidden, "rng", np.random.default_rng(8)))
    for args in batches(4):
        twins.call(*args)
    twins.was_replayed(6)


# What the step can see.


def test_a_global_number_that_changes():
    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * SCALE)

    twins = Twins(step=step)
    try:
        for i, args in enumerate(batches(12)):
            globals()["SCALE"] = 1.0 if i < 4 else 2.0 if i < 8 else 1.0
            twins.call(*args)
    finally:
        globals()["SCALE"] = 1.0
    twins.was_replayed(6)


def test_a_global_that_a_method_of_a_users_class_reads():
    class Own(Net):
        def forward(self, x):
            return super().forward(x) * SCALE

    twins = Twins(lambda: World(Own()))
    try:
        for i, args in enumerate(batches(8)):
            globals()["SCALE"] = 1.0 if i < 4 else 2.0
            twins.call(*args)
    finally:
        globals()["SCALE"] = 1.0
    twins.was_replayed()


def test_a_number_in_another_file_that_changes():
    settings = types.ModuleType("settings_of_a_user")
    settings.scale = 1.0

    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * settings.scale)

    twins = Twins(step=step)
    for i, args in enumerate(batches(8)):
        settings.scale = 1.0 if i < 4 else 2.0
        twins.call(*args)
    twins.was_replayed()


def test_a_number_of_an_enclosing_function_that_changes():
    scale = 1.0

    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * scale)

    twins = Twins(step=step)
    for i, args in enumerate(batches(8)):
        scale = 1.0 if i < 4 else 2.0
        twins.call(*args)
    twins.was_replayed()


def test_what_is_defined_after_the_step_counts():
    world = World()
    twin = World()

    def eager(x, y):
        return learn(world, world.model.loss(x, y) * later)

    @replay
    def replayed(x, y):
        return learn(twin, twin.model.loss(x, y) * later)

    for i, args in enumerate(batches(8)):
        later = 1.0 if i < 4 else 2.0
        assert eager(*args).item() == replayed(*args).item()


class Slotted:
    __slots__ = ("scale",)

    def __init__(self):
        self.scale = 1.0


class Plain:
    shared = 1.0

    def __init__(self):
        self.scale = 1.0

    def scaled(self, x):
        return x * self.scale * self.shared


def holders():
    """Things that hold a number, how it is read, and how it is changed."""
    yield "module", lambda w: w.model, lambda o: o.slope, lambda o: setattr(o, "slope", 2.0)
    yield "object", lambda w: w.own, lambda o: o.scale, lambda o: setattr(o, "scale", 2.0)
    yield "method", lambda w: w.own, lambda o: o.scaled(1.0), lambda o: setattr(o, "scale", 2.0)
    yield "new attribute", lambda w: w.own, lambda o: getattr(o, "new", 1.0), lambda o: setattr(o, "new", 2.0)
    yield "slots", lambda w: w.slotted, lambda o: o.scale, lambda o: setattr(o, "scale", 2.0)
    yield "list", lambda w: w.numbers, lambda o: o[0], lambda o: o.__setitem__(0, 2.0)
    yield "longer list", lambda w: w.numbers, lambda o: sum(o), lambda o: o.append(2.0)
    yield "list in a tuple", lambda w: w.nested, lambda o: o[0][0], lambda o: o[0].__setitem__(0, 2.0)
    yield "two lists", lambda w: w.two, lambda o: len(o[0]), lambda o: o[1].insert(0, o[0].pop())
    yield "dict", lambda w: w.named, lambda o: o["a"], lambda o: o.__setitem__("a", 2.0)
    yield "key", lambda w: w.named, lambda o: o.get("a", 2.0), lambda o: o.__setitem__("b", o.pop("a"))
    yield "deque", lambda w: w.queue, lambda o: o[0], lambda o: o.__setitem__(0, 2.0)
    yield "set", lambda w: w.numbers_once, lambda o: 1.0 if 7 in o else 3.0, lambda o: o.add(7)
    yield "array", lambda w: w.array, lambda o: float(o[0]), lambda o: o.__setitem__(0, 2.0)
    yield "bytes", lambda w: w.bytes, lambda o: o[0], lambda o: o.__setitem__(0, 2)
    yield "partial", lambda w: w.partial, lambda o: o(), lambda o: o.keywords["of"].append(4.0)
    yield "space", lambda w: w.space, lambda o: o.scale, lambda o: setattr(o, "scale", 2.0)
    yield "option", lambda w: w.optimizer, lambda o: o.groups[0][1]["lr"], lambda o: o.groups[0][1].update(lr=0.2)
    yield "scale", lambda w: w.optimizer, lambda o: o.scale, lambda o: setattr(o, "scale", 0.5)
    yield "lambda", lambda w: w.cell, lambda o: o["f"](), lambda o: o.update(f=lambda: 2.0)


HOLDERS = {name: how for name, *how in holders()}


def world_of_holders():
    return World(
        own=Plain(),
        slotted=Slotted(),
        numbers=[1.0, 1.0],
        nested=([1.0],),
        two=([1.0, 2.0], [3.0]),
        named={"a": 1.0},
        queue=collections.deque([1.0]),
        numbers_once={1.0},
        array=np.array([1.0]),
        bytes=bytearray(b"\x01"),
        partial=functools.partial(lambda of: sum(of), of=[1.0]),
        space=types.SimpleNamespace(scale=1.0),
        cell={"f": lambda: 1.0},
    )


@pytest.mark.parametrize("name", HOLDERS)
def test_a_number_that_something_holds_and_that_changes(name):
    at, read, change = HOLDERS[name]

    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * read(at(w)))

    twins = Twins(world_of_holders, step)
    for i, args in enumerate(batches(9)):
        if i == 5:
            twins.change(lambda w: change(at(w)))
        twins.call(*args)


def test_a_number_of_a_class_that_changes():
    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * w.own.shared)

    twins = Twins(world_of_holders, step)
    try:
        for i, args in enumerate(batches(8)):
            Plain.shared = 1.0 if i < 4 else 2.0
            twins.call(*args)
    finally:
        Plain.shared = 1.0
    twins.was_replayed()


def test_an_array_that_a_module_computes_with_and_that_is_changed_in_place():
    class Own(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("weights", np.ones(3, np.float32))
            self.plain = np.ones(3, np.float32)

        def forward(self, x):
            return super().forward(x * self.weights * (2 * self.plain) * (3 * self.weights))

    twins = Twins(lambda: World(Own()))
    for i, args in enumerate(batches(16)):
        if i == 4:
            twins.change(lambda w: w.model.weights.__setitem__(0, 2.0))
        if i == 8:
            twins.change(lambda w: w.model.plain.__setitem__(0, 2.0))
        if i == 12:
            twins.change(lambda w: setattr(w.model, "weights", np.array([0.5, 1, 2], np.float32)))
        twins.call(*args)
    twins.was_replayed()


def test_default_arguments_that_change():
    def step(w, x, y, *, scales=[1.0], factor=1.0):  # noqa: B006 (that it can change is the point)
        return learn(w, w.model.loss(x, y) * scales[0] * factor)

    scales = step.__kwdefaults__["scales"]
    twins = Twins(step=step)
    for i, args in enumerate(batches(12)):
        scales[0] = 1.0 if i < 4 else 2.0
        if i == 8:
            step.__kwdefaults__ = {"scales": scales, "factor": 3.0}
        twins.call(*args)
    twins.was_replayed()


def test_a_step_whose_code_is_exchanged():
    def step(w, x, y):
        return learn(w, w.model.loss(x, y))

    def other(w, x, y):
        return learn(w, 2 * w.model.loss(x, y))

    twins = Twins(step=step)
    for i, args in enumerate(batches(8)):
        if i == 4:
            step.__code__ = other.__code__
        twins.call(*args)
    twins.was_replayed()


def test_a_large_array_that_the_step_can_see_and_that_changes():
    table = np.ones((1000, 500))

    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * float(table.mean()))

    twins = Twins(step=step)
    for i, args in enumerate(batches(8)):
        table[:500] = 1.0 if i < 4 else 2.0
        twins.call(*args)


def test_a_step_that_appends_to_a_list():
    def make():
        return World(seen=[])

    def step(w, x, y):
        loss = train(w, x, y)
        w.seen.append(len(w.seen))
        return loss

    twins = run(step, make=make)
    twins.was_not("changes what it can see")
    assert [w.seen for w in twins.worlds] == [[0, 1, 2, 3, 4, 5]] * 2


def test_a_step_that_keeps_its_loss():
    def make():
        return World(seen=[])

    def step(w, x, y):
        loss = train(w, x, y)
        w.seen.append(loss)
        return loss

    twins = run(step, make=make)
    assert [x.item() for x in twins.worlds[0].seen] == [x.item() for x in twins.worlds[1].seen]


def test_a_step_that_counts_in_a_global():
    def make():
        return World(count=0)

    def step(w, x, y):
        w.count += 1
        return train(w, x, y)

    twins = run(step, make=make)
    assert [w.count for w in twins.worlds] == [6, 6]


# Inputs.


def test_other_shapes_and_other_dtypes_have_plans_of_their_own():
    twins = Twins()
    for i in range(48):
        x, y = batch(i, rows=(8, 5, 1)[i % 3])
        twins.call(x.astype(np.float64 if i % 2 else np.float32), y.astype(np.int32 if i % 4 > 1 else np.int64))
    twins.was_replayed(24)


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


# The model and the optimizer, changed from outside.

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
    "steps of one alone": lambda w: w.optimizer.counts.__setitem__(id(w.model.first.weight), 50),
    "tied": lambda w: setattr(w.model.first, "bias", nn.Parameter(w.model.first.bias.data)),
}


def _assign(w):
    with no_grad():
        w.model.first.weight[1] = 0.75


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adamw": lambda p: optim.AdamW([{"params": p[::2]}, {"params": p[1::2], "weight_decay": 0.0}], lr=0.01),
}


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_between_two_calls_counts(name, optimizer):
    def make():
        net = Net(nn.BatchNorm1d(4))
        return World(net, OPTIMIZERS[optimizer], at_first=net.state_dict())

    twins = Twins(make)
    for args in batches(3):
        twins.call(*args)
    twins.was_replayed()
    for _ in range(2):
        twins.change(CHANGES[name])
        for args in batches(3):
            twins.call(*args)


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
    twins.change(lambda w: w.model.train())
    for i, args in enumerate(batches(8)):
        twins.call(*args)
        if i > 2:
            twins.change(lambda w: (w.model.eval(), w.model(batch(0)[0]), w.model.train()))
    twins.was_replayed(5)


# Gradients.


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


def only_gradients(w, x, y):
    w.optimizer.zero_grad()
    loss = w.model.loss(x, y)
    loss.backward()
    return loss


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


# Around the call.


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


OPEN = pytest.mark.xfail(
    strict=True, reason="a plan writes to memory that somebody else holds, too: Joined does not look whether one does"
)


@OPEN
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


@OPEN
@pytest.mark.parametrize("moment", [0, 1, 3, 6])
def test_an_array_that_somebody_holds_shows_what_it_would_in_eager_mode(moment):
    twins = Twins(lambda: World(optimizer=OPTIMIZERS["adamw"]))
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


def test_the_report_says_why_not_and_where():
    def step(w, x, y):
        loss = train(w, x, y)
        return loss * 2 if loss.item() > 0 else loss

    text = run(step, 5).replayed.report()
    assert text.startswith(
        "x float32[8, 3], y int64[8]: 5 calls, 0 replayed, 0 plans\n  not replayed: a tensor was read"
    )
    assert "test_never_silently_wrong.py" in text and "loss.item() > 0" in text
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
