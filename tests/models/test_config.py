"""Tests of configurations: what a setting takes and refuses, plain data and back, and what stops a model's building."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lm import nn
from tinygrad_lm.models.bounded import REDRAWN, Bounded
from tinygrad_lm.models.config import Config, setting
from tinygrad_lm.models.limits import TooLarge
from tinygrad_lm.models.mlp import MLPConfig


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
    with pytest.raises(ValueError, match="MLP is configured by activation, context, embedding, hidden, not nothing"):
        MLPConfig.from_json({})


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


@pytest.mark.parametrize("draw", ["random", "standard_normal"])
def test_no_more_is_drawn_than_a_model_may_have(draw):
    generator = Bounded(10)
    getattr(generator, draw)(REDRAWN * 10 - 3)
    generator.uniform(-1, 1, 1)
    generator.normal(size=(1, 1))
    generator.random()
    with pytest.raises(TooLarge):
        getattr(generator, draw)((1 << 40, 1 << 40))
    for layer in (nn.Linear, nn.Embedding):
        layer(2, 3, rng=Bounded(6 + 3))
        with pytest.raises(TooLarge):
            layer(1 << 30, 1 << 30, rng=Bounded(100))


def test_it_draws_as_any_generator_does():
    plain, bounded = np.random.Generator(np.random.PCG64(0)), Bounded(1000)
    for draw in (
        lambda g: g.random(3),
        lambda g: g.uniform(2, 3, (2, 2)),
        lambda g: g.normal(1, 2, 5),
        lambda g: g.standard_normal(4, np.float32),
    ):
        assert np.array_equal(draw(plain), draw(bounded))
