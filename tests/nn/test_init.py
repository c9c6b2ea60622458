"""Tests of tinygrad_lm.nn.init: statistics, seeds, names and refusals, and how the layers start."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lm import Tensor, nn
from tinygrad_lm.nn import init

OUT, IN = 300, 100
# The published formulas with fan in 100 and fan out 300 (PyTorch's calculate_gain: 1, 1, 5/3, sqrt(2)):
# Kaiming gain / sqrt(fan in), Xavier gain * sqrt(2 / (fan in + fan out)); uniform within sqrt(3) of that.
GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": 1.4142135623730951}
SPREADS = {"kaiming": 1 / math.sqrt(IN), "xavier": math.sqrt(2 / (IN + OUT))}
RANDOM = ["kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform", "normal", "uniform"]
every_random = pytest.mark.parametrize("name", RANDOM)


def matrix(dtype=np.float64, shape=(OUT, IN)):
    return Tensor(np.full(shape, np.nan), requires_grad=True, dtype=dtype)


def is_normal(values, mean, std):
    """The moments of 30,000 draws and the share of outliers are within five standard errors."""
    n, scaled = values.size, (values.ravel() - mean) / std
    assert abs(scaled.mean()) < 5 / math.sqrt(n)
    assert abs(scaled.std() - 1) < 5 / math.sqrt(2 * n)
    assert abs((scaled**4).mean() - 3) < 5 * math.sqrt(96 / n)
    beyond = math.erfc(2 / math.sqrt(2))
    assert abs((np.abs(scaled) > 2).mean() - beyond) < 5 * math.sqrt(beyond / n)


def is_uniform(values, low, high):
    """Every draw is within the bounds, each twentieth of the range holds its share."""
    n = values.size
    assert low <= values.min() < low + (high - low) * 20 / n
    assert high - (high - low) * 20 / n < values.max() <= high
    counts, _ = np.histogram(values, 20, (low, high))
    assert np.abs(counts / n - 1 / 20).max() < 5 * math.sqrt(1 / 20 / n)


class TestStatistics:
    @pytest.mark.parametrize("gain", GAINS)
    @pytest.mark.parametrize("family", SPREADS)
    def test_kaiming_and_xavier(self, family, gain):
        std = GAINS[gain] * SPREADS[family]
        is_normal(init.by_name(f"{family}_normal")(matrix(), gain, rng=0).data, 0, std)
        is_uniform(init.by_name(f"{family}_uniform")(matrix(), gain, rng=0).data, -std * 3**0.5, std * 3**0.5)

    def test_defaults_are_relu_for_kaiming_and_linear_for_xavier(self):
        for name, gain in (("kaiming", "relu"), ("xavier", "linear")):
            for kind in ("normal", "uniform"):
                fill = init.by_name(f"{name}_{kind}")
                np.testing.assert_array_equal(fill(matrix(), rng=3).data, fill(matrix(), gain, rng=3).data)

    def test_normal_and_uniform(self):
        is_normal(init.normal_(matrix(), rng=1).data, 0, 1)
        is_normal(init.normal_(matrix(), -3.0, 0.5, rng=1).data, -3, 0.5)
        is_uniform(init.uniform_(matrix(), rng=1).data, 0, 1)
        is_uniform(init.uniform_(matrix(), -2.0, 5.0, rng=1).data, -2, 5)

    def test_signals_keep_their_size(self):
        """Through ten tanh layers with Kaiming's rule the spread neither dies out nor saturates."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(500, 200))
        for _ in range(10):
            x = np.tanh(x @ init.kaiming_normal_(matrix(shape=(200, 200)), "tanh", rng=rng).data.T)
        assert 0.5 < x.std() < 0.8

    def test_constants(self):
        for fill, value in ((init.zeros_, 0), (init.ones_, 1), (lambda t: init.constant_(t, -2.5), -2.5)):
            np.testing.assert_array_equal(fill(matrix(shape=(2, 3))).data, np.full((2, 3), value))

    def test_gains(self):
        assert {name: init.gain(name) for name in GAINS} == GAINS
        assert set(init.GAINS) == {*GAINS, "gelu", "silu"}


