"""Tests that a training goes on exactly where layers draw and buffers change: resumed, and after an exception."""

import json
from contextvars import Context
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers.dropping import Dropping, DroppingMLP, DroppingModule
from tests.helpers.training import NORMED, SPLIT, run, same
from tests.training.test_whole_names import NextToken
from tinygrad_lm import manual_seed, nn, random
from tinygrad_lm.models import MLP
from tinygrad_lm.nn import functional as F
from tinygrad_lm.text import IGNORE, Vocabulary
from tinygrad_lm.training import Plan, Trainer, TrainingError
from tinygrad_lm.training.generators import read_state, state_of

pytestmark = pytest.mark.usefixtures("plans_at_once")

NAMES, VALIDATION = SPLIT.train[:300], SPLIT.validation[:15]
KINDS = ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"]


class FromDefault(DroppingMLP):
    """Its Dropout has no generator of its own."""

    kind = "from default"

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)


class RunningMean(MLP):
    """What goes into the last layer is centred by a mean over the batches so far, and the batches are counted."""

    kind = "running mean"

    def __init__(self):
        super().__init__(context=2, embedding=4, hidden=(16,), rng=0)
        self.register_buffer("mean", np.zeros(16, np.float32))
        self.register_buffer("batches", np.zeros(1, np.int64))
        self.register_buffer("last", np.zeros(16, np.float32), persistent=False)

    def forward(self, contexts):
        hidden = self.hidden(self.embedding(contexts).reshape((len(contexts), -1)))
        if self.training:
            self.last = hidden.data.mean(axis=0)
            self.mean = np.float32(0.9) * self.mean + np.float32(0.1) * self.last
            self.batches += 1  # in place
        return self.output(hidden - self.mean)


class DroppingNames(NextToken):
    """Whole names, some of whose embedded characters are dropped."""

    kind = "dropping names"

    def __init__(self):
        super().__init__(Vocabulary())
        self.drop = nn.Dropout(0.2, rng=np.random.Generator(np.random.MT19937(5)))

    def loss(self, inputs, targets):
        counting = targets != IGNORE
        return F.cross_entropy(self.drop(self.rows(inputs[counting])), targets[counting])


MODELS = [DroppingMLP, DroppingModule, Dropping, FromDefault, RunningMean, *NORMED, DroppingNames]
every_model = pytest.mark.parametrize("kind", MODELS)


def trainer(kind, steps=24, **settings):
    manual_seed(4)
    plan = Plan(steps, **{"batch_size": 16, "evaluate_every": 10, **settings})
    return Trainer(kind(), NAMES, VALIDATION, plan)


def ended(subject):
    """The state at the end, without what hangs on the clock."""
    run(subject)
    arrays, data = subject.state()
    return arrays, {**data, "seconds": 0}


@cache
def in_one_go(kind, **settings):
    return Context().run(lambda: ended(trainer(kind, **settings)))


@every_model
@pytest.mark.parametrize("stop_after", [1, 10, 17])
@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.9}], ids=["plain", "averaged"])
def test_stopped_and_resumed_it_ends_with_the_same_bytes(kind, stop_after, settings):
    def stopped():
        subject = trainer(kind, **settings)
        run(subject, stop_after)
        arrays, data = subject.state()
        return arrays, json.loads(json.dumps(data, allow_nan=False))

    def resumed(arrays, data):
        subject = trainer(kind, **settings)
        manual_seed(99)  # nothing may hang on how the generators are here
        subject.model.loss(*subject.examples.sample(4, np.random.default_rng(0)))
        subject.resume(arrays, data)
        return ended(subject)

    whole, whole_data = in_one_go(kind, **settings)
    found, found_data = Context().run(resumed, *Context().run(stopped))
    assert same(found, whole)
    assert found_data == whole_data


