"""Eager and replayed agree to the last bit: random programs, every operation, the training of every model family."""

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from tests.helpers.oracles import leaves, probe
from tests.helpers.registry import BY_NAME, ROWS, examples
from tests.helpers.registry.row import SEEDS
from tests.helpers.replaying import frozen
from tinygrad_lm import Tensor, optim
from tinygrad_lm.models import loading
from tinygrad_lm.replay.optimising import optimised
from tinygrad_lm.replay.replayed import replay
from tinygrad_lm.replay.traced import Compute, Tape
from tinygrad_lm.testing.selfcheck.samples import TABLE
from tinygrad_lm.testing.strategies import programs
from tinygrad_lm.text import Vocabulary, bundled_names
from tinygrad_lm.training import Plan
from tinygrad_lm.training.optimizing import loss_of, optimizer_of, schedule_of

QUIET = {"divide": "ignore", "invalid": "ignore", "over": "ignore", "under": "ignore"}


@pytest.fixture(autouse=True)
def one_thread():
    """Small products are not shared out, which takes longer than they do."""
    with threadpool_limits(1):
        yield


class Both:
    """A function of leaves and of arrays that are added to them, with its gradients, eager and replayed."""

    def __init__(self, function, arrays, seed, learn=True):
        self.sides = []
        for _ in range(2):
            xs = leaves(arrays)
            self.sides.append((xs, self._step(function, xs, seed, learn)))
        self.replayed = replay(self.sides[1][1])

    @staticmethod
    def _step(function, xs, seed, learn):
        with np.errstate(**QUIET):
            weights = probe(function(*xs).shape, seed)

        def step(*shifts):
            for x in xs:
                x.grad = None
            out = function(*(x + shift for x, shift in zip(xs, shifts, strict=True)))
            if learn and out.requires_grad:
                out.backward(weights)
                return out
            return out.detach()

        return step

    def call(self, *shifts):
        """Once more, elsewhere; with NumPy's warnings and errors, if any, the same."""
        found = []
        for (xs, _), step in zip(self.sides, (self.sides[0][1], self.replayed), strict=True):
            try:
                with np.errstate(**QUIET):
                    told = frozen(step(*shifts))
            except (ValueError, IndexError, TypeError, RuntimeError) as error:
                told = repr(error)
            found.append((told, [frozen(x.grad) for x in xs], [frozen(x.data) for x in xs]))
        assert found[0] == found[1], str(self.replayed.report())


def around(arrays, seed, times):
    """Shifts of some arrays: none, small ones, and one that changes the sign of half of all numbers."""
    rng = np.random.default_rng(seed)
    yield [np.zeros_like(x) for x in arrays]
    for size in (0.1, 0.01, 0.3)[: times - 2]:
        yield [np.asarray(size * rng.uniform(-1, 1, x.shape), x.dtype) for x in arrays]
    yield [np.where(rng.random(x.shape) < 0.5, -2 * x, 0) for x in arrays]


@settings(max_examples=examples(400))
@given(programs(), SEEDS)
def test_random_programs(program, seed):
    both = Both(lambda *xs: program.evaluate(xs), program.leaves, seed)
    for shifts in around(program.leaves, seed, 5):
        both.call(*shifts)


