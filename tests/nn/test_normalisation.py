"""Tests of the layers that normalise: what they keep in evaluation, what they refuse."""

import numpy as np
import pytest

from tinygrad_lm import Tensor, nn
from tinygrad_lm.nn import functional as F


def drawn(*shape):
    return np.random.default_rng(0).normal(size=shape)


class TestBatchNorm:
    def test_it_follows_the_batches_and_uses_what_it_kept(self):
        layer, x = nn.BatchNorm1d(3, momentum=0.5, dtype=np.float64), 4 * drawn(8, 3) + 2
        np.testing.assert_allclose(layer(x).data.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(layer.running_mean, 0.5 * x.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(layer.running_var, 0.5 + 0.5 * x.var(axis=0, ddof=1), rtol=1e-12)
        kept = layer.running_mean.copy()
        out = layer.eval()(x[:1]).data
        np.testing.assert_allclose(out, (x[:1] - kept) / np.sqrt(layer.running_var + 1e-5), rtol=1e-12)
        assert np.array_equal(layer.running_mean, kept)

    def test_the_kept_numbers_are_saved(self):
        layer = nn.BatchNorm1d(3)
        layer(drawn(5, 3).astype(np.float32))
        twin = nn.BatchNorm1d(3)
        twin.load_state_dict(layer.state_dict())
        assert np.array_equal(twin.running_var, layer.running_var) and layer.running_var.dtype == np.float32
        assert set(layer.state_dict()) == {"weight", "bias", "running_mean", "running_var"}
        assert set(nn.BatchNorm1d(3, affine=False).state_dict()) == {"running_mean", "running_var"}

    def test_without_momentum_it_keeps_the_mean_of_all_batches(self):
        layer, batches = nn.BatchNorm1d(3, momentum=None, dtype=np.float64), drawn(3, 5, 3)
        for x in batches[:2]:
            layer(x)
        twin = nn.BatchNorm1d(3, momentum=None, dtype=np.float64)
        twin.load_state_dict(layer.state_dict())
        for one in (layer, twin):
            one(batches[2])
            np.testing.assert_allclose(one.running_mean, batches.mean(axis=(0, 1)), rtol=1e-12)
            np.testing.assert_allclose(one.running_var, batches.var(axis=1, ddof=1).mean(axis=0), rtol=1e-12)
            assert one.num_batches_tracked == 3

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda: nn.BatchNorm1d(3)(drawn(1, 3)), "of one row there is no variance"),
            (lambda: nn.BatchNorm1d(3)(drawn(4, 2)), r"takes \(n, 3\) or \(n, 3, length\), not \(4, 2\)"),
            (lambda: nn.BatchNorm1d(3)(drawn(3)), "BatchNorm1d takes"),
            (lambda: nn.BatchNorm1d(3, momentum=2), "momentum is a number from 0 to 1, or None for .*, not 2"),
        ],
    )
    def test_refusals(self, call, words):
        with pytest.raises(ValueError, match=words):
            call()


class TestLayerNorm:
    def test_without_weights(self):
        layer, x = nn.LayerNorm(4, elementwise_affine=False), drawn(3, 4)
        np.testing.assert_allclose(layer(x), nn.LayerNorm(4, dtype=np.float64)(x).data, rtol=1e-12)
        assert layer.num_parameters() == 0 and "no weight" in repr(layer)
        weight = np.arange(4.0)
        np.testing.assert_allclose(F.layer_norm(x, weight), F.layer_norm(x, weight, np.zeros(4)))

    def test_without_a_bias(self):
        layer, x = nn.LayerNorm(4, bias=False, dtype=np.float64), drawn(3, 4)
        assert set(layer.state_dict()) == {"weight"} and "no bias" in repr(layer)
        layer.weight.data = np.arange(4.0)
        np.testing.assert_allclose(layer(x).data, F.layer_norm(x, np.arange(4.0)), rtol=1e-12)
        assert nn.LayerNorm(4, elementwise_affine=False, bias=True).bias is None

    def test_an_axis_of_another_size(self):
        with pytest.raises(ValueError, match=r"LayerNorm: the input's last axis must be 4"):
            nn.LayerNorm(4, elementwise_affine=False)(drawn(3, 5))


class TestRMSNorm:
    def test_the_mean_square_of_a_row_is_one(self):
        out = nn.RMSNorm(4, dtype=np.float64)(5 * drawn(3, 4)).data
        np.testing.assert_allclose((out**2).mean(axis=1), 1, rtol=1e-12)
        assert nn.RMSNorm(4, elementwise_affine=False).num_parameters() == 0

    def test_the_squares_of_small_integers_do_not_wrap_around(self):
        np.testing.assert_allclose(F.rms_norm(np.array([[100, -100]], np.int8)), [[1, -1]])
        np.testing.assert_allclose(F.rms_norm(Tensor(np.array([[3, 4]]))).data, F.rms_norm(np.array([[3.0, 4.0]])))

    @pytest.mark.parametrize(
        "call", [lambda: nn.RMSNorm(4)(drawn(3)), lambda: F.rms_norm(drawn(2, 3), np.ones(2)), lambda: nn.RMSNorm(0)]
    )
    def test_refusals(self, call):
        with pytest.raises(ValueError, match=r"last axis|normalized_shape"):
            call()