@every_model
@pytest.mark.parametrize("place", ["loss", "backward", "optimizer", "on_step"])
def test_after_an_exception_it_goes_on_as_if_nothing_had_happened(kind, place):
    def interrupted():
        subject = trainer(kind)
        whole_loss, whole_step = subject.model.loss, subject.optimizer.step

        def broken(*arguments):
            found = whole_loss(*arguments)
            if subject.step == 12:
                raise KeyboardInterrupt
            return found

        def unstepped():
            if subject.step == 12:
                raise KeyboardInterrupt
            whole_step()

        def late(step, loss):
            if step == 12:
                raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            if place == "loss":
                patch.setattr(subject.model, "loss", broken)
            elif place == "backward":
                subject.before_step = lambda _: unstepped() if subject.step == 12 else None
            elif place == "optimizer":
                patch.setattr(subject.optimizer, "step", unstepped)
            subject.run(late if place == "on_step" else None)
        subject.before_step = None
        assert subject.step == 12
        return ended(subject)

    whole, found = in_one_go(kind), Context().run(interrupted)
    assert same(found[0], whole[0])
    assert found[1] == whole[1]


def test_a_buffer_that_two_modules_share_stays_shared_after_an_exception():
    class Shared(RunningMean):
        def __init__(self):
            super().__init__()
            self.output.register_buffer("seen", self.batches)

        def loss(self, inputs, targets):
            found = super().loss(inputs, targets)
            if self.output.seen[0] == 3:
                raise KeyboardInterrupt
            return found

    subject = trainer(Shared)
    with pytest.raises(KeyboardInterrupt):
        subject.run()
    assert subject.model.batches is subject.model.output.seen and subject.model.batches[0] == 2


def test_a_loss_that_is_nan_leaves_the_best_buffers_with_the_best_weights():
    subject, good = trainer(RunningMean, 50), trainer(RunningMean, 50)
    schedule = subject.schedule
    subject.schedule = lambda step: 1e41 if step == 15 else schedule(step)
    run(good, 10)
    with pytest.raises(TrainingError, match="of step 10"):
        subject.run()
    assert same(subject.model.state_dict(), good.best) and subject.model.batches[0] == 10


