"""Registry rows of the fused kernels, each against formulas written a second time in plain NumPy."""

import numpy as np
from hypothesis import strategies as st

from tests.helpers.registry.row import SEEDS, Case, Kink, Row, generator, shapes
from tinygrad_lm.autograd import kernels
from tinygrad_lm.testing.selfcheck.domains import anywhere
from tinygrad_lm.testing.selfcheck.samples import domains_of

SIZE = st.sampled_from([1, 2, 3])


@st.composite
def linears(draw):
    """An input of any number of leading axes, a weight, and a bias as often as not."""
    rng, features, outputs = generator(draw(SEEDS)), draw(SIZE), draw(SIZE)
    lead = draw(shapes(max_dims=2, sizes=(1, 2, 3, 0)))
    bias = (anywhere(rng, (outputs,)),) if draw(st.booleans()) else ()
    return Case((anywhere(rng, (*lead, features)), anywhere(rng, (outputs, features)), *bias))


@st.composite
def embeddings(draw):
    """A table, small or large, and ids of any whole type, the same ones again and again."""
    rng, rows = generator(draw(SEEDS)), draw(st.sampled_from([1, 2, 3, 4, 2, 3, 4, 150]))
    ids = np.asarray(rng.integers(0, rows, draw(shapes(max_dims=2))))
    kind = draw(st.sampled_from([np.int64, np.uint8, np.int16]))
    return Case((anywhere(rng, (rows, draw(SIZE))),), {"ids": ids.astype(kind)})


@st.composite
def classifications(draw):
    """Logits and targets, also of a single class; as often as not sequences, some ignored, each loss, smoothed ones."""
    rng, classes = generator(draw(SEEDS)), draw(st.integers(1, 4))
    if draw(st.booleans()):
        n = draw(st.integers(1, 4))
        return Case((anywhere(rng, (n, classes)),), {"targets": rng.integers(0, classes, n)})
    reduction = draw(st.sampled_from(["mean", "sum", "none"]))
    lead = draw(shapes(max_dims=2, sizes=(1, 2, 3) if reduction == "mean" else (1, 2, 3, 0)))
    targets = np.array(rng.integers(0, classes, lead))
    ignore_index = draw(st.sampled_from([None, -100, -1, classes, 0 if classes > 1 else -1]))
    if ignore_index is not None:
        targets[rng.random(lead) < 0.4] = ignore_index
    if reduction == "mean":  # which is of one target at least
        targets.flat[0] = classes - 1
    smoothing = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    options = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": smoothing}
    return Case((anywhere(rng, (*lead, classes)),), {"targets": targets, **options})


@st.composite
def normalisations(draw):
    """Rows that differ enough, a weight and a bias."""
    rng, n = generator(draw(SEEDS)), draw(st.integers(2, 4))
    lead = draw(shapes(max_dims=2, sizes=(1, 2, 3, 0)))
    domain, other = domains_of("layer_norm")
    inputs = (domain(rng, (*lead, n)), other(rng, (n,)), other(rng, (n,)))
    return Case(inputs, {"eps": draw(st.sampled_from([1e-5, 0.1]))})


def cross_entropy_reference(z, targets, ignore_index=None, reduction="mean", label_smoothing=0.0):
    """Of rows of probabilities that are wanted, one-hot or smoothed."""
    e, classes = np.exp(z), z.shape[-1]
    counts = np.ones(targets.shape, bool) if ignore_index is None else targets != ignore_index
    wanted = (np.arange(classes) == targets[..., None]) * (1 - label_smoothing) + label_smoothing / classes
    losses = -np.sum(wanted * np.log(e / e.sum(axis=-1, keepdims=True)), axis=-1) * counts
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / max(1, counts.sum())}[reduction]


def layer_norm_reference(x, weight, bias, eps):
    mean = np.mean(x, axis=-1, keepdims=True)
    variance = np.mean((x - mean) ** 2, axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * weight + bias


def row(name, reference, cases, kinks=()):
    """The row of a kernel; its reference in primitives is a second spelling."""
    kernel = getattr(kernels, name)
    spellings = {f"kernels.{name}": kernel, f"kernels.{name}.reference": kernel.reference}
    return Row(name, spellings, reference, cases, (kernel,), kinks=kinks)


INF = np.inf

ROWS = (
    row("linear", lambda x, w, *b: np.einsum("...i,oi->...o", x, w) + (b[0] if b else 0), linears()),
    row(
        "embedding",
        lambda w, ids: w[ids],
        embeddings(),
        kinks=(Kink(([[1.0], [2.0]],), [[1.0], [1.0]], ([[2.0], [0.0]],), {"ids": np.array([0, 0])}),),
    ),
    row(
        "cross_entropy",
        cross_entropy_reference,
        classifications(),
        kinks=(
            Kink(([[1e3, -1e3]],), 0.0, ([[0.0, 0.0]],), {"targets": np.array([0])}),
            Kink(([[1e3, -1e3]],), 2e3, ([[1.0, -1.0]],), {"targets": np.array([1])}),
            Kink(([[5.0]],), 0.0, ([[0.0]],), {"targets": np.array([0])}),
            Kink(([[-INF, 0.0]],), 0.0, ([[0.0, 0.0]],), {"targets": np.array([1])}),
            Kink(([[-INF, 0.0]],), INF, ([[-1.0, 1.0]],), {"targets": np.array([0])}),
            # By hand: 2000 is the only loss, and it is the mean of the one, the sum, and the one that is not 0.
            *(
                Kink(
                    ([[1e3, -1e3], [INF, np.nan]],),
                    value,
                    ([[1.0, -1.0], [0.0, 0.0]],),
                    {"targets": np.array([1, -1]), "ignore_index": -1, "reduction": reduction},
                )
                for reduction, value in (("mean", 2e3), ("sum", 2e3), ("none", [2e3, 0.0]))
            ),
            # By hand: of two classes the target is wanted with 0.75, the other, whose loss is 2000, with 0.25.
            Kink(([[1e3, -1e3]],), 500.0, ([[0.25, -0.25]],), {"targets": np.array([0]), "label_smoothing": 0.5}),
            Kink(([1e3, -1e3],), 500.0, ([0.25, -0.25],), {"targets": np.array(0), "label_smoothing": 0.5}),
        ),
    ),
    row("layer_norm", layer_norm_reference, normalisations()),
)
