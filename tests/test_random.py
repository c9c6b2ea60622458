"""Tests of the default generator: who draws from it, seeds, threads and tasks, and that training never does."""

import ast
import asyncio
import contextlib
import copy
import inspect
import io
import re
import sys
import threading
from contextvars import Context, copy_context

import numpy as np
import pytest

import tinygrad_lm
from tests.helpers import ROOT
from tinygrad_lm import Tensor, nn, random, sampling
from tinygrad_lm.cli import main
from tinygrad_lm.models import MLP, files
from tinygrad_lm.nn import functional as F
from tinygrad_lm.nn import init
from tinygrad_lm.text import Vocabulary
from tinygrad_lm.training import Plan, Trainer

ONES = np.ones((4, 5))


def empty(*shape):
    return Tensor(np.full(shape or (4, 5), np.nan), requires_grad=True)


def numbers(module):
    return np.concatenate([p.data.ravel() for p in module.parameters()])


DRAWS = {
    "Linear": lambda **rng: numbers(nn.Linear(3, 2, **rng)),
    "Embedding": lambda **rng: numbers(nn.Embedding(3, 2, **rng)),
    "Dropout": lambda **rng: nn.Dropout(0.5, **rng)(ONES),
    "F.dropout": lambda **rng: F.dropout(ONES, 0.5, **rng),
    "MLP": lambda **rng: numbers(MLP(Vocabulary("ab"), context=1, embedding=2, hidden=(3,), **rng)),
    **{
        name: lambda name=name, **rng: init.by_name(name)(empty(), **rng).data
        for name in init.INITIALIZERS
        if name not in ("zeros", "ones")
    },
}
every_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


def fresh(function, *args):
    """Call in a context where nobody has seeded anything."""
    return Context().run(function, *args)


class TestWhoDraws:
    @every_draw
    def test_one_seed_gives_the_bytes_of_numpys_generator_and_then_others(self, draw):
        def twice(seed):
            tinygrad_lm.manual_seed(seed)
            return draw().tobytes(), draw().tobytes()

        first, second = fresh(twice, 0)
        assert first != second
        assert fresh(twice, 0) == (first, second)
        assert fresh(twice, np.int64(1)) != (first, second)
        assert draw(rng=np.random.default_rng(0)).tobytes() == draw(rng=0).tobytes() == first

    @every_draw
    def test_unseeded_it_is_fresh_each_time(self, draw):
        assert fresh(draw).tobytes() != fresh(draw).tobytes()

    @every_draw
    def test_a_generator_or_a_seed_of_ones_own_leaves_it_alone(self, draw):
        def state():
            generator = tinygrad_lm.manual_seed(3)
            before = generator.bit_generator.state
            draw(rng=0), draw(rng=np.random.default_rng(0))
            return generator.bit_generator.state == before

        assert fresh(state)

    def test_two_layers_of_one_shape_differ(self):
        q, k, v = (nn.Linear(3, 3) for _ in range(3))
        assert not np.array_equal(q.weight.data, k.weight.data)
        assert not np.array_equal(k.weight.data, v.weight.data)

    def test_the_signatures_say_so(self):
        callables = [
            nn.Linear,
            nn.Embedding,
            nn.Dropout,
            F.dropout,
            MLP,
            init.as_generator,
            *init.INITIALIZERS.values(),
        ]
        for function in callables:
            parameter = inspect.signature(function).parameters["rng"]
            assert (parameter.default, parameter.annotation) == (None, "np.random.Generator | int | None"), function

    def test_the_advice_gives_no_seed_to_copy_to_the_next_layer(self):
        with pytest.raises(TypeError, match=r"leave it out .*tinygrad_lm\.manual_seed\(n\)") as caught:
            nn.Linear(2, 2, rng="0")
        assert "rng=0" not in str(caught.value)


class TestSeeds:
    def test_zero_and_numpys_integers_are_seeds_and_the_generator_comes_back(self):
        def seeded(seed):
            generator = tinygrad_lm.manual_seed(seed)
            assert generator is random.default_generator() is random.as_generator() is init.as_generator(None)
            return generator.random()

        for seed in (0, np.int64(0), np.uint8(0), 2**80):
            assert fresh(seeded, seed) == np.random.default_rng(int(seed)).random()

    @pytest.mark.parametrize("seed", [None, True, np.True_, 1.0, "0", [0], np.random.default_rng(0)])
    def test_what_is_no_integer_is_refused(self, seed):
        with pytest.raises(TypeError, match=r"manual_seed takes an integer from 0, such as manual_seed\(0\), not "):
            tinygrad_lm.manual_seed(seed)

    def test_a_refused_seed_leaves_the_generator_as_it_was(self):
        def run():
            generator = tinygrad_lm.manual_seed(0)
            with pytest.raises(ValueError, match="manual_seed takes an integer from 0, not -1"):
                tinygrad_lm.manual_seed(-1)
            return random.default_generator() is generator

        assert fresh(run)