class TestOwnGenerators:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_of_numpys_goes_through_json(self, kind):
        generator, other = (np.random.Generator(getattr(np.random, kind)(seed)) for seed in (1, 2))
        generator.random(7, dtype=np.float32)  # of which half a number is left
        saved = json.loads(json.dumps(state_of("g", generator)))
        other.bit_generator.state = read_state("g", other, saved)
        assert np.array_equal(generator.random(99, dtype=np.float32), other.random(99, dtype=np.float32))

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_training_with_it_resumes_exactly(self, kind):
        def subject():
            made = trainer(DroppingMLP)
            made.model.drop.rng = np.random.Generator(getattr(np.random, kind)(3))
            return made

        whole, first, second = subject(), subject(), subject()
        run(first, 7)
        arrays, data = first.state()
        second.model.drop.rng.random(5)
        second.resume(arrays, json.loads(json.dumps(data)))
        assert same(ended(second)[0], ended(whole)[0])

    def test_one_that_cannot_be_written_down_is_refused_by_name(self):
        own = SimpleNamespace(bit_generator=SimpleNamespace(state={"bit_generator": "Own", "state": 0.5}))
        with pytest.raises(
            TypeError, match=r"generator 'drop\.rng', a SimpleNamespace, cannot be written down; use one"
        ):
            state_of("drop.rng", own)

    def test_another_kind_is_named(self):
        saved = state_of("g", np.random.Generator(np.random.MT19937(0)))
        with pytest.raises(ValueError, match="'g' was a MT19937 when it was saved and is a PCG64 now"):
            read_state("g", np.random.default_rng(0), saved)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("value", [None, [], "x", 7, -1, 1.5, 10**400, [1.5] * 624, [-1] * 4, [[0]]])
    def test_a_state_that_cannot_be_leaves_the_generator_alone(self, kind, value):
        generator = np.random.Generator(getattr(np.random, kind)(1))
        before = state_of("g", generator)
        for name in before["state"]:
            changed = {**before, "state": {**before["state"], name: value}}
            if value == 7 and not isinstance(before["state"][name], list):
                continue  # it can be
            with pytest.raises(ValueError, match="the generator 'g' is none that it can have"):
                read_state("g", generator, changed)
        for wrong in (value, {**before, "state": value}):
            with pytest.raises(ValueError, match="the generator 'g' is none that it can have"):
                read_state("g", generator, wrong)
        assert state_of("g", generator) == before

    @pytest.mark.parametrize(("kind", "name", "last"), [("MT19937", "pos", 624), ("Philox", "buffer_pos", 4)])
    def test_a_place_beside_its_array_is_refused(self, kind, name, last):
        """NumPy takes it, and draws from the memory there."""
        generator = np.random.Generator(getattr(np.random, kind)(1))
        for place in (0, last, -1, last + 1, 2**30):
            saved = state_of("g", generator)
            (saved["state"] if name in saved["state"] else saved)[name] = place
            if 0 <= place <= last:
                read_state("g", generator, saved)
                continue
            with pytest.raises(ValueError, match="the generator 'g' is none that it can have"):
                read_state("g", generator, saved)

    def test_a_name_too_few_and_one_too_many(self):
        first = trainer(DroppingMLP)
        run(first, 7)
        arrays, data = first.state()
        states = data["generators"]
        assert list(states) == ["drop.rng"]
        with pytest.raises(ValueError, match=r"generator 'drop\.rng' was not saved; train anew"):
            trainer(DroppingMLP).resume(arrays, {**data, "generators": {}})
        with pytest.raises(ValueError, match="the model has no generator 'other'"):
            trainer(DroppingMLP).resume(arrays, {**data, "generators": {**states, "other": states["drop.rng"]}})
        for wrong in (None, [], 7, "drop.rng"):
            with pytest.raises(ValueError, match="no table"):
                trainer(DroppingMLP).resume(arrays, {**data, "generators": wrong})

    def test_a_state_of_an_earlier_version_has_none(self):
        first = trainer(DroppingMLP)
        run(first, 7)
        arrays, data = first.state()
        del data["generators"]
        with pytest.raises(ValueError, match="was not saved; train anew"):
            trainer(DroppingMLP).resume(arrays, data)

    def test_the_names_of_models_that_are_modules_and_of_those_that_hold_them(self):
        for kind in (DroppingModule, Dropping):
            assert list(trainer(kind).state()[1]["generators"]) == ["net.2.rng"]

    def test_a_generator_of_a_model_that_is_no_module(self):
        class Drawing(Dropping):
            kind = "drawing"

            def __init__(self):
                super().__init__()
                self.rng = np.random.default_rng(8)

            def loss(self, inputs, targets):
                return super().loss(inputs, targets) * float(self.rng.uniform(0.5, 1.5))

        Drawing.__abstractmethods__ = frozenset()
        whole, first, second = (trainer(Drawing) for _ in range(3))
        run(first, 7)
        second.resume(*first.state())
        assert same(ended(second)[0], ended(whole)[0])


class TestDefaultGenerator:
    def test_it_is_in_the_state_once_there_is_one(self):
        def unseeded():
            subject = Trainer(DroppingMLP(), NAMES, VALIDATION, Plan(2, 8))
            run(subject)
            return subject.state()[1]["default_generator"], random.existing_default_generator()

        assert Context().run(unseeded) == (None, None)
        seeded = Context().run(lambda: trainer(DroppingMLP).state()[1]["default_generator"])
        assert seeded == np.random.Generator(np.random.PCG64(4)).bit_generator.state

    def test_resuming_where_there_was_none_leaves_it_alone(self):
        arrays, data = Context().run(lambda: Trainer(DroppingMLP(), NAMES, VALIDATION, Plan(2, 8)).state())

        def resumed():
            generator = manual_seed(1)
            Trainer(DroppingMLP(), NAMES, VALIDATION, Plan(2, 8)).resume(arrays, data)
            return generator.random()

        assert Context().run(resumed) == np.random.default_rng(1).random()

    def test_resuming_where_there_is_none_makes_it(self):
        def stopped():
            subject = trainer(FromDefault)
            run(subject, 7)
            return subject.state()

        def resumed(arrays, data):
            model = FromDefault.__new__(FromDefault)
            model.__init__()
            subject = Trainer(model, NAMES, VALIDATION, Plan(24, batch_size=16, evaluate_every=10))
            assert random.existing_default_generator() is None
            subject.resume(arrays, data)
            return ended(subject)

        assert same(Context().run(resumed, *Context().run(stopped))[0], in_one_go(FromDefault)[0])


