"""Tests of attention: masks, heads and their weights, the order of words, positions, refusals."""

import itertools

import numpy as np
import pytest

from tinygrad_lm import Tensor, nn
from tinygrad_lm.nn import functional as F
from tinygrad_lm.nn.attention import causal_mask
from tinygrad_lm.testing import check_gradients

DOUBLE = {"dtype": np.float64}


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class TestTheFunction:
    def test_it_is_the_formula_of_the_lecture(self):
        query, key, value = drawn(2, 3, 4), drawn(2, 5, 4, seed=1), drawn(2, 5, 6, seed=2)
        weights = softmax(query @ key.swapaxes(-1, -2) / np.sqrt(4))
        out = F.scaled_dot_product_attention(Tensor(query), Tensor(key), Tensor(value))
        np.testing.assert_allclose(out.data, weights @ value, rtol=1e-12)
        found = F.attention_weights(Tensor(query), Tensor(key)).data
        np.testing.assert_allclose(found, weights, rtol=1e-12)
        np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-12)

    def test_the_library_of_the_lecture(self):
        """Level 6: a query that fits "key" best looks there most."""
        scores = np.array([[0.8, 0.5, 0.1, 0.1]])
        weights = F.attention_weights(Tensor(scores), Tensor(np.eye(4)), scale=1.0).data
        np.testing.assert_allclose(weights, [[0.3638, 0.2695, 0.1834, 0.1834]], atol=2e-2)
        assert weights.argmax() == 0

    @pytest.mark.parametrize("seed", range(12))
    def test_a_change_behind_a_place_changes_nothing_there(self, seed):
        query, key, value = (drawn(2, 4, 3, seed=seed + i) for i in range(3))
        out = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        place = seed % 3
        key, value = key.copy(), value.copy()
        key[:, place + 1 :] += 5
        value[:, place + 1 :] -= 5
        other = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        np.testing.assert_allclose(out[:, : place + 1], other[:, : place + 1], rtol=1e-9, atol=1e-12)
        assert not np.allclose(out[:, place + 1 :], other[:, place + 1 :])

    def test_booleans_say_what_is_seen_and_numbers_are_added(self):
        query, key, value = drawn(2, 3, 4), drawn(2, 5, 4, seed=1), drawn(2, 5, 6, seed=2)
        seen = drawn(2, 3, 5, seed=3) > -0.5
        by_booleans = F.scaled_dot_product_attention(query, key, value, seen)
        by_numbers = F.scaled_dot_product_attention(query, key, value, np.where(seen, 0.0, -np.inf))
        np.testing.assert_allclose(by_booleans, by_numbers, rtol=1e-12)
        alone = F.scaled_dot_product_attention(query[:1, :1], key[:1, seen[0, 0]], value[:1, seen[0, 0]])
        np.testing.assert_allclose(by_booleans[0, 0], alone[0, 0], rtol=1e-12)

    def test_both_masks_count(self):
        query, key, value = drawn(2, 3, 4), drawn(2, 3, 4, seed=1), drawn(2, 3, 6, seed=2)
        padding = np.array([[[True, True, True]], [[True, False, True]]])
        both = F.scaled_dot_product_attention(query, key, value, padding, is_causal=True)
        joined = F.scaled_dot_product_attention(query, key, value, padding & np.tri(3, dtype=bool))
        added = F.scaled_dot_product_attention(query, key, value, np.where(padding, 0.0, -np.inf), is_causal=True)
        np.testing.assert_array_equal(both, joined)
        np.testing.assert_allclose(both, added, rtol=1e-12)

    def test_a_query_that_sees_nothing_gives_nothing(self):
        query = Tensor(drawn(2, 4), requires_grad=True)
        mask = np.array([[True, True, True], [False, False, False]])
        out = F.scaled_dot_product_attention(query, drawn(3, 4), drawn(3, 2), mask)
        assert not out.data[1].any() and out.data[0].all()
        out.sum().backward()
        assert np.isfinite(query.grad).all() and not query.grad[1].any()
        assert not F.attention_weights(query, drawn(3, 4), mask).data[1].any()

    def test_a_hidden_key_may_be_anything(self):
        """Also where its score alone would overflow."""
        key = np.array([[1.0], [1e6]])
        seen = np.array([[True, False]])
        query = Tensor([[700.0]], requires_grad=True)
        out = F.scaled_dot_product_attention(query, key, drawn(2, 2), seen, scale=1.0)
        out.sum().backward()
        np.testing.assert_array_equal(out.data[0], drawn(2, 2)[0])
        assert np.isfinite(query.grad).all()

    def test_a_learned_mask_has_a_gradient(self):
        query, key, value = drawn(2, 3), drawn(4, 3, seed=1), drawn(4, 2, seed=2)

        def biased(bias):
            return F.scaled_dot_product_attention(query, key, value, bias, is_causal=True)

        assert check_gradients(biased, drawn(2, 4, seed=3), order=2).worst_error < 1e-7
        constant = F.scaled_dot_product_attention(query, key, value, Tensor(drawn(2, 4, seed=3)), is_causal=True)
        np.testing.assert_allclose(constant, biased(Tensor(drawn(2, 4, seed=3), requires_grad=True)).data, rtol=1e-12)

    def test_leading_axes_broadcast(self):
        query, key, value = drawn(2, 3, 4, 5), drawn(3, 6, 5, seed=1), drawn(1, 1, 6, 2, seed=2)
        out = F.scaled_dot_product_attention(Tensor(query), Tensor(key), Tensor(value))
        assert out.shape == (2, 3, 4, 2)
        one = F.scaled_dot_product_attention(query[1, 2], key[2], value[0, 0])
        np.testing.assert_allclose(out.data[1, 2], one, rtol=1e-12)

    def test_dropout_drops_weights_and_keeps_their_mean(self):
        query, key, value = np.zeros((4000, 1, 2)), np.zeros((4000, 4, 2)), np.ones((4000, 4, 1))
        out = F.scaled_dot_product_attention(query, key, value, dropout_p=0.5, rng=0)
        assert abs(out.mean() - 1) < 0.05 and set(np.round(out.ravel(), 6)) == {0.0, 0.5, 1.0, 1.5, 2.0}
        again = F.scaled_dot_product_attention(query, key, value, dropout_p=0.5, rng=0)
        np.testing.assert_array_equal(out, again)

    @pytest.mark.parametrize(
        ("mask", "error", "words"),
        [
            (np.ones((2, 3), int), TypeError, "of booleans, true where a key is seen"),
            (np.ones((3, 2), bool), ValueError, r"must broadcast to the scores .*, \(2, 3\), not \(3, 2\)"),
            (np.ones((1, 2, 3), bool), ValueError, "must broadcast"),
        ],
    )
    def test_masks_that_are_none(self, mask, error, words):
        with pytest.raises(error, match=words):
            F.scaled_dot_product_attention(drawn(2, 4), drawn(3, 4), drawn(3, 4), mask)

    def test_whole_numbers_and_rows_of_no_width(self):
        rows = np.arange(12).reshape(3, 4)
        wanted = F.scaled_dot_product_attention(*[rows.astype(float)] * 3, is_causal=True)
        np.testing.assert_array_equal(F.scaled_dot_product_attention(*[rows] * 3, is_causal=True), wanted)
        nothing, value = np.ones((3, 0)), drawn(3, 4)
        mean = np.tile(value.mean(axis=0), (3, 1))
        np.testing.assert_allclose(F.scaled_dot_product_attention(nothing, nothing, value), mean, rtol=1e-12)
        np.testing.assert_allclose(F.attention_weights(nothing, nothing), 1 / 3)

    def test_shapes_that_do_not_fit(self):
        with pytest.raises(ValueError, match=r"a query \(..., length, width\), keys"):
            F.scaled_dot_product_attention(drawn(2, 4), drawn(3, 5), drawn(3, 4))
        with pytest.raises(ValueError, match=r"not \(2, 2, 4\), \(3, 2, 4\) and \(2, 2, 4\)"):
            F.scaled_dot_product_attention(drawn(2, 2, 4), drawn(3, 2, 4), drawn(2, 2, 4))

    def test_the_causal_mask_is_shared_and_cannot_be_written(self):
        assert causal_mask(3) is causal_mask(3)
        with pytest.raises(ValueError, match="read-only"):
            causal_mask(3)[0, 0] = False