class TestSeeds:
    def test_the_numbers_of_a_seed_are_those_of_numpys_generator(self):
        """float64 draws of PCG64, rounded to the tensor's dtype; the bound or the spread is applied by NumPy."""
        draws = np.random.Generator(np.random.PCG64(0)).normal(0.0, 1 / math.sqrt(5), (4, 5))
        t = init.kaiming_normal_(matrix(np.float32, (4, 5)), "linear", rng=0)
        np.testing.assert_array_equal(t.data, draws.astype(np.float32))
        bound = math.sqrt(6 / 9)
        draws = np.random.Generator(np.random.PCG64(7)).uniform(-bound, bound, (4, 5))
        np.testing.assert_array_equal(init.xavier_uniform_(matrix(shape=(4, 5)), rng=7).data, draws)

    @every_random
    @given(st.integers(0, 2**64), st.sampled_from([np.float32, np.float64, np.float16]))
    def test_a_seed_says_it_all(self, name, seed, dtype):
        fill = init.by_name(name)
        one, two = fill(matrix(dtype, (3, 4)), rng=seed), fill(matrix(dtype, (3, 4)), rng=np.random.default_rng(seed))
        assert one.data.tobytes() == two.data.tobytes()
        assert one.dtype == dtype
        assert one.data.tobytes() != fill(matrix(dtype, (3, 4)), rng=seed + 1).data.tobytes()

    @every_random
    def test_a_generator_moves_on_and_global_state_plays_no_part(self, name):
        rng = np.random.default_rng(5)
        fill = init.by_name(name)
        first, second = (fill(matrix(shape=(3, 4)), rng=rng).data for _ in range(2))
        assert not np.array_equal(first, second)
        state = np.random.get_state()[1].tobytes()  # noqa: NPY002
        np.testing.assert_array_equal(fill(matrix(shape=(3, 4)), rng=np.int64(5)).data, first)
        assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002

    def test_seed_zero_is_a_seed(self):
        assert init.as_generator(0).random() == np.random.Generator(np.random.PCG64(0)).random()
        assert nn.Linear(3, 2, rng=0).weight.data.tobytes() == nn.Linear(3, 2, rng=0).weight.data.tobytes()

    @pytest.mark.parametrize("rng", [-1, True, False, 1.0, "0", np.bool_(True), np.random.PCG64(0)])
    def test_what_is_no_generator_is_refused(self, rng):
        for call in (init.as_generator, lambda r: init.normal_(matrix(), rng=r), lambda r: nn.Linear(2, 2, rng=r)):
            with pytest.raises(
                TypeError, match=r"rng is a numpy\.random\.Generator or a seed \(an integer from 0\), not"
            ):
                call(rng)


class TestFilling:
    @pytest.mark.parametrize("name", init.INITIALIZERS)
    def test_the_same_tensor_comes_back_filled(self, name):
        t = matrix(np.float32)
        options = {} if name in ("zeros", "ones") else {"rng": 0}
        assert init.by_name(name)(t, **options) is t
        assert t.is_leaf
        assert t.requires_grad
        assert t.dtype == np.float32
        assert t.shape == (OUT, IN)
        assert np.isfinite(t.data).all()
        assert t.data.flags.writeable

    def test_a_graph_that_used_the_old_numbers_is_stale(self):
        t = Tensor([[1.0]], requires_grad=True)
        y = t * t
        init.ones_(t)
        with pytest.raises(RuntimeError, match="modified after the forward pass"):
            y.backward()

    def test_scalars_and_vectors(self):
        assert init.normal_(Tensor(0.0), rng=0).shape == ()
        assert init.uniform_(Tensor(np.zeros((0, 3))), rng=0).shape == (0, 3)

    def test_unknown_names(self):
        with pytest.raises(
            ValueError, match=r"no initialisation is called 'he'; choose one of kaiming_normal, .*, ones"
        ):
            init.by_name("he")
        with pytest.raises(
            ValueError, match=r"no gain is known for 'swish'; choose one of linear, sigmoid, tanh, relu"
        ):
            init.kaiming_normal_(matrix(), "swish", rng=0)

    @pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
    @pytest.mark.parametrize("name", RANDOM[:4])
    def test_fans_need_a_matrix(self, name, shape):
        with pytest.raises(ValueError, match=r"need a matrix \(out, in\), not shape \("):
            init.by_name(name)(matrix(shape=shape), rng=0)


class TestLayersStart:
    def test_linear_is_uniform_within_one_over_root_in(self):
        layer = nn.Linear(IN, OUT, rng=0)
        is_uniform(layer.weight.data, -0.1, 0.1)
        bias = nn.Linear(4, 30_000, rng=0).bias.data
        is_uniform(bias, -0.5, 0.5)

    def test_embedding_is_normal(self):
        is_normal(nn.Embedding(IN, OUT, rng=0).weight.data, 0, 1)

    def test_layer_norm_is_the_identity_map(self):
        layer = nn.LayerNorm(3)
        np.testing.assert_array_equal(layer.weight.data, [1, 1, 1])
        np.testing.assert_array_equal(layer.bias.data, [0, 0, 0])

    def test_one_generator_through_several_layers(self):
        rng = np.random.default_rng(0)
        one, two = nn.Linear(3, 3, rng=rng), nn.Linear(3, 3, rng=rng)
        assert not np.array_equal(one.weight.data, two.weight.data)
        assert not np.array_equal(one.weight.data[0], one.bias.data)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_dtypes(self, dtype):
        layers = [nn.Linear(2, 3, rng=0, dtype=dtype), nn.Embedding(2, 3, rng=0, dtype=dtype)]
        for module in (*layers, nn.LayerNorm(3, dtype=dtype)):
            assert {p.dtype for p in module.parameters()} == {np.dtype(dtype)}
        assert {p.dtype for p in nn.Linear(2, 3, rng=0).parameters()} == {np.dtype(np.float32)}

    @pytest.mark.parametrize("size", [0, -1, 2.0, True, "3", None])
    def test_sizes(self, size):
        calls = {
            "in_features": lambda: nn.Linear(size, 2, rng=0),
            "out_features": lambda: nn.Linear(2, size, rng=0),
            "num_embeddings": lambda: nn.Embedding(size, 2, rng=0),
            "embedding_dim": lambda: nn.Embedding(2, size, rng=0),
            "normalized_shape": lambda: nn.LayerNorm(size),
        }
        for what, call in calls.items():
            with pytest.raises(ValueError, match=f"{what} must be a whole number from 1, not {size!r}"):
                call()

    def test_integers_are_no_parameters(self):
        with pytest.raises(TypeError, match="only floating-point tensors have gradients"):
            nn.Linear(2, 3, rng=0, dtype=int)
