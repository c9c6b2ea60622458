"""Tests of exact probabilities, of the most probable texts against all there are, and of the tree."""

import itertools
import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.dropping import Dropping
from tests.helpers.own_models import NAMES, of_all
from tests.helpers.pairs import Pairs
from tinygrad_lm.models import MLP, NGram
from tinygrad_lm.sampling import (
    IncompleteError,
    Settings,
    log_probability,
    most_probable,
    probability,
    sampling_tree,
    search,
    tree,
)
from tinygrad_lm.text import DataError, Vocabulary

AB = Vocabulary("abc")


def small(seed, order=2):
    """A model of three letters whose probabilities are uneven."""
    rng = np.random.default_rng(seed)
    names = ["".join(rng.choice(list("abc"), rng.integers(1, 5), p=(0.6, 0.3, 0.1))) for _ in range(12)]
    return NGram(order, 0.1, AB).fit(names)


def all_texts(model, length, prefix=""):
    """Every text up to a length, with its probability by the table, the most probable first."""
    found = []
    for more in range(length - len(prefix) + 1):
        for letters in itertools.product("abc", repeat=more):
            text = prefix + "".join(letters)
            ids = model.vocabulary.encode(text)
            rows = model.probabilities([ids[:i] for i in range(len(ids) + 1)])
            found.append((text, math.prod(row[i] for row, i in zip(rows, [*ids, 3], strict=True))))
    return sorted(found, key=lambda each: (-each[1], model.vocabulary.encode(each[0])))


class TestProbability:
    @of_all
    def test_it_is_that_of_the_likelihoods(self, model):
        for name in NAMES:
            expected = model.log_likelihoods([name]).sum()
            assert log_probability(model, name) == pytest.approx(expected, rel=1e-5)
            assert probability(model, name) == pytest.approx(math.exp(expected), rel=1e-4)

    @of_all
    def test_of_nothing_it_is_that_of_the_end(self, model):
        logits = model.next_logits([[]])[0].astype(np.float64)
        assert probability(model, "") == pytest.approx((np.exp(logits) / np.exp(logits).sum())[26], rel=1e-6)

    def test_what_is_never_written(self):
        model = NGram(2, 0.0).fit(["ab"])
        assert probability(model, "ab") == 1 and probability(model, "b") == 0
        assert log_probability(model, "b") == -math.inf
        with pytest.raises(DataError, match="'1'"):
            probability(model, "a1")

    def test_a_long_text_does_not_underflow(self):
        assert probability(small(0), "c" * 2000) == 0 and -1e5 < log_probability(small(0), "c" * 2000) < -1000


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(2, 5), st.sampled_from(["", "a", "cb"]))
def test_the_most_probable_are_those_of_all_texts(seed, count, length, prefix):
    model = small(seed)
    expected = all_texts(model, length, prefix)[:count]
    try:
        found = most_probable(model, count, prefix, length)
    except IncompleteError as error:
        found = list(error.found)
        assert len(expected) < count
    assert len(found) == len(expected)
    assert [p for _, p in found] == pytest.approx([p for _, p in expected], rel=1e-9)
    for (text, p), (other, _) in zip(found, expected, strict=True):
        assert text == other or p == pytest.approx(dict(expected).get(other), rel=1e-9)


class TestMostProbable:
    @pytest.mark.parametrize("at_once", [1, 3])
    def test_however_many_are_gone_on_from_at_a_time(self, monkeypatch, at_once):
        whole = most_probable(small(1, 3), 30)
        monkeypatch.setattr(search, "AT_ONCE", at_once)
        assert most_probable(small(1, 3), 30) == whole

    @of_all
    def test_of_every_kind_of_model(self, model):
        found = most_probable(model, 5)
        for text, p in found:
            assert p == pytest.approx(probability(model, text), rel=1e-5)
        assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)

    def test_all_there_are(self):
        model = NGram(4, 0.0).fit(["zeel", "zeel", "abid"])
        assert most_probable(model, 2) == [("zeel", pytest.approx(2 / 3)), ("abid", pytest.approx(1 / 3))]
        with pytest.raises(
            IncompleteError, match="writes only 2 texts of at most 30 tokens that begin with '', not 3"
        ) as e:
            most_probable(model, 3)
        assert [text for text, _ in e.value.found] == ["zeel", "abid"]
        with pytest.raises(IncompleteError, match="only 0 texts"):
            most_probable(model, 1, "q")
        with pytest.raises(IncompleteError, match="only 0 texts of at most 3"):
            most_probable(model, 1, "zeel", 3)
        assert most_probable(model, 1, "zeel", 4)[0].text == "zeel"

    def test_a_text_that_is_cut_in_several_ways_comes_once(self):
        model = NGram(2, 1.0, Pairs("ab")).fit(["abba", "ab", "b"])
        found = most_probable(model, 12)
        assert len({text for text, _ in found}) == 12
        for text, p in found:
            assert p == pytest.approx(probability(model, text), rel=1e-12)

    def test_what_is_too_large_says_what_is_certain(self, monkeypatch):
        monkeypatch.setattr(search, "MOST_PREFIXES", 4000)
        monkeypatch.setattr(search, "AT_ONCE", 4)
        model = NGram(2, 0.5).fit(NAMES)
        with pytest.raises(
            IncompleteError, match=r"of 500 most probable texts are certain after 4,000 prefixes"
        ) as caught:
            most_probable(model, 500)
        monkeypatch.undo()
        sure = list(caught.value.found)
        assert sure and sure == most_probable(model, 500)[: len(sure)]

    @pytest.mark.parametrize("wrong", [0, -1, 1.5, None])
    def test_out_of_range(self, wrong):
        with pytest.raises(ValueError, match="count is a whole number from 1"):
            most_probable(small(0), wrong)
        with pytest.raises(ValueError, match="max_length is a whole number from 1"):
            most_probable(small(0), 1, max_length=wrong)