class TestManyHeads:
    def test_what_is_fifth_in_pytorch_is_not_taken_for_batch_first(self):
        with pytest.raises(TypeError, match="positional"):
            nn.MultiheadAttention(4, 2, 0.0, True, True)

    def test_fused_and_with_weights_are_the_same(self):
        layer = nn.MultiheadAttention(6, 3, rng=0, **DOUBLE)
        x, y = drawn(4, 2, 6), drawn(5, 2, 6, seed=1)
        out, weights = layer(x, y, y)
        fused, nothing = layer(x, y, y, need_weights=False)
        np.testing.assert_allclose(out.data, fused.data, rtol=1e-10)
        assert nothing is None and weights.shape == (2, 4, 5)
        np.testing.assert_allclose(weights.data.sum(axis=-1), 1, rtol=1e-12)
        _, each = layer(x, y, y, average_attn_weights=False)
        np.testing.assert_allclose(each.data.mean(axis=1), weights.data, rtol=1e-12)

    @pytest.mark.parametrize("need_weights", [True, False])
    def test_self_attention_takes_one_product_and_gives_the_same(self, need_weights):
        layer = nn.MultiheadAttention(4, 2, bias=False, batch_first=True, rng=0, **DOUBLE)
        x = drawn(2, 3, 4)
        together = layer(x, x, x, need_weights=need_weights, is_causal=True)[0].data
        apart = layer(x, x.copy(), x.copy(), need_weights=need_weights, is_causal=True)[0].data
        np.testing.assert_allclose(together, apart, rtol=1e-10)
        single = layer(x[0], x[0], x[0], need_weights=need_weights, is_causal=True)[0].data
        np.testing.assert_allclose(single, together[0], rtol=1e-10)

    def test_padding_is_not_seen(self):
        layer = nn.MultiheadAttention(4, 2, batch_first=True, rng=0, **DOUBLE)
        x = drawn(2, 3, 4)
        padding = np.array([[False, False, True], [False, False, False]])
        for need_weights in (True, False):
            out = layer(x, x, x, key_padding_mask=padding, need_weights=need_weights)[0].data
            short = layer(x[:1, :2], x[:1, :2], x[:1, :2], need_weights=need_weights)[0].data
            np.testing.assert_allclose(out[:1, :2], short, rtol=1e-10)

    def test_a_mask_for_each_head(self):
        layer, x = nn.MultiheadAttention(4, 2, batch_first=True, rng=0, **DOUBLE), drawn(2, 3, 4)
        hidden = drawn(4, 3, 3, seed=5) > 0.8
        by_booleans = layer(x, x, x, attn_mask=hidden, average_attn_weights=False)
        by_numbers = layer(x, x, x, attn_mask=np.where(hidden, -np.inf, 0.0), need_weights=False)
        np.testing.assert_allclose(by_booleans[0].data, by_numbers[0].data, rtol=1e-10)
        assert not by_booleans[1].data.reshape(4, 3, 3)[hidden].any()

    def test_dropout_in_training_alone(self):
        layer, x = nn.MultiheadAttention(4, 2, dropout=0.5, rng=0, **DOUBLE), drawn(3, 2, 4)
        still = layer.eval()(x, x, x)[0].data
        for need_weights in (True, False):
            np.testing.assert_allclose(layer(x, x, x, need_weights=need_weights)[0].data, still, rtol=1e-10)
            assert not np.allclose(layer.train()(x, x, x, need_weights=need_weights)[0].data, still)
            layer.eval()

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda: nn.MultiheadAttention(5, 2), "embed_dim 5 is not divided by num_heads 2"),
            (lambda: nn.MultiheadAttention(4, 2, dropout=1.0), "from 0 to below 1, not 1.0"),
            (
                lambda: nn.MultiheadAttention(4, 2)(drawn(3, 2, 5), drawn(3, 2, 4), drawn(3, 2, 4)),
                "the query must have 4",
            ),
            (
                lambda: nn.MultiheadAttention(4, 2)(*[drawn(3, 2, 4)] * 3, key_padding_mask=np.zeros((3, 2), bool)),
                r"key_padding_mask is of booleans \(n, source\), \(2, 3\)",
            ),
            (
                lambda: nn.MultiheadAttention(4, 2)(*[drawn(3, 2, 4)] * 3, attn_mask=np.zeros((2, 3, 3), bool)),
                r"attn_mask of three axes is \(n \* num_heads, length, source\), with 4 first, not \(2, 3, 3\)",
            ),
            (
                lambda: nn.MultiheadAttention(4, 2)(drawn(3, 2, 4), drawn(3, 2, 4), drawn(5, 2, 4)),
                r"each key has a value, but they are \(n, source, width\) \(2, 3, 4\) and \(2, 5, 4\)",
            ),
        ],
    )
    def test_refusals(self, call, words):
        with pytest.raises(ValueError, match=words):
            call()