def test_random_programs_are_replayed_and_not_only_run_as_they_are():
    replayed = []

    @settings(max_examples=20, derandomize=True)
    @given(programs(), SEEDS)
    def look(program, seed):
        both = Both(lambda *xs: program.evaluate(xs), program.leaves, seed)
        for shifts in list(around(program.leaves, seed, 5))[:-1]:
            both.call(*shifts)
        replayed.append(sum(shape.replayed for shape in both.replayed.shapes))

    look()
    assert np.mean([n > 0 for n in replayed]) >= 0.5


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_operation_on_drawn_calls(row):
    @settings(max_examples=examples(30) // 5)
    @given(row.cases, SEEDS)
    def run(case, seed):
        both = Both(partial(row.call, **case.attributes), case.inputs, seed)
        for shifts in around(case.inputs, seed, 4):
            both.call(*shifts)

    run()


ARRAYS = [samples for samples in TABLE if not samples.scalar]


@pytest.mark.parametrize("samples", ARRAYS, ids=lambda samples: samples.operation)
def test_every_operation_at_its_samples(samples):
    for i, call in enumerate(samples.calls):
        inputs = [x.astype(np.float32) for x in samples.draw(call, np.random.default_rng(i))]
        both = Both(partial(samples.function, **call.attributes), inputs, i)
        shifts = list(around(inputs, i, 5))
        for shift in [*shifts[:3], *shifts[-2:], shifts[0]]:
            both.call(*shift)
        assert sum(shape.replayed for shape in both.replayed.shapes) > 1, both.replayed.report()


def test_every_operation_of_the_registry_has_been_there():
    assert {samples.operation for samples in ARRAYS} >= {"matmul", "linear", "attention", "lstm", "cross_entropy"}
    assert len(BY_NAME) > 100


FAMILIES = {
    "mlp": {},
    "mlp with all": {
        "family": "mlp", "dropout": 0.3, "norm": "layer", "activation": "gelu", "hidden": (20, 20), "residual": True,
    },
    "mlp with batch norm": {"family": "mlp", "norm": "batch"},
    "neural-bigram": {},
    "wavenet": {},
    "wavenet with layer norm": {"family": "wavenet", "norm": "layer", "dropout": 0.1},
    "rnn": {},
    "gru": {"dropout": 0.2},
    "lstm": {},
    "lstm of two layers": {"family": "lstm", "layers": 2, "dropout": 0.2},
    "transformer": {"dropout": 0.1},
    "microgpt": {"family": "transformer", "preset": "microgpt"},
    "transformer with sinusoids": {"family": "transformer", "positions": "sinusoidal"},
    "transformer with rotations": {"family": "transformer", "positions": "rotary", "activation": "swiglu"},
    "transformer with norms behind": {"family": "transformer", "pre_norm": False},
}  # fmt: skip


class Side:
    """One model in training."""

    def __init__(self, case, plan):
        settings_of = dict(FAMILIES[case])
        family = loading.family(settings_of.pop("family", case))
        preset = family.presets[settings_of.pop("preset")] if "preset" in settings_of else {}
        more = {} if case == "neural-bigram" else {"rng": 3}
        self.model = family(Vocabulary(), **{**preset, **settings_of, **more})
        self.plan = Plan(**{**family.plan_defaults, "clip_grad_norm": 0.5, **plan})
        self.optimizer = optimizer_of(self.model, self.plan, None)
        loss_of_batch, optimizer, limit = loss_of(self.model, self.plan), self.optimizer, self.plan.clip_grad_norm

        def step(x, y):
            optimizer.zero_grad()
            loss = loss_of_batch(x, y)
            loss.backward(retain_graph=False)
            optim.clip_grad_norm_(optimizer.parameters, limit)
            optimizer.step()
            return loss

        self.step = step

    def holds(self, gradients=True):
        found = {name: p.data.tobytes() for name, p in self.model.named_parameters()}
        found |= {f"{name} grad": frozen(p.grad) for name, p in self.model.named_parameters() if gradients}
        found |= {f"buffer {name}": frozen(buffer) for name, buffer in self.model.named_buffers()}
        found |= {f"rng {name}": str(rng.bit_generator.state) for name, rng in self.model.named_generators()}
        return found | {f"moment {name}": x.tobytes() for name, x in self.optimizer.state_arrays().items()}


FEW_LENGTHS = [name for name in bundled_names()[:2000] if 4 <= len(name) <= 5]


def trained(case, steps, names=FEW_LENGTHS, **plan):
    """Both sides through a training with a schedule; gives what was replayed."""
    plan = {"seed": 0, "batch_size": 8, "steps": steps, "schedule": "cosine", "warmup_steps": 3, **plan}
    eager, other = Side(case, plan), Side(case, plan)
    replayed = replay(other.step)
    examples_of, rng = eager.model.examples(names), np.random.default_rng(1)
    schedule = schedule_of(eager.plan, None)
    for i in range(steps):
        x, y = examples_of.sample(eager.plan.batch_size, rng)
        eager.optimizer.scale = other.optimizer.scale = schedule(i)
        one, two = eager.step(x, y), replayed(x, y)
        assert one.data.tobytes() == two.data.tobytes(), (case, i)
        if i % 10 == 0 or i == steps - 1:
            assert eager.holds() == other.holds(), (case, i)
    assert [shape.reason for shape in replayed.shapes if shape.reason] == [], replayed.report()
    return replayed


@pytest.mark.parametrize("case", FAMILIES)
def test_families_in_training(case):
    replayed = trained(case, 9)
    # Two calls are recorded, and two more each time that a batch has another length, or goes another way.
    assert sum(shape.replayed for shape in replayed.shapes) >= (3 if len(replayed.shapes) > 1 else 6), replayed.report()


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("case", FAMILIES)
def test_families_through_a_thousand_steps(case, optimizer):
    replayed = trained(
        case, 1_000, bundled_names()[:2000], optimizer=optimizer, lr=0.02 if optimizer == "sgd" else 1e-3
    )
    calls, found = (sum(getattr(shape, name) for shape in replayed.shapes) for name in ("calls", "replayed"))
    plans = sum(len(shape.plans) for shape in replayed.shapes)
    assert calls == 1_000
    assert found >= calls - 2 * plans - 2 * len(replayed.shapes), replayed.report()


@settings(max_examples=3)
@given(st.sampled_from(["mlp", "gru", "transformer"]), st.integers(1, 9), st.sampled_from([0.0, 0.1]), SEEDS)
def test_label_smoothing_and_small_batches(case, size, smoothing, seed):
    trained(case, 6, batch_size=size, label_smoothing=smoothing, seed=seed % 100)


@pytest.mark.parametrize("of", [np.mean, np.var, np.std, np.sum, np.prod, np.cumsum])
@pytest.mark.parametrize("axis", [None, 0])
def test_sums_in_half_precision(of, axis):
    """NumPy takes means of float16 in float32, unless they are written into an array of float16."""
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float16)
    both = Both(lambda x: of(x * x, axis=axis), [x], 0)
    for shifts in around([x], 0, 5):
        both.call(*shifts)
        both.call(*shifts)
    assert sum(shape.replayed for shape in both.replayed.shapes) > 4


