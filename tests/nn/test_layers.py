"""Tests of the layers of tinygrad_lm.nn: gradients of first and second order, shapes, and float32 that stays."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.oracles import agree, central_differences, complex_step, directional, probe
from tinygrad_lm import Tensor, grad, nn, optim
from tinygrad_lm.autograd import topological_order
from tinygrad_lm.autograd.graph import Call
from tinygrad_lm.nn import functional as F

SEEDS = st.integers(0, 2**32)
DOUBLE = {"dtype": np.float64}


def _erf(z):
    """The error function with its derivative in the imaginary part, for complex steps."""
    return np.vectorize(math.erf)(z.real) + 1j * z.imag * 2 / math.sqrt(math.pi) * np.exp(-(z.real**2))


def _norm(x, weight, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * weight + bias


def _tanh_gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _cross_entropy(z):
    return -np.mean((z - np.log(np.exp(z).sum(axis=1, keepdims=True)))[np.arange(4), [2, 0, 1, 2]])


# A layer, the shape of its input (None: of no input with a gradient), and its formula in NumPy of input and parameters.
LAYERS = {
    "Linear": (lambda r: nn.Linear(3, 2, rng=r, **DOUBLE), (2, 4, 3), lambda x, w, b: x @ w.T + b),
    "Linear, no bias": (lambda r: nn.Linear(3, 2, bias=False, rng=r, **DOUBLE), (3,), lambda x, w: w @ x),
    "Linear, no rows": (lambda r: nn.Linear(3, 2, rng=r, **DOUBLE), (0, 3), lambda x, w, b: x @ w.T + b),
    "Tanh": (lambda r: nn.Tanh(), (2, 3), np.tanh),
    "Sigmoid": (lambda r: nn.Sigmoid(), (2, 3), lambda x: 1 / (1 + np.exp(-x))),
    "ReLU": (lambda r: nn.ReLU(), (2, 3), lambda x: np.where(x.real > 0, x, 0)),
    "GELU": (lambda r: nn.GELU(), (2, 3), lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2)))),
    "GELU tanh": (lambda r: nn.GELU("tanh"), (2, 3), _tanh_gelu),
    "SiLU": (lambda r: nn.SiLU(), (2, 3), lambda x: x / (1 + np.exp(-x))),
    "Softplus": (lambda r: nn.Softplus(), (2, 3), lambda x: np.log(1 + np.exp(x))),
    "Flatten": (lambda r: nn.Flatten(), (2, 3, 4), lambda x: x.reshape(2, 12)),
    "Flatten 0 to -2": (lambda r: nn.Flatten(0, -2), (2, 3, 4), lambda x: x.reshape(6, 4)),
    "Dropout, eval": (lambda r: nn.Sequential(nn.Dropout(rng=r), nn.Tanh()).eval(), (5,), np.tanh),
    "LayerNorm": (lambda r: nn.LayerNorm(4, **DOUBLE), (2, 3, 4), _norm),
    "CrossEntropyLoss": (lambda r: _Targets(), (4, 3), _cross_entropy),
    "Embedding": (lambda r: _Ids(r), None, lambda w: w[np.array([[2, 0, 2], [1, 2, 2]])]),
    "Sequential": (
        lambda r: nn.Sequential(nn.Linear(3, 4, rng=r, **DOUBLE), nn.Tanh(), nn.Linear(4, 2, rng=r, **DOUBLE)),
        (5, 3),
        lambda x, w, b, v, c: np.tanh(x @ w.T + b) @ v.T + c,
    ),
}


class _Targets(nn.CrossEntropyLoss):
    def forward(self, logits, targets=(2, 0, 1, 2)):
        return super().forward(logits, np.array(targets))


class _Ids(nn.Embedding):
    def __init__(self, rng):
        super().__init__(4, 2, rng=rng, **DOUBLE)

    def forward(self, ids=((2, 0, 2), (1, 2, 2))):
        return super().forward(np.array(ids))


@pytest.mark.parametrize("name", LAYERS)
@given(SEEDS)
def test_value_and_gradients_of_first_and_second_order(name, seed):
    """Against complex steps of the formula; the second order against central differences of those."""
    make, shape, reference = LAYERS[name]
    rng = np.random.default_rng(seed)
    layer = make(rng)
    for p in layer.parameters():
        p.data = rng.normal(size=p.shape)
    inputs = [] if shape is None else [Tensor(rng.normal(size=shape), requires_grad=True)]
    y = layer(*inputs)
    leaves = [*inputs, *layer.parameters()]
    arrays = [x.data.copy() for x in leaves]
    v = Tensor(probe(y.shape, seed), requires_grad=True)
    agree(y.data, np.real(reference(*(x.astype(complex) for x in arrays))), "value", rtol=1e-12, atol=1e-12)
    y.backward(v.data)
    for x, wanted in zip(leaves, complex_step(reference, arrays, v.data), strict=True):
        agree(x.grad, wanted, f"gradient to {x.label or 'the input'}", rtol=1e-9, atol=1e-9)
    directions = [probe(x.shape, seed + 1 + i) for i, x in enumerate(leaves)]
    slopes = grad(y, leaves, grad_outputs=v, create_graph=True)
    total = sum((slope * u).sum() for slope, u in zip(slopes, directions, strict=True))
    *curvatures, along = grad(total, [*leaves, v])
    agree(along.data, directional(reference, arrays, directions), "to the cotangent", rtol=1e-9, atol=1e-9)
    if name not in ("ReLU", "LayerNorm"):  # central differences fail beside a kink, and where a variance is near 0

        def slope_along(*at):
            return np.sum(v.data * directional(reference, at, directions))

        for curvature, wanted in zip(curvatures, central_differences(slope_along, arrays), strict=True):
            agree(curvature.data, wanted, "second order", rtol=1e-6, atol=1e-6)


def test_layer_norm_to_the_second_order():
    """On rows that are far from constant, where differences are exact enough."""
    layer = nn.LayerNorm(4, **DOUBLE)
    x = Tensor([[1.0, -2.0, 0.5, 3.0], [0.3, 0.1, -0.9, 2.0]], requires_grad=True)
    v, u = probe((2, 4), 0), probe((2, 4), 1)
    (curvature,) = grad((grad(layer(x), x, grad_outputs=v, create_graph=True) * u).sum(), [x])

    def slope_along(at):
        return np.sum(v * directional(lambda z: _norm(z, 1.0, 0.0), [at], [u]))

    agree(curvature.data, central_differences(slope_along, [x.data])[0], "second order", rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    ("axes", "shape", "words"),
    [((2, 1), (2, 3, 4), "axis 2 lies behind axis 1"), ((1, -1), (), "out of bounds"), ((0, 2), (2, 3), "bounds")],
)
def test_flatten_refuses_axes_that_are_not_there(axes, shape, words):
    with pytest.raises(ValueError, match=words):
        nn.Flatten(*axes)(Tensor(np.ones(shape)))


IDS, TARGETS = np.array([[0, 1], [4, 4], [2, 0]]), np.array([1, 3, 0])


def float32_net():
    """Every layer that holds parameters or draws numbers, with one weight tied."""
    table, head = nn.Embedding(5, 4, rng=0), nn.Linear(4, 5, rng=1)
    head.weight = table.weight
    hidden = [nn.LayerNorm(8), nn.Linear(8, 4, rng=2), nn.GELU(), nn.Dropout(np.float64(0.25), rng=3)]
    return nn.Sequential(table, nn.Flatten(), *hidden, head)


def no_wider(array, what):
    assert np.asarray(array).dtype in (np.float32, np.int64, bool), f"{what} is {np.asarray(array).dtype}"


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam, optim.AdamW])
def test_a_float32_training_step_holds_no_float64(rule):
    """Data, what forward keeps, every contribution of the backward pass, gradients, averages, parameters."""
    net = float32_net()
    options = {"momentum": np.float64(0.9), "nesterov": True} if rule is optim.SGD else {}
    optimizer = rule(net.parameters(), lr=np.float64(0.1), weight_decay=np.float64(0.1), **options)
    for step in range(3):
        optimizer.scale = np.cos(step)  # a float64 scalar, as NumPy's functions give them
        loss = F.cross_entropy(net(IDS), TARGETS)
        optimizer.zero_grad()
        loss.backward()
        for node in topological_order(loss, constants=True):
            no_wider(node.data, node.op or node.label)
            if node.is_leaf:
                continue
            inputs, saved = [parent.data for parent in node.parents], None
            if node.operation.saves:
                _, saved = node.operation.forward(*inputs, **node.attributes)
                for array in saved if isinstance(saved, tuple) else (saved,):
                    no_wider(0 if array is None else array, f"what {node.op} keeps")
            needed = [parent.requires_grad for parent in node.parents]
            call = Call(node.data, inputs, needed, node.attributes, saved)
            for part in node.operation.vjp(node.grad, call):
                no_wider(0 if part is None else part, f"a contribution of {node.op}")
            no_wider(node.grad, f"the gradient of {node.op}")
        assert isinstance(optim.clip_grad_norm_(net.parameters(), np.float64(0.5)), float)
        optimizer.step()
        for name, p in net.named_parameters():
            no_wider(p.data, name)
            no_wider(p.grad, f"the gradient of {name}")
        for name, array in optimizer.state_arrays().items():
            no_wider(array, name)
