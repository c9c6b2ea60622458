"""Registry rows of the recurrent and attention kernels and of those that normalise, against formulas by hand."""

import numpy as np
from hypothesis import strategies as st

from tests.helpers.registry.row import SEEDS, Case, Kink, Refusal, Row, generator, shapes
from tinygrad_lm.autograd import attention, normalisation, recurrent
from tinygrad_lm.testing.selfcheck.domains import anywhere, away_from_0
from tinygrad_lm.testing.selfcheck.samples import domains_of

SIZE = st.sampled_from([1, 2, 3])


@st.composite
def sequences(draw, blocks, states):
    """Sequences of one step or more, of one name or more, packed and with biases as often as not."""
    rng, length, n, width, hidden = generator(draw(SEEDS)), draw(SIZE), draw(SIZE), draw(SIZE), draw(SIZE)
    ends = sorted(draw(st.lists(SIZE, min_size=length, max_size=length)), reverse=True)
    packed = {"sizes": (n, *(min(n, size) for size in ends))} if draw(st.booleans()) else {}
    x = (sum(packed["sizes"]), width) if packed else (length, n, width)
    shapes = [x, *[(n, hidden)] * states, (blocks * hidden, width), (blocks * hidden, hidden)]
    if draw(st.booleans()):
        shapes += [(blocks * hidden,)] * 2
    return Case(tuple(0.5 * anywhere(rng, shape) for shape in shapes), packed)


@st.composite
def attended(draw):
    """A query, keys and values; a mask of either kind that may hide all keys of a query; weights that are dropped."""
    rng, lead = generator(draw(SEEDS)), draw(shapes(max_dims=2, sizes=(1, 2)))
    length, source, width, out = (draw(SIZE) for _ in range(4))
    scores = (*lead, length, source)
    hidden = rng.random(scores[-draw(st.integers(2, len(scores))) :]) < 0.4
    kind = draw(st.sampled_from(["none", "booleans", "numbers"]))
    mask = {"none": None, "booleans": ~hidden, "numbers": np.where(hidden, -np.inf, rng.normal(size=hidden.shape))}
    kept = draw(st.sampled_from([None, 2.0 * (rng.random(scores) < 0.5)]))
    inputs = [anywhere(rng, (*lead, *shape)) for shape in ((length, width), (source, width), (source, out))]
    return Case(tuple(inputs), {"scale": draw(st.sampled_from([1.0, 0.5])), "mask": mask[kind], "kept": kept})


@st.composite
def rows(draw):
    """Rows away from 0, with a weight as often as not."""
    rng, n = generator(draw(SEEDS)), draw(SIZE)
    lead = draw(shapes(max_dims=2, sizes=(1, 2, 3, 0)))
    weight = (anywhere(rng, (n,)),) if draw(st.booleans()) else ()
    return Case((away_from_0(rng, (*lead, n)), *weight), {"eps": draw(st.sampled_from([1e-5, 0.1]))})


@st.composite
def batches(draw):
    """Columns whose numbers differ enough, with a weight and a bias as often as not."""
    rng, width, domain = generator(draw(SEEDS)), draw(SIZE), domains_of("batch_norm")[0]
    affine = (anywhere(rng, (width,)), anywhere(rng, (width,))) if draw(st.booleans()) else ()
    return Case((domain(rng, (draw(st.integers(2, 4)), width)), *affine), {"eps": draw(st.sampled_from([1e-5, 0.1]))})


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def of_gates(x, h, w_ih, w_hh, *biases):
    """The two maps, each cut into gates."""
    hidden = w_hh.shape[1]
    own, before = np.einsum("ni,gi->ng", x, w_ih), np.einsum("ni,gi->ng", h, w_hh)
    if biases:
        own, before = own + biases[0], before + biases[1]
    cut = range(hidden, w_hh.shape[0], hidden)
    return np.split(own, cut, axis=1), np.split(before, cut, axis=1)


def steps(x, sizes):
    """What each step reads."""
    return x if sizes is None else np.split(x, np.cumsum(sizes)[:-1])


def joined(found, sizes):
    return np.array(found) if sizes is None else np.concatenate(found)


def rnn_reference(x, h, *weights, nonlinearity="tanh", sizes=None):
    found = []
    for row in steps(x, sizes):
        (own,), (before,) = of_gates(row, h[: len(row)], *weights)
        total = own + before
        h = np.tanh(total) if nonlinearity == "tanh" else np.where(total.real > 0, total, 0)
        found.append(h)
    return joined(found, sizes)


def lstm_reference(x, h, c, *weights, sizes=None):
    found, cells = [], [*c]
    for row in steps(x, sizes):
        h, c = h[: len(row)], np.array(cells[: len(row)])
        i, f, g, o = (own + before for own, before in zip(*of_gates(row, h, *weights), strict=True))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        found.append(h)
        cells[: len(row)] = c
    return joined([*found, np.array(cells)], sizes)


def gru_reference(x, h, *weights, sizes=None):
    found = []
    for row in steps(x, sizes):
        h = h[: len(row)]
        own, before = of_gates(row, h, *weights)
        r, z = sigmoid(own[0] + before[0]), sigmoid(own[1] + before[1])
        h = (1 - z) * np.tanh(own[2] + r * before[2]) + z * h
        found.append(h)
    return joined(found, sizes)


