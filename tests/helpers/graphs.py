"""What the tests of pictures share: small programs, the engines of this machine, and reading an SVG back."""

import shutil
import xml.etree.ElementTree as ET
from base64 import b64decode

import numpy as np
import pytest

from tinygrad_lm import Tensor, Value, nn
from visualize.formats import engines

SVG = "{http://www.w3.org/2000/svg}"

ENGINES = ["builtin"]
if shutil.which("dot"):
    ENGINES.append("dot")
if engines.installed("pygraphviz"):
    ENGINES.append("pygraphviz")

every_engine = pytest.mark.parametrize("engine", ENGINES)
every_engine_many_times = pytest.mark.parametrize(
    "engine",
    # Each of its pictures starts a Python, and it is the Graphviz of dot.
    [pytest.param(engine, marks=[pytest.mark.slow] if engine == "pygraphviz" else []) for engine in ENGINES],
)


def neuron():
    """The neuron of the micrograd lecture."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    n = x1 * w1 + x2 * w2 + b
    n.label = "n"
    o = n.tanh()
    o.label = "o"
    return o


def diamond():
    """Two ways from a to d: the gradient of a is 14."""
    a = Value(2.0, label="a")
    b = a * 2
    c = a + 3
    b.label, c.label = "b", "c"
    d = b * c
    d.label = "d"
    return d


def recurrence(steps, weight=0.9):
    """One cell again and again, with the same two weights."""
    w, u, h = Value(weight, label="w"), Value(0.3, label="u"), Value(0.5, label="h0")
    for t in range(steps):
        h = (w * h + u * Value(t / steps, label=f"x{t}", requires_grad=False)).tanh()
    return h


class Net(nn.Module):
    """Embedding, Linear, Tanh, Linear."""

    def __init__(self, tokens=5, width=2, hidden=3, seed=0):
        rng = np.random.default_rng(seed)
        self.embedding = nn.Embedding(tokens, width, rng=rng)
        self.layers = nn.Sequential(
            nn.Linear(2 * width, hidden, rng=rng), nn.Tanh(), nn.Linear(hidden, tokens, rng=rng)
        )

    def forward(self, ids):
        rows = self.embedding(ids)
        return self.layers(rows.reshape(rows.shape[0], -1))


class Block(nn.Module):
    """A residual block."""

    def __init__(self, rng):
        self.inner = nn.Linear(2, 2, rng=rng)

    def forward(self, x):
        return x + np.tanh(self.inner(x))


def net_loss():
    """A small classifier, its loss, and the gradients of one backward pass."""
    net = Net()
    loss = nn.functional.cross_entropy(net(np.array([[0, 1], [2, 3]])), np.array([1, 4]))
    loss.backward()
    return net, loss


def tensor(*shape, label="", requires_grad=False, seed=0):
    """A tensor of random numbers."""
    data = np.random.default_rng(seed).normal(size=shape)
    return Tensor(data, requires_grad=requires_grad, label=label)


def picture_in(html):
    """The first SVG that a page holds as an image."""
    return b64decode(html.partition("data:image/svg+xml;base64,")[2].partition('"')[0]).decode("utf-8")


def read_svg(svg):
    """An SVG's root element, parsed strictly."""
    return ET.fromstring(svg.encode("utf-8"))


def texts_by_id(svg):
    """The lines of text in each element that has an id, the page-wide prefix taken off."""
    found = {}
    for group in read_svg(svg).iter(f"{SVG}g"):
        key = group.get("id", "").rpartition("-")[2]
        if key:
            found[key] = ["".join(text.itertext()).replace("\xa0", " ") for text in group.iter(f"{SVG}text")]
    return found
