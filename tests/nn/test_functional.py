"""Tests of tinygrad_lm.nn.functional: PyTorch's numbers, both engines, dtypes, ids, dropout, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.oracles import ENGINES, agree, probe
from tests.helpers.refusing import refuses
from tinygrad_lm import Tensor, grad, nn
from tinygrad_lm.autograd import data_of, grad_of, rules, to_values
from tinygrad_lm.nn import functional as F

SEEDS = st.integers(0, 2**32)
X = [-3.0, -0.5, 0.0, 0.25, 2.0]
V = [1.0, -2.0, 0.5, 3.0, -0.25]

# Written down from PyTorch 2.13.0 in float64 at x = X: f(x), the gradient s of sum(V * f(x)), that of sum(V * s).
# relu max(x, 0); sigmoid 1 / (1 + exp(-x)); gelu x * Phi(x), gelu_tanh 0.5 x (1 + tanh(sqrt(2/pi)(x + 0.044715 x^3)));
# silu x * sigmoid(x); softplus log(1 + exp(x)); softmax exp(x) / sum(exp(x)), and its logarithm.
NUMBERS = {
    "relu": """0 0 0 0.25 2.0
0 0 0 3.0 -0.25
0 0 0 0 0""",
    "tanh": """-0.9950547536867305 -0.46211715726000974 0 0.24491866240370913 0.9640275800758169
0.009866037165440166 -1.5728954659318548 0.5 2.820044546419134 -0.017662706213291107
0.019634494363042387 2.907447925534349 0 -4.1440892293670935 -0.00851366796419456""",
    "sigmoid": """0.04742587317756678 0.3775406687981454 0.5 0.5621765008857981 0.8807970779778823
0.04517665973091214 -0.470007424403189 0.125 0.7384022482127951 -0.026248396350876654
0.040891574660943474 0.230227179409283 0 -0.2754676082404688 -0.00499765631600957""",
    "gelu": """-0.00404969409489031 -0.15426876936299344 0 0.14967658142073093 1.9544997361036416
-0.01194564720418392 -0.26500975068767424 0.25 2.086120064650908 -0.27130795026954924
-0.031022938883566054 2.4644572873500965 0.19947114020071635 6.742525286749684 -0.006748870814148508""",
    "gelu_tanh": """-0.0036373920817729943 -0.15428599017485606 0 0.149675350701685 1.954597694087775
-0.011584166630969648 -0.2652601929307153 0.25 2.086062285453181 -0.27152481415590457
-0.03176765888607492 2.46202758046394 0.19947114020071635 6.740537528012854 -0.006742192496942403""",
    "silu": """-0.14227761953270035 -0.1887703343990727 0 0.14054412522144952 1.7615941559557646
-0.08810410601516962 -0.5200776253946964 0.25 1.871130064710593 -0.2726960621962239
-0.032321404521006174 1.7649161079081146 0.125 4.361546587216653 0.003128885543419188""",
    "softplus": """0.04858735157374206 0.4740769841801067 0.6931471805599453 0.8259394198788436 2.1269280110429727
0.04742587317756679 -0.7550813375962909 0.25 1.6865295026573943 -0.2201992694944706
0.04517665973091214 0.940014848806378 0.0625 2.215206744638385 0.006562099087719164""",
    "softmax": """0.004819938429452701 0.058718870807770114 0.0968110512922634 0.12430785047552681 0.7153422889949869
0.00419394554407616 -0.12506389616108327 0.03583212243324841 0.356778982126975 -0.27174115394321624
-0.003149317593854073 0.18354699712910416 -0.12329062007051478 0.8486625553530994 -0.9057696148178347""",
    "log_softmax": """-5.334994124973685 -2.8349941249736847 -2.3349941249736847 -2.0849941249736847 -0.3349941249736847