class TestDropout:
    def test_the_default_generator_is_looked_up_at_the_draw(self):
        def run():
            layer = nn.Dropout(0.5)
            tinygrad_lm.manual_seed(7)
            first = layer(ONES)
            tinygrad_lm.manual_seed(7)
            np.testing.assert_array_equal(layer(ONES), first)

        fresh(run)

    def test_copies_share_the_default_generator_and_copy_one_of_their_own(self):
        def run():
            tinygrad_lm.manual_seed(7)
            shared, own = nn.Dropout(0.5), nn.Dropout(0.5, rng=7)
            twin, own_twin = copy.deepcopy(shared), copy.deepcopy(own)
            drawn = [layer(ONES) for layer in (shared, twin)]
            rng = np.random.default_rng(7)
            expected = [F.dropout(ONES, 0.5, rng=rng) for _ in range(2)]
            np.testing.assert_array_equal(drawn, expected)
            np.testing.assert_array_equal([own(ONES), own_twin(ONES)], [expected[0]] * 2)

        fresh(run)


def value():
    return random.default_generator().random()


class TestThreadsAndTasks:
    def in_thread(self, function):
        found = []
        thread = threading.Thread(target=lambda: found.append(function()))
        thread.start()
        thread.join()
        return found[0]

    @pytest.mark.skipif(getattr(sys.flags, "thread_inherit_context", 0), reason="threads inherit their context here")
    def test_a_new_thread_starts_unseeded(self):
        def run():
            generator = tinygrad_lm.manual_seed(0)
            assert self.in_thread(random.default_generator) is not generator
            assert self.in_thread(value) != self.in_thread(value)
            assert random.default_generator() is generator
            assert value() == np.random.default_rng(0).random()

        fresh(run)

    def test_a_seed_in_a_thread_stays_in_it(self):
        def run():
            generator = tinygrad_lm.manual_seed(0)
            assert self.in_thread(lambda: (tinygrad_lm.manual_seed(1), value())[1]) == np.random.default_rng(1).random()
            assert random.default_generator() is generator

        fresh(run)

    def test_a_task_draws_from_its_parents_until_it_seeds_its_own(self):
        async def child(seed=None):
            if seed is not None:
                tinygrad_lm.manual_seed(seed)
            await asyncio.sleep(0)
            return value()

        async def parent():
            tinygrad_lm.manual_seed(0)
            plain = await asyncio.create_task(child())
            seeded = await asyncio.gather(child(1), child(1), child(2))
            in_thread = await asyncio.to_thread(value)
            return [plain, *seeded, in_thread, value()]

        own = np.random.default_rng(0)
        plain, one, again, two, in_thread, last = fresh(asyncio.run, parent())
        assert [plain, in_thread, last] == [own.random() for _ in range(3)]
        assert one == again == np.random.default_rng(1).random()
        assert two == np.random.default_rng(2).random()

    def test_what_runs_in_a_copied_context_seeds_itself_alone(self):
        def run():
            generator = tinygrad_lm.manual_seed(0)
            copy_context().run(tinygrad_lm.manual_seed, 1)
            return random.default_generator() is generator

        assert fresh(run)


class TestTheDefaultIsForUsersAlone:
    """The package's own training, sampling, command line and model files pass their generators."""

    @pytest.fixture(autouse=True)
    def _forbidden(self, monkeypatch):
        def refuse():
            raise AssertionError("the default generator was asked")

        monkeypatch.setattr(random, "default_generator", refuse)
        with pytest.raises(AssertionError):
            nn.Linear(1, 1)

    def test_training_sampling_and_model_files(self, tmp_path):
        names = ["ab", "ba", "aab"]
        model = MLP(Vocabulary("ab"), context=2, embedding=2, hidden=(3,), rng=0)
        trainer = Trainer(model, names, names, Plan(steps=3, batch_size=4))
        trainer.run(on_step=lambda step, loss: None, on_report=lambda report: None)
        trainer.restore_best()
        list(sampling.samples(model, sampling.Settings(), np.random.default_rng(0), count=2))
        files.save_weights(model, tmp_path / "m.safetensors")
        MLP.from_config(model.config(), model.vocabulary)

    def test_the_command_line(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        names = tmp_path / "names.txt"
        names.write_text("\n".join(a + b + c for a in "abcd" for b in "efgh" for c in "ijkl"), encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()):
            assert main(["train", "--data", str(names), "--steps", "3", "--hidden", "4"]) == 0
            assert main(["sample", "runs/mlp-1", "-n", "2"]) == 0
            assert main(["evaluate", "runs/mlp-1", str(names)]) == 0


def layers_with_a_literal_seed(code):
    """The integers given as ``rng`` to layers of ``nn`` in a piece of Python."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    for call in calls:
        of_nn = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "nn"
        for keyword in call.keywords:
            if of_nn and keyword.arg == "rng" and isinstance(keyword.value, ast.Constant):
                yield keyword.value.value


PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "docs" / "gallery.py"]


@pytest.mark.parametrize("page", [page for page in PAGES if page.is_file()], ids=lambda page: page.name)
def test_no_page_gives_one_integer_to_two_layers(page):
    text = page.read_text(encoding="utf-8")
    blocks = [text] if page.suffix == ".py" else re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    seeds = [seed for block in blocks for seed in layers_with_a_literal_seed(block)]
    assert len(seeds) == len(set(seeds))
