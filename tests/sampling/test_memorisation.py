"""Tests of the memorisation meter: shares, and distances to the nearest name against the table in plain Python."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lm.sampling import distances_to_nearest, memorisation
from tinygrad_lm.text import DataError, graphemes

NAMES = ["abid", "aabid", "zeel", "nipun", "meera", "a", "krishnamurthy"]
WORDS = st.one_of(
    st.text("abc", max_size=9), st.text("ab", min_size=28, max_size=36), st.text("ab", min_size=62, max_size=70)
)


def distance(one, other):
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        left = [i]
        for j, wanted in enumerate(other, 1):
            left.append(min(left[-1] + 1, row[j] + 1, row[j - 1] + (letter != wanted)))
        row = left
    return row[-1]


@given(st.lists(WORDS, max_size=4), st.lists(WORDS, min_size=1, max_size=5))
def test_distances_are_the_least_of_all(texts, names):
    expected = [min(distance(text, name) for name in names) for text in texts]
    assert distances_to_nearest(texts, names).tolist() == expected


@pytest.mark.parametrize(
    ("text", "nearest"), [("abid", 0), ("abed", 1), ("zel", 1), ("", 1), ("q", 1), ("meerab", 1), ("xyxyxy", 6)]
)
def test_by_hand(text, nearest):
    assert distances_to_nearest([text], NAMES).tolist() == [nearest]


def test_a_grapheme_is_one_letter():
    assert graphemes("कृष्ण") == ["कृ", "ष्", "ण"]
    assert distances_to_nearest(["कष्ण", "कृष्णा", "e\u0301a"], ["कृष्ण", "éb"]).tolist() == [1, 1, 1]


def test_shares():
    found = memorisation(["abid", "abid", "zeal", "zeal", "zeal", "nipun", "x", "y"], NAMES)
    assert found.in_training == 3 / 8 and found.duplicates == 3 / 8
    assert found.distances == (0, 0, 1, 1, 1, 0, 1, 1) and found.mean_distance == 5 / 8
    assert repr(found) == "Memorisation(in_training=0.375, duplicates=0.375, mean_distance=0.62, 8 texts)"
    learned = memorisation(NAMES, NAMES)
    assert (learned.in_training, learned.duplicates, learned.mean_distance) == (1, 0, 0)
    assert memorisation(["e\u0301"], ["é"]).in_training == 1


def test_of_nothing():
    for texts, names in (([], NAMES), (["a"], [])):
        with pytest.raises(DataError, match="at least one text with at least one training name"):
            memorisation(texts, names)
    with pytest.raises(DataError, match="at least one name"):
        distances_to_nearest(["a"], [])
    assert distances_to_nearest([], NAMES).tolist() == []


def test_many_are_compared_side_by_side():
    """A plain table of each pair would take minutes; the generous bound is for a busy machine."""
    rng = np.random.default_rng(0)

    def words(n):
        return ["".join(map(chr, 97 + rng.integers(0, 26, size))) for size in rng.integers(3, 12, n).tolist()]

    texts, names = words(150), words(30_000)
    began = time.perf_counter()
    found = distances_to_nearest(texts, names)
    assert time.perf_counter() - began < 5 and 0 < found.mean() < 6