def walk(branch, ids=()):
    """Every branch under one, with the tokens to it."""
    for child in branch.children:
        yield child, branch, (*ids, child.token)
        yield from walk(child, (*ids, child.token))


@settings(max_examples=20)
@given(
    st.integers(0, 10**6),
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(1, 3)),
    st.sampled_from([0.0, 0.01, 0.2]),
    st.sampled_from([Settings(), Settings(0.5), Settings(2.0, top_k=2), Settings(min_length=2), Settings(0)]),
    st.sampled_from(["", "a", "bc"]),
)
def test_probabilities_of_a_tree_multiply_along_its_paths(seed, depth, most, least, how, prefix):
    model = small(seed)
    root = sampling_tree(model, prefix, depth, most, least, how)
    assert (root.token, root.probability, root.path_probability) == (prefix, 1, 1)
    for child, parent, path in walk(root):
        assert child.path_probability == pytest.approx(parent.path_probability * child.probability, rel=1e-12)
        assert child.path_probability >= least and len(path) <= depth
        assert child.is_end == (child.token == "-") and not (child.is_end and child.children)
        before = model.vocabulary.encode(prefix + "".join(path[:-1]))
        logits = model.next_logits([before])[0]
        if len(before) < how.min_length:
            logits[3] = -np.inf
        assert child.probability == pytest.approx(how.distribution(logits)[AB.tokens.index(child.token)], rel=1e-9)
    for branch in (root, *(child for child, _, _ in walk(root))):
        chances = [child.probability for child in branch.children]
        assert chances == sorted(chances, reverse=True) and (most is None or len(chances) <= most)
        if chances:
            assert sum(chances) + branch.left_out == pytest.approx(1)


class TestTree:
    def test_it_ends_where_a_text_is_cut(self):
        root = sampling_tree(small(0), "a", 9, settings=Settings(max_length=3))
        assert max(len(path) for _, _, path in walk(root)) == 2

    def test_it_is_plain_data(self):
        root = sampling_tree(small(0), "", 2)
        assert json.loads(json.dumps(asdict(root)))["children"][0]["token"] == root.children[0].token
        assert 20 < len(repr(root)) < 120

    def test_what_the_lectures_draw(self):
        model = NGram(2, 0.0, Vocabulary(["t", "d", "m"])).fit(["t"] * 7 + ["d"] * 2 + ["m"])
        root = sampling_tree(model)
        assert [(b.token, round(b.probability, 9)) for b in root.children] == [("t", 0.7), ("d", 0.2), ("m", 0.1)]
        assert [b.children[0].is_end for b in root.children] == [True] * 3

    def test_too_large(self, monkeypatch):
        monkeypatch.setattr(tree, "MOST_BRANCHES", 28)
        assert len(sampling_tree(MLP(hidden=(2,), rng=0), depth=1).children) == 27
        with pytest.raises(DataError, match="more than 28 branches: give a smaller depth or top_k"):
            sampling_tree(MLP(hidden=(2,), rng=0), depth=2)

    def test_a_deep_one(self):
        model = NGram(1, 0.0).fit(["a" * 99])
        root = sampling_tree(model, depth=2000, top_k=1, settings=Settings(max_length=1500))
        depth = 0
        while root.children:
            (root,), depth = root.children, depth + 1
        assert depth == 1500

    def test_dropout_is_off(self):
        model = Dropping()
        assert sampling_tree(model, depth=1) == sampling_tree(model, depth=1) and model.net[2].training
        assert most_probable(model, 3) == most_probable(model, 3)

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [({"depth": 0}, "depth is a whole"), ({"top_k": 0}, "top_k is a whole"), ({"min_p": 1.1}, "min_p is a prob")],
    )
    def test_out_of_range(self, wrong, words):
        with pytest.raises(ValueError, match=words):
            sampling_tree(small(0), **wrong)