class TestWhatDoesNotFit:
    @pytest.mark.parametrize(
        "change",
        [
            lambda arrays, data: arrays.pop("model.output.weight"),
            lambda arrays, data: arrays.pop("best.output.weight"),
            lambda arrays, data: arrays.pop("optimizer.0.mean"),
            lambda arrays, data: data["generators"]["drop.rng"].update(state={}),
            lambda arrays, data: data.update(default_generator={"bit_generator": "PCG64"}),
            lambda arrays, data: data.update(default_generator=7),
        ],
    )
    def test_it_changes_nothing(self, change):
        first, second = trainer(DroppingMLP), trainer(DroppingMLP)
        run(first, 7)
        run(second, 3)
        before = second.state()
        arrays, data = first.state()
        change(arrays, data)
        with pytest.raises((ValueError, KeyError, TypeError)):
            second.resume(arrays, data)
        assert same(second.state()[0], before[0]) and second.state()[1] == before[1]

    def test_an_array_that_belongs_to_nothing(self):
        first = trainer(DroppingMLP)
        run(first, 7)
        arrays, data = first.state()
        with pytest.raises(ValueError, match=r"'else\.weight' has no place in a training"):
            trainer(DroppingMLP).resume({**arrays, "else.weight": np.zeros(2)}, data)


def test_parameters_that_never_had_a_gradient_have_no_state_to_miss():
    def frozen():
        subject = trainer(DroppingMLP)
        subject.model.embedding.requires_grad_(False)
        return subject

    whole, first, second = frozen(), frozen(), frozen()
    run(first, 7)
    second.resume(*first.state())
    assert same(ended(second)[0], ended(whole)[0])


def test_a_buffer_that_comes_in_a_step_that_was_not_made_is_gone_again():
    """Nor does one that came in the way hide what went wrong with the training."""

    class Late(MLP):
        def __init__(self, loss):
            super().__init__(context=2, embedding=2, hidden=(4,), rng=0)
            self.register_buffer("seen", None)
            self.failing = loss

        def loss(self, inputs, targets):
            self.seen = np.ones(2) if self.seen is None else 0.9 * self.seen
            found = super().loss(inputs, targets)
            return found if self.failing is None else self.failing(found)

    def broken(_):
        raise KeyError("in a loss")

    subject = Trainer(Late(broken), NAMES, VALIDATION, Plan(3, 8))
    with pytest.raises(KeyError):
        subject.run()
    assert subject.model.seen is None
    with pytest.raises(TrainingError, match="the loss became nan at step 1"):
        Trainer(Late(lambda loss: loss * np.nan), NAMES, VALIDATION, Plan(3, 8)).run()


def test_an_evaluation_that_was_not_made_draws_anew():
    class Noisy(MLP):
        """Its evaluation draws."""

        def __init__(self):
            super().__init__(context=2, embedding=2, hidden=(4,), rng=0)
            self.noise, self.broken = nn.Dropout(0.5, rng=3), False

        def log_likelihoods(self, names):
            found = super().log_likelihoods(names) - self.noise.rng.random()
            if self.broken:
                self.broken = False
                raise KeyError("in an evaluation")
            return found

    whole, stopped = (Trainer(Noisy(), NAMES, VALIDATION, Plan(8, 8, evaluate_every=4)) for _ in range(2))
    whole.run()
    stopped.model.broken = True
    with pytest.raises(KeyError):
        stopped.run()
    stopped.run()
    assert [report.validation_loss for report in stopped.history] == [
        report.validation_loss for report in whole.history
    ]