def test_arrays_of_a_plan_do_not_touch():
    """Older versions of NumPy take arrays that do for one that overlaps, and compute other last bits."""
    weight = Tensor(np.ones((2, 4)), requires_grad=True)

    def step(x):
        weight.grad = None
        loss = (x * weight).exp().tanh().sum()
        loss.backward()
        return loss.detach()

    replayed = replay(step)
    for _ in range(3):
        replayed(np.ones((2, 4)))
    places = replayed.plan.layout.places
    assert len(places) > 2
    for one, other in itertools.combinations(places, 2):
        if max(one.first, other.first) <= min(one.last, other.last):
            assert one.start + one.size < other.start or other.start + other.size < one.start


@pytest.mark.parametrize("kind", [float, np.float16, np.float32, np.float64, lambda x: np.array(x, np.float32)])
def test_the_two_zeros_are_not_one(kind):
    """What is computed once only has the same numbers to the bit, and the two are equal."""
    weight = Tensor(np.ones(3, np.float32), requires_grad=True)

    def step(x):
        x = x * weight
        return (x * kind(0.0)).detach(), (x * kind(-0.0)).detach()

    replayed, x = replay(step), np.arange(3, dtype=np.float32)
    for _ in range(4):
        assert frozen(replayed(x)) == frozen(step(Tensor(x)))
    assert replayed.shapes[0].replayed == 2


def test_an_array_that_was_changed_is_another():
    """What was computed of it before is not what is computed of it then."""
    tape = Tape()
    x = tape.given(np.linspace(0.5, 2, 6), "input")
    total = x + 1
    first = np.exp(total)
    again = np.exp(total)
    total *= 2
    last = np.exp(total)
    left = optimised(tape.instructions, [first + again, last])
    exponentials = [call for call in left if isinstance(call, Compute) and call.function is np.exp]
    assert len(exponentials) == 2
