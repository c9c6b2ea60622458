"""The strategies for arrays, shapes, axes, indices and cotangents draw what they promise."""

import json

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from tinygrad_lm.testing import strategies
from tinygrad_lm.testing.programs import decode_index, encode_index


@given(st.data())
def test_arrays_keep_their_distance(data):
    x = data.draw(strategies.arrays(avoid=[1.0, -0.5], distinct=True))
    assert x.dtype == np.float64
    assert np.abs(x).min(initial=1) > 5e-4
    assert np.abs(x).max(initial=0) <= 2
    assert all(np.abs(x - p).min(initial=1) > 1e-3 for p in (1.0, -0.5))
    assert np.diff(np.sort(x, axis=None)).min(initial=1) >= 1 / 256
    assert data.draw(strategies.arrays((2, 0))).shape == (2, 0)
    positive = data.draw(strategies.arrays((3,), low=0.5, high=3.0))
    assert ((positive >= 0.5) & (positive <= 3)).all()


def test_arrays_that_cannot_be():
    with pytest.raises(ValueError, match=r"there are not 9 distinct numbers from 0\.1 to 0\.11"):
        find(strategies.arrays((9,), low=0.1, high=0.11, distinct=True), lambda x: True)


@given(strategies.broadcastable_shapes(3))
def test_broadcastable_shapes(drawn):
    assert len(drawn) == 3
    np.broadcast_shapes(*drawn)


@given(st.data())
def test_axes_and_indices_and_cotangents(data):
    shape = data.draw(strategies.shapes(min_side=0))
    x = np.ones(shape)
    np.sum(x, axis=data.draw(strategies.axes(x.ndim)))
    if x.ndim:
        np.sum(x, axis=data.draw(strategies.axes(x.ndim, several=False)))
    index = data.draw(strategies.indices(shape))
    again = decode_index(json.loads(json.dumps(encode_index(index))))
    np.testing.assert_array_equal(x[index], x[again])
    v = data.draw(strategies.cotangents(shape))
    assert v.shape == shape
    assert ((np.abs(v) >= 0.5) & (np.abs(v) <= 1.5)).all()


def test_elements_are_drawn_from_all_that_may_be():
    """Of few numbers, one of them avoided, each is drawn and none other; of many, those far out too."""
    few, many = set(), set()

    @settings(max_examples=20, derandomize=True, database=None)
    @given(
        strategies.arrays((20,), low=-0.01, high=0.01, avoid=[1 / 1024]),
        strategies.arrays((30,), low=-500.0, high=500.0),
    )
    def collect(x, wide):
        few.update(x.tolist())
        many.update(np.abs(wide).tolist())

    collect()
    assert few == {k / 256 + 1 / 1024 for k in (-2, -1, 1, 2)}
    assert 250 < max(many) <= 500


def test_arrays_shrink_to_the_element_next_to_zero():
    assert find(strategies.arrays((2, 2)), lambda x: True).tolist() == [[1 / 1024] * 2] * 2
    large = find(strategies.arrays((3,)), lambda x: np.abs(x).max() > 1)
    assert sorted(np.abs(large).tolist())[:2] == [1 / 1024] * 2


def test_indices_reach_the_last_axis_by_an_array():
    found = find(strategies.indices((2, 3, 2)), lambda i: isinstance(i, tuple) and len(i) == 2 and i[0] is ...)
    assert np.ones((2, 3, 2))[found].shape[:2] == (2, 3)
