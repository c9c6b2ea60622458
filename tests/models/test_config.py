"""Tests of configurations: what a setting takes and refuses, plain data and back, and what stops a model's building."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lm import manual_seed, nn
from tinygrad_lm.models.bounded import REDRAWN, SIZES, bounded
from tinygrad_lm.models.config import Config, setting
from tinygrad_lm.models.limits import TooLarge
from tinygrad_lm.models.mlp import MLPConfig
from tinygrad_lm.random import default_generator


@dataclass(frozen=True)
class Endless(Config):
    size: int = setting(3, low=float("-inf"), high=float("inf"))
    share: float = setting(0.5, high=float("inf"))


def test_a_range_without_an_end():
    assert Endless(size=10**12, share=1e300) == Endless(10**12, 1e300)
    for wrong in (1 << 64, -1 << 64, 1.5):
        with pytest.raises(ValueError, match="size must be a whole number from -9223372036854775808 to"):
            Endless(size=wrong)


@dataclass(frozen=True)
class All(Config):
    """A setting of each kind."""

    whole: int = setting(3, "a whole number", low=1, high=9)
    rate: float = setting(0.5, "a number", high=2)
    word: str = setting("a", "a word", choices=("a", "b"))
    any: str = setting("x", "any word")
    switch: bool = setting(False, "a switch")
    sizes: tuple[int, ...] = setting((2, 3), "sizes", low=1, high=5, most=3)
    open: float | None = setting(None, "left open", low=-1, high=1, unset="what is best")
    found: int = setting(0)
    bare: int = 7


def test_the_settings_in_their_order():
    found = All.settings()
    assert [(each.name, each.kind, each.optional) for each in found] == [
        ("whole", "whole number", False), ("rate", "number", False), ("word", "word", False), ("any", "word", False),
        ("switch", "switch", False), ("sizes", "sizes", False), ("open", "number", True),
        ("found", "whole number", False), ("bare", "whole number", False),
    ]  # fmt: skip
    assert [each.shown for each in found] == ["3", "0.5", "a", "x", "False", "2,3", "what is best", "0", "7"]
    assert [each.name for each in found if not each.range.help] == ["found", "bare"]


@given(
    whole=st.integers(1, 9), rate=st.floats(0, 2), word=st.sampled_from("ab"), switch=st.booleans(),
    sizes=st.lists(st.integers(1, 5), max_size=3), open=st.none() | st.floats(-1, 1),
)  # fmt: skip
def test_plain_data_and_back(**values):
    config = All(**values)
    data = config.to_json()
    assert type(data["sizes"]) is list and All.from_json(data) == config and hash(config) == hash(All.from_json(data))


def test_numbers_of_numpy_and_lists_become_plain():
    found = All(whole=np.int64(4), sizes=[np.int8(2), 5], rate=1)
    assert (type(found.whole), found.sizes, type(found.rate)) == (int, (2, 5), float)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"whole": x} for x in (0, 10, 1.0, True, "3", None, math.nan, 10**400)),
        *({"rate": x} for x in (-0.1, 2.1, True, "1", None, math.nan, math.inf, 10**400)),
        *({"word": x} for x in ("c", "", 3, None, b"a")),
        *({"any": x} for x in (3, None)),
        *({"switch": x} for x in (0, 1, None, "yes")),
        *({"sizes": x} for x in (3, [0], [6], [1.0], [None], [1] * 4, "12", None, {1: 2})),
        *({"open": x} for x in (-2, 2, True, "1", math.nan)),
    ],
)
def test_values_out_of_range(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} (must be|is) "):
        All(**wrong)
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} (must be|is) "):
        All.from_json({**All().to_json(), **wrong})


@pytest.mark.parametrize("change", [{"more": 1}, {"__class__": "os.system"}, {"whole": ...}])
def test_other_settings(change):
    data = {key: value for key, value in {**All().to_json(), **change}.items() if value is not ...}
    with pytest.raises(ValueError, match=r"is configured by any, bare, .*, word, not "):
        All.from_json(data)
    with pytest.raises(ValueError, match=r"MLP is configured by activation, context, .*, residual, not nothing"):
        MLPConfig.from_json({})


def test_files_of_before_a_setting_was_added_have_its_default():
    earlier = {"context": 4, "embedding": 2, "hidden": [5], "activation": "relu"}
    assert MLPConfig.from_json(earlier) == MLPConfig(4, 2, (5,), "relu", "none", False, 0.0)
    assert MLPConfig.from_json({**earlier, "dropout": 0.5}).dropout == 0.5
    with pytest.raises(ValueError, match=r"MLP is configured by .*, not context, embedding, hidden"):
        MLPConfig.from_json({name: value for name, value in earlier.items() if name != "activation"})


def test_it_does_not_change():
    with pytest.raises(AttributeError):
        All().whole = 4


class TestDeclarations:
    def test_without_the_decorator(self):
        class Bare(Config):
            width: int = setting(3)

        with pytest.raises(TypeError, match=r"Bare is no dataclass: write @dataclass\(frozen=True\)"):
            Bare.settings()

    @pytest.mark.parametrize(("kind", "default"), [(dict, None), (list, None), (complex, 1j), (tuple[str, ...], ())])
    def test_a_type_that_is_no_setting_s(self, kind, default):
        made = dataclass(frozen=True)(type("Odd", (Config,), {"__annotations__": {"x": kind}, "x": setting(default)}))
        with pytest.raises(TypeError, match=r"Odd\.x is a .*: a setting is an int"):
            made.settings()

    def test_without_a_default(self):
        made = dataclass(frozen=True)(type("Odd", (Config,), {"__annotations__": {"x": int}, "x": field()}))
        with pytest.raises(TypeError, match=r"Odd\.x has no default"):
            made.settings()


DRAWS = {name: (0.5,) * place for name, place in SIZES.items()} | {
    "binomial": (3, 0.5),
    "integers": (0, 9),
    "triangular": (0, 1, 2),
}
"""What the methods of a generator are called with, before the size."""


@pytest.mark.parametrize("name", DRAWS)
def test_no_more_is_drawn_than_a_model_may_have(name):
    with bounded(10, free=0) as rng:
        draw = getattr(rng, name)
        draw(*DRAWS[name], REDRAWN * 10 - 6)
        draw(*DRAWS[name], size=(1, np.int64(2)))
        draw(*DRAWS[name], np.int64(1))
        draw(*DRAWS[name])
        rng.spawn(1)[0].normal()
        with pytest.raises(TooLarge):
            rng.random()
        with pytest.raises(TooLarge):
            rng.spawn(1)
    for large in (1 << 40, (1 << 40, 1 << 40)):
        with bounded(10, free=0) as rng, pytest.raises(TooLarge):
            getattr(rng, name)(*DRAWS[name], large)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("layer", [nn.Linear, nn.Embedding])
def test_no_layer_is_larger_than_a_model_may_be(layer, own):
    """Whether it was given the generator or draws from the default one, which is afterwards as it was."""
    manual_seed(3)
    with bounded(100, free=0) as rng:
        options = {"rng": rng} if own else {}
        layer(2, 3, **options)
        with pytest.raises(TooLarge):
            layer(1 << 30, 1 << 30, **options)
    assert default_generator().random() == np.random.default_rng(3).random()


@pytest.mark.parametrize("name", DRAWS)
def test_it_draws_as_any_generator_does_and_in_the_end_without_limit(name):
    plain = np.random.Generator(np.random.PCG64(0))
    with bounded(1, free=0) as rng:
        (child,) = rng.spawn(1)
    assert np.array_equal(getattr(plain.spawn(1)[0], name)(*DRAWS[name], 99), getattr(child, name)(*DRAWS[name], 99))
    for size in (3, (2, 2), 1_000, None):
        assert np.array_equal(getattr(plain, name)(*DRAWS[name], size), getattr(rng, name)(*DRAWS[name], size))
    assert np.array_equal(plain.normal(1, scale=2, size=5), rng.normal(1, scale=2, size=5))
    assert np.array_equal(plain.standard_normal(4, np.float32), rng.standard_normal(4, np.float32))