class TestPlaces:
    def test_dog_bites_man(self):
        """Level 6: without positions, another order of the words gives the same words' outputs in that order."""
        layer, words = nn.MultiheadAttention(8, 2, batch_first=True, rng=0, **DOUBLE), drawn(1, 3, 8)
        out = layer(words, words, words)[0].data
        for order in itertools.permutations(range(3)):
            mixed = words[:, list(order)]
            np.testing.assert_allclose(layer(mixed, mixed, mixed)[0].data, out[:, list(order)], rtol=1e-9)
        places = nn.sinusoidal_positions(3, 8, np.float64)
        told, other = words + places, words[:, ::-1] + places
        assert not np.allclose(layer(other, other, other)[0].data[:, ::-1], layer(told, told, told)[0].data)

    def test_the_sinusoids_of_the_lecture(self):
        table = nn.sinusoidal_positions(50, 6, np.float64)
        for place, pair in itertools.product((0, 1, 7, 49), range(3)):
            angle = place / 10_000 ** (2 * pair / 6)
            np.testing.assert_allclose(table[place, 2 * pair : 2 * pair + 2], [np.sin(angle), np.cos(angle)])
        assert nn.sinusoidal_positions(4, 3).shape == (4, 3)
        assert nn.sinusoidal_positions(4, 3).dtype == np.float32

    def test_rotary_products_tell_the_distance_alone(self):
        query, key = drawn(6), drawn(6, seed=1)
        queries, keys = (nn.rotary(np.tile(x, (9, 1))) for x in (query, key))
        products = queries @ keys.T
        for distance in range(9):
            along = np.diagonal(products, -distance)
            np.testing.assert_allclose(along, along[0], rtol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(queries, axis=1), np.linalg.norm(query), rtol=1e-12)
        np.testing.assert_allclose(nn.rotary(np.tile(query, (4, 1)), first=5), queries[5:9], rtol=1e-12)
        with pytest.raises(ValueError, match=r"of an even width, not \(2, 3\)"):
            nn.rotary(drawn(2, 3))
        with pytest.raises(ValueError, match=r"rows \(..., length, width\) of an even width, not \(4,\)"):
            nn.rotary(drawn(4))

    @pytest.mark.parametrize("dtype", [int, np.uint8, bool])
    def test_rotary_of_whole_numbers_is_of_fractions(self, dtype):
        np.testing.assert_array_equal(nn.rotary(np.ones((3, 4), dtype)), nn.rotary(np.ones((3, 4))))