def attention_reference(query, key, value, scale, mask=None, kept=None):
    scores = np.einsum("...id,...jd->...ij", query, key) * scale
    if mask is not None:
        mask = np.broadcast_to(np.where(mask, 0.0, -np.inf) if mask.dtype == bool else mask, scores.shape)
    e = np.exp(scores if mask is None else scores + mask)
    totals = e.sum(axis=-1, keepdims=True)
    weights = e / np.where(totals == 0, 1, totals)
    return np.einsum("...ij,...jd->...id", weights if kept is None else weights * kept, value)


def rms_norm_reference(x, *weight, eps):
    normal = x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + eps)
    return normal * weight[0] if weight else normal


def batch_norm_reference(x, *affine, eps):
    centred = x - np.mean(x, axis=0)
    normal = centred / np.sqrt(np.mean(centred**2, axis=0) + eps)
    return normal * affine[0] + affine[1] if affine else normal


def row(module, name, reference, cases, kinks=(), refusals=()):
    """The row of a kernel; its reference in primitives is a second spelling."""
    kernel, home = getattr(module, name), module.__name__.rpartition(".")[2]
    spellings = {f"{home}.{name}": kernel, f"{home}.{name}.reference": kernel.reference}
    return Row(name, spellings, reference, cases, (kernel,), kinks=kinks, refusals=refusals)


def unfit(call, words):
    return Refusal(call, ValueError, words)


RELU = {"nonlinearity": "relu"}
X, H, W, U = np.zeros((2, 1, 3)), np.zeros((1, 2)), np.zeros((2, 3)), np.zeros((2, 2))

ROWS = (
    row(
        recurrent,
        "rnn",
        rnn_reference,
        sequences(1, 1),
        kinks=(
            # By hand: relu is 0 at 0, and so is its slope.
            Kink(([[[0.0]]], [[0.0]], [[1.0]], [[1.0]]), [[[0.0]]], ([[[0.0]]], [[0.0]], [[0.0]], [[0.0]]), RELU),
            Kink(([[[2.0]]], [[1.0]], [[3.0]], [[1.0]]), [[[7.0]]], ([[[3.0]]], [[1.0]], [[2.0]], [[1.0]]), RELU),
        ),
        refusals=(
            unfit(lambda: recurrent.rnn(X, H, W, np.zeros((2, 3))), "takes weights"),
            unfit(lambda: recurrent.rnn(X, H, np.zeros((2, 4)), U), "takes weights"),
            unfit(lambda: recurrent.rnn(X, np.zeros((2, 2)), W, U), "must have shape (1, 2)"),
            unfit(lambda: recurrent.rnn(X, H, W, U, np.zeros(3), np.zeros(2)), "a bias must have"),
            unfit(lambda: recurrent.rnn(X[0], H, W, U), "a length from 1"),
            unfit(lambda: recurrent.rnn(X[:0], H, W, U), "a length from 1"),
            unfit(lambda: recurrent.rnn(X[0], H, W, U, sizes=(1, 2)), "none larger than before"),
            unfit(lambda: recurrent.rnn(X[0], H, W, U, sizes=(1, 1)), "read 2 rows"),
        ),
    ),
    row(recurrent, "lstm", lstm_reference, sequences(4, 2)),
    row(recurrent, "gru", gru_reference, sequences(3, 1)),
    row(
        attention,
        "attention",
        attention_reference,
        attended(),
        kinks=(
            # A query that sees no key gives 0, and nothing is learned from it.
            Kink(
                ([[1.0]], [[1.0]], [[3.0]]),
                [[0.0]],
                ([[0.0]], [[0.0]], [[0.0]]),
                {"scale": 1.0, "mask": np.array([[False]])},
            ),
            # A row that lies 2,000 below the largest still has its weights, one half each.
            Kink(
                ([[2e3], [0.0]], [[1.0], [1.0]], [[4.0], [8.0]]),
                [[6.0], [6.0]],
                ([[0.0], [0.0]], [[-2e3], [2e3]], [[1.0], [1.0]]),
                {"scale": 1.0},
            ),
            Kink(
                ([[1e3], [-1e3]], [[1.0], [-1.0]], [[4.0], [8.0]]),
                [[4.0], [8.0]],
                ([[0.0], [0.0]], [[0.0], [0.0]], [[1.0], [1.0]]),
                {"scale": 1.0},
            ),
        ),
        refusals=(
            unfit(lambda: attention.attention(U, W, W, scale=1.0), "attention takes a query"),
            unfit(lambda: attention.attention(U, U, np.zeros((3, 2)), scale=1.0), "attention takes a query"),
            unfit(lambda: attention.attention(H[0], U, U, scale=1.0), "attention takes a query"),
            unfit(lambda: attention.attention(X, W, W, scale=1.0), "attention takes a query"),
        ),
    ),
    row(normalisation, "rms_norm", rms_norm_reference, rows()),
    row(normalisation, "batch_norm", batch_norm_reference, batches()),
)
