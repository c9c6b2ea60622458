"""What a step can see beside its arguments and that changes counts: globals, attributes, lists, code."""

import collections
import functools
import gc
import itertools
import types

import numpy as np
import pytest

from tests.helpers.replaying import Net, Twins, World, batch, batches, learn, run, train
from tinygrad_lm import optim
from tinygrad_lm.nn import functional as F
from tinygrad_lm.replay.replayed import replay

SCALE = 1.0


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


def classes_of_a_user():
    """New ones, which a test may change: a base, what is derived of it, a dictionary and a list with attributes."""

    class Base:
        scale = 1.0

    class Derived(Base):
        pass

    class Settings(dict):
        scale = 1.0

    class Series(list):
        def scaled(self):
            return self.by * 1.0

    series = Series([5.0])
    series.by = 1.0
    return {"derived": Derived(), "settings": Settings(), "series": series}


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
    yield "class", lambda w: w.derived, lambda o: o.scale, lambda o: setattr(type(o), "scale", 2.0)
    yield "own dict", lambda w: w.settings, lambda o: o.scale, lambda o: setattr(o, "scale", 2.0)
    yield "class of a dict", lambda w: w.settings, lambda o: o.scale, lambda o: setattr(type(o), "scale", 2.0)
    yield "own list", lambda w: w.series, lambda o: o.scaled(), lambda o: setattr(o, "by", 2.0)
    yield "shown dict", lambda w: w.shown, lambda o: o["a"], lambda o: gc.get_referents(o)[0].update(a=2.0)
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
        shown=types.MappingProxyType({"a": 1.0}),
        **classes_of_a_user(),
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


NOTEBOOK = """
def step(x, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x) * {factor}, y)
    loss.backward()
    optimizer.step()
    return loss.detach()

step = replay(step)
"""


def test_a_step_may_have_the_name_of_what_it_calls_and_be_defined_again():
    """A notebook's cell, whose optimizer has a ``step``, too, run three times, the last time with other text."""
    model = Net()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    space = {"model": model, "optimizer": optimizer, "F": F, "replay": replay, "__name__": "__main__"}
    twin = Net()
    other = optim.SGD(twin.parameters(), lr=0.1)
    for factor in (1, 1, 2):
        exec(NOTEBOOK.format(factor=factor), space)
        for args in batches(5):
            other.zero_grad()
            wanted = F.cross_entropy(twin(args[0]) * factor, args[1])
            wanted.backward()
            other.step()
            assert space["step"](*args).data.tobytes() == wanted.data.tobytes()
        assert space["step"].shapes[0].replayed == 3, space["step"].report()


def test_a_replayed_step_within_another_is_seen_through():
    model = Net()

    @replay
    def loss_of(x, y):
        return model.loss(x, y).detach()

    @replay
    def twice(x, y):
        return loss_of(x, y) * 2

    args = batch(0)
    for _ in range(5):
        assert twice(*args).item() == model.loss(*args).item() * 2
    assert twice.shapes[0].replayed == 3, twice.report()


def test_a_list_that_grows_by_what_it_holds_last():
    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * len(w.flags))

    twins = Twins(lambda: World(flags=[True]), step)
    for i, args in enumerate(batches(9)):
        if i == 4:
            twins.change(lambda w: w.flags.append(True))
        twins.call(*args)
    twins.was_replayed(4)


def test_a_number_from_where_nothing_can_be_seen():
    """Two recordings show that it is another at each call."""

    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * (1 / next(w.counter)))

    twins = run(step, 9, make=lambda: World(counter=itertools.count(1)))
    twins.was_not("no two calls do the same")
