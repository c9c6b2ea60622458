"""Registry rows of the operations that multiply and add: matrix products, einsum and their NumPy relatives."""

import numpy as np
from hypothesis import strategies as st

from tests.helpers.registry.row import SEEDS, Case, Refusal, Row, broadcastable, generator
from tinygrad_lm import Tensor
from tinygrad_lm.autograd import products
from tinygrad_lm.testing.selfcheck.domains import anywhere

SIZE = st.sampled_from([1, 2, 3])
INNER = st.sampled_from([1, 2, 3, 2, 3, 0])


@st.composite
def matrices(draw, batches=True):
    """Operands of a matrix product: vectors, matrices, batches that broadcast, an inner size of 0."""
    k, rng = draw(INNER), generator(draw(SEEDS))
    left_batch, right_batch = draw(broadcastable(2, max_dims=2, sizes=(1, 2, 0))) if batches else ((), ())
    left = (k,) if draw(st.integers(0, 3)) == 0 else (*left_batch, draw(SIZE), k)
    right = (k,) if draw(st.integers(0, 3)) == 0 else (*right_batch, k, draw(SIZE))
    return Case((anywhere(rng, left), anywhere(rng, right)))


@st.composite
def vectors(draw, same=True):
    """Two vectors, of one length or of any."""
    rng, n = generator(draw(SEEDS)), draw(INNER)
    return Case((anywhere(rng, (n,)), anywhere(rng, (n if same else draw(INNER),))))


@st.composite
def einsums(draw):
    """Subscripts with repeated, missing, size-1 and hidden axes, the output named or left to NumPy."""
    letters = draw(st.sampled_from(["ab", "abc", "aBc"]))
    sizes = {letter: draw(st.sampled_from([1, 2, 3, 2, 0])) for letter in letters}
    hidden = draw(st.lists(st.sampled_from([1, 2]), max_size=2)) if draw(st.booleans()) else []
    rng = generator(draw(SEEDS))
    terms, arrays, dotted = [], [], False
    for _ in range(draw(st.integers(1, 3))):
        term = "".join(draw(st.lists(st.sampled_from(letters), max_size=3)))
        shape = []
        for letter in term:
            # An axis of size 1 stretches, unless its letter stands twice in the term.
            stretch = term.count(letter) == 1 and draw(st.integers(0, 4)) == 4
            shape.append(1 if stretch else sizes[letter])
        if hidden and draw(st.booleans()):
            dotted = True
            dots = hidden[draw(st.integers(0, len(hidden))) :]
            at = draw(st.integers(0, len(term)))
            shape[at:at] = [1 if draw(st.integers(0, 3)) == 3 else n for n in dots]
            term = term[:at] + "..." + term[at:]
        terms.append(term)
        arrays.append(anywhere(rng, shape))
    subscripts = ",".join(terms)
    if draw(st.booleans()):
        used = sorted(set(subscripts) & set(letters))
        output = "".join(draw(st.permutations(used)))[: draw(st.integers(0, len(used)))] if used else ""
        subscripts += "->" + ("..." if dotted else "") + output
    return Case(tuple(arrays), {"subscripts": subscripts})


@st.composite
def contractions(draw):
    """Operands of a tensordot, with the axes as a number or as two lists."""
    rng, count = generator(draw(SEEDS)), draw(st.integers(0, 2))
    shared = [draw(SIZE) for _ in range(count)]
    left = [draw(SIZE) for _ in range(draw(st.integers(0, 1)))]
    right = [draw(SIZE) for _ in range(draw(st.integers(0, 1)))]
    a, b = anywhere(rng, [*left, *shared]), anywhere(rng, [*shared, *right])
    if draw(st.booleans()):
        return Case((a, b), {"axes": count})
    pairs = list(zip(range(len(left), a.ndim), range(count), strict=True))
    pairs = draw(st.permutations(pairs)) if pairs else pairs
    ours = [i - a.ndim if draw(st.booleans()) else i for i, _ in pairs]
    return Case((a, b), {"axes": (ours, [j for _, j in pairs])})


def ones(*shape):
    return Tensor(np.ones(shape))


ROWS = (
    Row(
        name="matmul",
        spellings={
            "Tensor.__matmul__": lambda x, y: x @ y,
            "Tensor.__rmatmul__": lambda x, y: type(y).__rmatmul__(y, x),
            "Tensor.matmul": lambda x, y: x.matmul(y),
            "products.matmul": products.matmul,
            "np.matmul": np.matmul,
        },
        reference=np.matmul,
        cases=matrices(),
        operations=(products.matmul,),
        refusals=(
            Refusal(lambda: ones(2, 3) @ ones(2, 3), ValueError, "mismatch"),
            Refusal(lambda: ones(2) @ ones(3), ValueError, "mismatch"),
            Refusal(lambda: ones() @ ones(3), ValueError),
            Refusal(lambda: ones(3) @ 2.0, ValueError),
            Refusal(lambda: ones(2, 2, 3) @ ones(3, 3, 2), ValueError),
        ),
    ),
    Row(
        name="dot",
        spellings={"np.dot": np.dot},
        reference=np.dot,
        cases=matrices(batches=False),
        operations=(products.matmul,),
        refusals=(Refusal(lambda: np.dot(ones(2, 2, 2), ones(2, 2)), TypeError, "np.matmul"),),
    ),
    Row(
        name="dot with a scalar",
        spellings={"np.dot": np.dot},
        reference=lambda x, y: x * y,
        cases=st.builds(
            lambda seed, n: Case((anywhere(generator(seed), ()), anywhere(generator(seed), (n,)))), SEEDS, INNER
        ),
    ),
    Row(
        name="inner",
        spellings={"np.inner": np.inner, "np.vdot": np.vdot},
        reference=lambda x, y: np.sum(x * y),
        cases=vectors(),
        operations=(products.matmul,),
        refusals=(Refusal(lambda: np.inner(ones(2, 2), ones(2)), TypeError, "np.einsum"),),
    ),
    Row(
        name="outer",
        spellings={"np.outer": np.outer},
        reference=np.outer,
        cases=vectors(same=False),
    ),
    Row(
        name="tensordot",
        spellings={"np.tensordot": np.tensordot},
        reference=np.tensordot,
        cases=contractions(),
        operations=(products.einsum,),
    ),
    Row(
        name="einsum",
        spellings={
            "np.einsum": lambda *xs, subscripts: np.einsum(subscripts, *xs),
            "products.einsum": lambda *xs, subscripts: products.einsum(*xs, subscripts=subscripts),
        },
        reference=lambda *xs, subscripts: np.einsum(subscripts, *xs),
        cases=einsums(),
        operations=(products.einsum,),
        refusals=(
            Refusal(lambda: np.einsum("ij,jk", ones(2, 2)), ValueError, "operands"),
            Refusal(lambda: np.einsum("ijk", ones(2, 2)), ValueError, "axes"),
            Refusal(lambda: np.einsum("i", ones(2, 2)), ValueError, "axes"),
            Refusal(lambda: np.einsum(ones(2, 2), [0, 1]), TypeError, "string"),
            Refusal(lambda: np.einsum("i...->i", ones(2, 2)), ValueError, "'...'"),
            Refusal(lambda: np.einsum("ii", ones(1, 3)), ValueError),
            Refusal(lambda: np.einsum("ij,jk->il", ones(2, 2), ones(2, 2)), ValueError),
            Refusal(lambda: np.einsum("ij,jk->ik", ones(2, 3), ones(2, 2)), ValueError),
        ),
    ),
)