0.9891551385337314 -2.1321174593174828 0.2821751345924074 2.7203073364300647 -1.8595201502387204
-0.00943637747417136 0.28139376636243735 -0.08062227547480891 -0.8027527097856938 0.6114175963722366""",
}
FUNCTIONS = {name: getattr(F, name) for name in NUMBERS if name != "gelu_tanh"}
FUNCTIONS["gelu_tanh"] = lambda x: F.gelu(x, "tanh")
LAYERS = {
    "relu": nn.ReLU(),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU("tanh"),
    "silu": nn.SiLU(),
    "softplus": nn.Softplus(),
}
ROWS = [[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]]


def leaf(x):
    return Tensor(np.array(x, float), requires_grad=True)


class TestPyTorchsNumbers:
    @pytest.mark.parametrize("call", [*FUNCTIONS.items(), *LAYERS.items()], ids=lambda c: f"{c[0]}-{c[1]!r:.20}")
    def test_of_each_element(self, call):
        name, function = call
        value, first, second = np.array(NUMBERS[name].split(), float).reshape(3, 5)
        x, v = leaf(X), Tensor(V)
        y = function(x)
        slope = grad(y, x, grad_outputs=v, create_graph=True)
        agree(y.data, value, name, rtol=1e-12, atol=1e-15)
        agree(slope.data, first, f"{name}'", rtol=1e-12, atol=1e-15)
        agree(grad(slope, x, grad_outputs=v).data, second, f"{name}''", rtol=1e-11, atol=1e-15)
        y.backward(v)
        agree(x.grad, first, f"backward of {name}", rtol=1e-12, atol=1e-15)

    def check(self, call, layer, inputs, cotangent, value, gradients):
        """By the function and by the layer with these weights; the numbers are PyTorch 2.13.0's in float64."""
        names = dict(layer.named_parameters())
        for spelling in ("function", "layer"):
            leaves = [leaf(x) for x in inputs]
            if spelling == "function":
                y = call(*leaves)
            else:
                plain, leaves = leaves[: len(leaves) - len(names)], leaves[len(leaves) - len(names) :]
                layer.load_state_dict(dict(zip(names, leaves, strict=True)))
                y = layer(*plain)
                layer.zero_grad()
                leaves = [*plain, *names.values()]
            y.backward(np.array(cotangent))
            agree(y.data, np.array(value), spelling, rtol=1e-14, atol=1e-15)
            for x, wanted in zip(leaves, gradients, strict=True):
                agree(x.grad, np.array(wanted), f"gradient of the {spelling}", rtol=1e-13, atol=1e-15)

    def test_linear(self):
        """y = x W' + b."""
        weight = [[0.1, 0.2, -0.3], [1.5, -0.5, 0.25]]
        self.check(
            F.linear,
            nn.Linear(3, 2, rng=0, dtype=np.float64),
            [ROWS, weight, [0.05, -0.1]],
            [[1.0, -2.0], [0.5, 3.0]],
            [[-0.4, 2.525], [0.95, -1.85]],
            [[[-2.9, 1.2, -0.8], [4.55, -1.4, 0.6]], [[1.0, -0.5, 0.0], [-2.0, 13.0, -4.0]], [1.5, 1.0]],
        )

    def test_embedding(self):
        """Row 2 is used three times, and its gradients add up; row 1 never."""
        ids = np.array([[2, 0], [2, 2]])
        layer = nn.Embedding(3, 2, rng=0, dtype=np.float64)
        layer.forward = lambda: F.embedding(ids, layer.weight)
        self.check(
            lambda weight: F.embedding(ids, weight),
            layer,
            [[[0.1, -0.2], [1.0, 2.0], [-3.0, 0.5]]],
            [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]],
            [[[-3.0, 0.5], [0.1, -0.2]], [[-3.0, 0.5], [-3.0, 0.5]]],
            [[[3.0, 4.0], [0.0, 0.0], [13.0, 16.0]]],
        )

    def test_cross_entropy(self):
        """The mean over rows of logsumexp(z) - z[target]."""
        loss, targets = nn.CrossEntropyLoss(), np.array([2, 0])
        loss.forward = lambda z: F.cross_entropy(z, Tensor(targets))
        slopes = [
            [0.3018744480743129, 0.015029443784787011, -0.3169038918590999],
            [-0.47669368871101303, 0.4681197759382529, 0.008573912772760194],
        ]
        self.check(lambda z: F.cross_entropy(z, targets), loss, [ROWS], 1.0, 2.0352404030498565, [slopes])

    def test_layer_norm(self):
        """(x - mean) / sqrt(variance + 1e-5) * w + b."""
        value = [
            [1.3834974620633755, 0.5984986706046251, 2.12699975829175],
            [-0.5383473871218786, -0.7864052849755251, 1.754855255365884],
        ]
        slopes = [
            [0.47624909359406264, 0.09524981871881266, -0.571498912312875],
            [0.33943170707802217, -0.08485962391955523, -0.2545720831584669],
        ]
        weight, bias = [0.7909404101886037, 6.912426392271652, 1.2345784951199645], [1.25, 1.0, -0.5]
        inputs = [ROWS, [1.5, -0.5, 0.25], [0.05, -0.1, 2.0]]
        layer = nn.LayerNorm(3, dtype=np.float64)
        cotangent = [[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]]
        self.check(F.layer_norm, layer, inputs, cotangent, value, [slopes, weight, bias])

    def test_mse_loss(self):
        """mean((x - y)^2)."""
        x = leaf(ROWS[0])
        loss = F.mse_loss(x, np.array([0.0, 1.0, 0.25]))
        loss.backward()
        agree(loss.data, 3.3541666666666665, "value", rtol=1e-15, atol=0)
        agree(x.grad, [0.6666666666666666, -2.0, 0.16666666666666666], "gradient", rtol=1e-15, atol=0)

    def test_cross_entropy_of_extreme_logits(self):
        z = leaf([[1000.0, -1000.0]])
        loss = F.cross_entropy(z, [1])
        loss.backward()
        assert loss.item() == 2000
        np.testing.assert_array_equal(z.grad, [[1, -1]])
        assert F.cross_entropy(leaf(np.zeros((5, 27))), [3] * 5).item() == pytest.approx(math.log(27), rel=1e-15)


