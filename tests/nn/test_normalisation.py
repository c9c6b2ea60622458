"""Tests of the layers that normalise: what they keep in evaluation, what they refuse."""

import numpy as np
import pytest

from tests.helpers.training import same
from tinygrad_lm import Tensor, Value, models, nn
from tinygrad_lm.nn import functional as F
from tinygrad_lm.text import Vocabulary


def drawn(*shape):
    return np.random.default_rng(0).normal(size=shape)


class Normed(nn.Module, models.TrainableModel):
    """A model of one's own, with the means over all batches."""

    kind = "normed"

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary
        self.rows = nn.Embedding(len(vocabulary), len(vocabulary), rng=0)
        self.norm = nn.BatchNorm1d(len(vocabulary), momentum=None)

    def forward(self, tokens):
        rows = self.rows(tokens)
        return self.norm(rows.reshape(-1, rows.shape[-1])).reshape(rows.shape)


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

    def test_without_a_momentum_it_keeps_the_means_over_all_batches(self):
        layer, batches = nn.BatchNorm1d(3, momentum=None, dtype=np.float64), 4 * drawn(5, 8, 3) + 2
        for x in batches:
            layer(x)
        assert layer.num_batches_tracked == 5 and layer.num_batches_tracked.dtype == np.int64
        np.testing.assert_allclose(layer.running_mean, batches.mean(axis=(0, 1)), rtol=1e-12)
        np.testing.assert_allclose(layer.running_var, batches.var(axis=1, ddof=1).mean(axis=0), rtol=1e-12)
        layer.eval()(batches[0])
        assert layer.num_batches_tracked == 5

    def test_the_means_over_all_batches_go_on_from_a_state(self):
        layer, twin = (nn.BatchNorm1d(3, momentum=None) for _ in range(2))
        batches = drawn(6, 8, 3).astype(np.float32)
        for x in batches[:4]:
            layer(x)
        assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
        twin.load_state_dict(layer.state_dict())
        for x in batches[4:]:
            layer(x)
            twin(x)
        assert same(layer.state_dict(), twin.state_dict()) and twin.num_batches_tracked == 6
        with pytest.raises(ValueError, match="missing: 'num_batches_tracked'"):
            twin.load_state_dict(nn.BatchNorm1d(3).state_dict())

    @pytest.mark.usefixtures("families")
    def test_the_count_of_batches_is_in_the_files_of_models(self, tmp_path):
        model = models.register(Normed)(Vocabulary())
        examples = model.examples(["abid", "zeel"])
        for _ in range(3):
            model.loss(*examples.take(np.arange(2)))
        twin = models.load(model.save(tmp_path / "normed"))
        assert twin.norm.num_batches_tracked == 3 and same(twin.state_dict(), model.state_dict())

    def test_a_momentum_that_is_taken_away_begins_the_means_anew(self):
        layer, x = nn.BatchNorm1d(3, dtype=np.float64), drawn(8, 3)
        layer(5 * x)
        layer.momentum = None
        layer(x)
        np.testing.assert_allclose(layer.running_mean, x.mean(axis=0), rtol=1e-12)
        assert layer.num_batches_tracked == 1

    def test_the_count_in_pytorchs_states_is_left_out(self):
        net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, affine=False))
        given = {**net.state_dict(), "1.running_mean": np.arange(3.0), "1.num_batches_tracked": np.array(7)}
        net.load_state_dict(given)
        assert np.array_equal(net[1].running_mean, np.arange(3)) and "1.num_batches_tracked" not in net.state_dict()
        alone = nn.BatchNorm1d(3)
        alone.load_state_dict({**alone.state_dict(), "num_batches_tracked": np.array(7)})
        for more in ("0.num_batches_tracked", "num_batches_tracked", "1.batches"):
            with pytest.raises(ValueError, match=f"unknown: '{more}'"):
                net.load_state_dict({**given, more: np.array(7)})

    def test_without_running_statistics_those_of_the_batch_are_used_in_evaluation(self):
        layer, x = nn.BatchNorm1d(3, track_running_stats=False, dtype=np.float64), 4 * drawn(8, 3) + 2
        np.testing.assert_array_equal(layer(x).data, layer.eval()(x).data)
        assert list(layer.state_dict()) == ["weight", "bias"] and not list(layer.buffers())
        with pytest.raises(ValueError, match=r"of one row .* give more: there are no running statistics"):
            layer(x[:1])

    @pytest.mark.parametrize("training", [True, False])
    def test_without_a_bias(self, training):
        layer, whole = nn.BatchNorm1d(3, bias=False, dtype=np.float64), nn.BatchNorm1d(3, dtype=np.float64)
        x = Tensor(drawn(4, 3), requires_grad=True)
        for each in (layer, whole):
            each.weight.data = np.arange(1.0, 4)
            each(5 * x)
            each.train(training)
        np.testing.assert_array_equal(layer(x).data, whole(x).data)
        assert layer.num_parameters() == 3 and layer.bias is None
        weight = np.array([Value(number) for number in (1.0, 2.0, 3.0)])
        on_values = nn.functional_call(layer, {"weight": weight}, x.data)
        np.testing.assert_allclose([[v.data for v in row] for row in on_values], whole(x).data, rtol=1e-12)

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
        layer, whole, x = nn.LayerNorm(4, bias=False), nn.LayerNorm(4), drawn(3, 4).astype(np.float32)
        layer.weight.data = whole.weight.data = np.arange(4, dtype=np.float32)
        assert list(layer.state_dict()) == ["weight"] and layer.bias is None and layer.num_parameters() == 4
        assert np.array_equal(layer(x).data, whole(x).data) and layer(x).dtype == np.float32
        assert "4, no bias" in repr(layer) and "no" not in whole.extra_repr()

    @pytest.mark.parametrize("kind", [nn.LayerNorm, nn.RMSNorm])
    def test_the_size_as_a_shape(self, kind):
        for shape in ((4,), [4]):
            assert kind(shape).weight.shape == (4,) and kind(shape).normalized_shape == 4
        for shape in ((3, 4), [], (0,), "4", None):
            with pytest.raises(ValueError, match="normalized_shape"):
                kind(shape)

    def test_an_axis_of_another_size(self):
        with pytest.raises(ValueError, match=r"LayerNorm: the input's last axis must be 4"):
            nn.LayerNorm(4, elementwise_affine=False)(drawn(3, 5))


class TestRMSNorm:
    def test_the_function_takes_no_shape(self):
        for shape in (4, (4,), [4]):
            with pytest.raises(TypeError, match=r"without normalized_shape: \(x, weight, eps\)"):
                F.rms_norm(drawn(2, 4), shape)

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