IDS = {
    "embedding ids": lambda ids, size: F.embedding(ids, Tensor(np.ones((size, 2)))),
    "targets": lambda ids, size: F.cross_entropy(Tensor(np.ones((len(ids), size))), ids),
    "ids": F.one_hot,
}


@pytest.mark.parametrize("what", IDS)
class TestIds:
    @pytest.mark.parametrize(
        ("ids", "message"),
        [
            ([0, -1, 2], ": -1 at position (1,) is outside 0 to 2"),
            ([0, 1, 3], ": 3 at position (2,) is outside 0 to 2"),
            ([-(2**63), 0], ": -9223372036854775808 at position (0,) is outside 0 to 2"),
            (np.array([0, 255], np.uint8), ": 255 at position (1,) is outside 0 to 2"),
            (np.array([-1, 0], np.int8), ": -1 at position (0,) is outside 0 to 2"),
            (np.array([1, 5], ">i4"), ": 5 at position (1,) is outside 0 to 2"),
            (Tensor([7]), ": 7 at position (0,) is outside 0 to 2"),
        ],
    )
    def test_out_of_range(self, what, ids, message):
        refuses(IndexError, lambda: IDS[what](ids, 3), what + message)

    @pytest.mark.parametrize("ids", [[True, False], [0.0, 1.0], np.array([1 + 0j]), ["a"], [None]])
    def test_of_another_kind(self, what, ids):
        refuses(TypeError, lambda: IDS[what](ids, 3), f"{what} must be integers, not", "from 0 to 2")

    @pytest.mark.parametrize("kind", ["i1", "u1", ">i2", "u2", "i4", ">i8", "u8"])
    @pytest.mark.parametrize("size", [100, 200])
    def test_every_integer_dtype_means_the_same(self, what, kind, size):
        """Positions in a table must not be worked out in a narrow dtype, where they would wrap around."""
        numbers = np.array([99, 3, 99, 64])
        weight, reference = leaf(np.ones((size, 70))), leaf(np.ones((size, 70)))
        v = probe((4, 70), 0)
        if what == "embedding ids":
            F.embedding(numbers.astype(kind), weight).backward(v)
            reference[numbers].backward(v)
            agree(weight.grad, reference.grad, "gradient", rtol=0, atol=0)
        else:
            same = IDS[what](numbers.astype(kind), size), IDS[what](numbers, size)
            np.testing.assert_array_equal(*(part.data for part in same))


def test_ids_in_two_dimensions_are_named_by_position():
    refuses(IndexError, lambda: F.embedding([[0, 1], [2, 9]], Tensor(np.ones((3, 2)))), "9 at position (1, 1)")
    refuses(IndexError, lambda: F.embedding(4, Tensor(np.ones((3, 2)))), "4 at position ()")


class TestEngines:
    @given(SEEDS, st.sampled_from([*FUNCTIONS, "linear", "layer_norm", "embedding", "cross_entropy", "mse_loss"]))
    def test_arrays_of_values_agree_with_tensors(self, seed, name):
        """One function, two engines, the same numbers; plain arrays give the value without a graph."""
        rng = np.random.default_rng(seed)
        n, width, out = rng.integers(1, 4, 3)
        ids = rng.integers(0, width, n)
        call, shapes = {
            "linear": (F.linear, [(n, width), (out, width), (out,)]),
            "layer_norm": (F.layer_norm, [(n, width + 1), (width + 1,), (width + 1,)]),
            "embedding": (lambda weight: F.embedding(ids.reshape(1, n), weight), [(width, 2)]),
            "cross_entropy": (lambda z: F.cross_entropy(z, ids), [(n, width)]),
            "mse_loss": (F.mse_loss, [(n, width), (n, width)]),
        }.get(name, (FUNCTIONS.get(name), [(n, width)]))
        arrays = [rng.normal(size=shape) for shape in shapes]
        tensors, values = [leaf(x) for x in arrays], [to_values(x) for x in arrays]
        y, scalars = call(*tensors), np.asarray(call(*values))
        v = probe(y.shape, seed)
        y.backward(v)
        (scalars.ravel() * v.ravel()).sum().backward()
        agree(data_of(scalars), y.data, "value", rtol=1e-9, atol=1e-9)
        for value, tensor in zip(values, tensors, strict=True):
            agree(grad_of(value), tensor.grad, "gradient", rtol=1e-9, atol=1e-9)
        agree(call(*arrays), y.data, "plain arrays", **ENGINES)

    @given(SEEDS, st.sampled_from([*FUNCTIONS, "dropout"]), st.sampled_from([np.float16, np.float32, np.float64]))
    def test_dtypes_stay(self, seed, name, dtype):
        call = FUNCTIONS.get(name, lambda x: F.dropout(x, np.float64(0.25), rng=seed))
        x = Tensor(np.random.default_rng(seed).normal(size=(2, 3)), requires_grad=True, dtype=dtype)
        y = call(x)
        y.backward(np.ones((2, 3)))
        assert y.dtype == x.grad.dtype == dtype

    def test_numpy_scalars_among_the_options_promote_nothing(self):
        x = Tensor(np.ones((2, 3)), requires_grad=True, dtype=np.float32)
        layer = nn.LayerNorm(3, eps=np.float64(1e-5))
        y = layer(x)
        assert y.dtype == np.float32
        assert type(y.attributes["eps"]) is float
        assert nn.Dropout(np.float64(0.5), rng=0)(x).dtype == np.float32


class TestDropout:
    @pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
    def test_share_scale_and_mean(self, p):
        x = Tensor(np.ones(100_000), requires_grad=True)
        y = F.dropout(x, p, rng=0)
        zero = y.data == 0
        assert abs(zero.mean() - p) < 5 * math.sqrt(p * (1 - p) / x.size)
        np.testing.assert_allclose(y.data[~zero], 1 / (1 - p), rtol=1e-15)
        assert abs(y.data.mean() - 1) < 5 * math.sqrt(p / (1 - p) / x.size)
        y.backward(np.full(x.shape, 3.0))
        np.testing.assert_allclose(x.grad, 3 * y.data, rtol=1e-15)
        neighbours = np.corrcoef(zero[1:], zero[:-1])[0, 1]
        assert abs(neighbours) < 5 / math.sqrt(x.size)

    def test_the_identity_outside_training_and_at_zero(self):
        x, rng = leaf(X), np.random.default_rng(0)
        state = rng.bit_generator.state
        layer = nn.Dropout(0.5, rng=rng)
        assert F.dropout(x, 0.5, False, rng=rng) is x
        assert F.dropout(x, 0.0, rng=rng) is x
        assert layer.eval()(x) is x
        assert nn.Dropout(0, rng=rng)(x) is x
        assert rng.bit_generator.state == state, "nothing is drawn where nothing is dropped"
        assert layer.train()(x) is not x

    def test_a_generator_decides_alone(self):
        x = np.ones((20, 20))
        layers = [nn.Dropout(0.3, rng=4), nn.Dropout(0.3, rng=np.random.default_rng(4))]
        first, again = (layer(x) for layer in layers)
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, layers[0](x)), "the next call drops others"
        np.testing.assert_array_equal(layers[0](x), [layers[1](x), layers[1](x)][1])
        other = nn.Dropout(0.3, rng=5)(x)
        assert not np.array_equal(first, other)

    @pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, math.nan, math.inf])
    def test_probabilities(self, p):
        for call in (lambda: nn.Dropout(p, rng=0), lambda: F.dropout(Tensor([1.0]), p, rng=0)):
            refuses(ValueError, call, f"p is a probability from 0 to below 1, not {p}")


class TestRefusals:
    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda t: F.linear(t(2, 4), t(5, 3)), "shape (2, 4) and the weight (out, in) (5, 3)"),
            (lambda t: F.linear(t(), t(5, 3)), "shape () and"),
            (lambda t: F.linear(t(2, 3), t(3)), "the weight (out, in) (3,)"),
            (lambda t: F.linear(t(2, 3), t(5, 3), t(1)), "bias must have shape (5,), not (1,)"),
            (lambda t: F.linear(t(2, 3), t(5, 3), t(2, 5)), "bias must have shape (5,), not (2, 5)"),
            (lambda t: nn.Linear(3, 5, rng=0)(t(3, 2)), "shape (3, 2) and the weight (out, in) (5, 3)"),
            (lambda t: F.cross_entropy(t(2, 3), [0]), "not (2, 3) and (1,)"),
            (lambda t: F.cross_entropy(t(2, 3, 4), [0, 1]), "flatten both: logits.reshape(-1, classes)"),
            (lambda t: F.cross_entropy(t(3), [0]), "not (3,) and (1,)"),
            (lambda t: F.cross_entropy(t(), 0), "not () and ()"),
            (lambda t: F.cross_entropy(t(2, 3, 4), np.zeros(6, int)), "flatten both: logits.reshape(-1, classes)"),
            (lambda t: F.cross_entropy(t(0, 3), np.zeros(0, int)), "with n at least 1"),
            (lambda t: F.mse_loss(t(2, 3), t(3)), "shapes (2, 3) and (3,) must agree"),
            (lambda t: F.layer_norm(t(2, 3), t(2), t(2)), "last axis must be 2, but its shape is (2, 3)"),
            (lambda t: F.layer_norm(t(2, 3), t(3), t(1)), "the weight's shape (3,), not (1,)"),
            (lambda t: F.gelu(t(1), "fast"), "approximate is 'none' or 'tanh', not 'fast'"),
        ],
    )
    def test_shapes_and_words(self, call, words):
        refuses(ValueError, lambda: call(lambda *shape: Tensor(np.ones(shape))), words)

    def test_one_hot(self):
        rows = F.one_hot([[2, 0]], 3)
        np.testing.assert_array_equal(rows, [[[0, 0, 1], [1, 0, 0]]])
        assert rows.dtype == np.float32
        assert F.one_hot([1], 2, bool).dtype == bool


@pytest.mark.parametrize("rows", [3, 200])
def test_a_gradient_of_inf_stays_in_its_row(rows):
    table = Tensor(np.zeros((rows, 2)), requires_grad=True)
    F.embedding(np.array([0, 2, 2]), table).backward([[1.0, 1.0], [np.inf, 1.0], [1.0, 1.0]])
    assert table.grad[:3].tolist() == [[1.0, 1.0], [0.0, 0.0], [np.inf, 2.0]]


@pytest.mark.parametrize("name", rules.TABLE)
def test_every_operation_of_the_table_is_a_function(name):
    count = len(rules.TABLE[name].derivatives)
    inputs = [np.array([0.5, 0.7]), np.array([0.3, 0.9]), np.array([0.8, 0.8])][:count]
    np.testing.assert_array_equal(getattr(F, name)(*inputs), rules.TABLE[name](*inputs))
