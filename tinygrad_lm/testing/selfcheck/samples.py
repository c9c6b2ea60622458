"""The calls that every operation is checked with: by name its domains, and for each call shapes and attributes.

This is the one table of such points: ``tinygrad-lm gradcheck`` compares them with numeric derivatives, the test suite
with references of its own, and it draws more calls from the same domains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_lm.autograd import (
    Value,
    attention,
    kernels,
    normalisation,
    products,
    recurrent,
    reductions,
    rules,
    shaping,
)
from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.selfcheck.domains import (
    Domain,
    Shape,
    anywhere,
    away_from_0,
    distinct,
    factors,
    greatest,
    least,
    of_elementwise,
    with_a_zero,
)


@dataclass(frozen=True)
class Sample:
    """One call: the shapes of the operands, and what else the operation is given."""

    shapes: tuple[Shape, ...]
    attributes: Mapping[str, object]


@dataclass(frozen=True)
class Samples:
    """Calls of one operation whose operands come from the same domains."""

    operation: str
    function: Callable[..., object]
    """The operation itself, or what calls it."""
    domains: Sequence[Domain]
    """One for each operand; the last serves all after it."""
    calls: Sequence[Sample]
    scalar: bool = False
    """Whether the operands are ``Value``s."""

    def draw(self, call: Sample, rng: np.random.Generator) -> tuple[Array, ...]:
        """The operands of one of its calls."""
        domains = [*self.domains, *[self.domains[-1]] * len(call.shapes)]
        return tuple(domain(rng, shape) for domain, shape in zip(domains, call.shapes, strict=False))


def sample(*shapes: Shape, **attributes: object) -> Sample:
    """A call with operands of these shapes, and these attributes."""
    return Sample(shapes, attributes)


def _of(operation: Operation, *calls: Sample, domain: Domain = anywhere) -> Samples:
    return Samples(operation.name, operation, (domain,), calls)


def _elementwise() -> Iterator[Samples]:
    for name, rule in rules.TABLE.items():
        domains = of_elementwise(rule)
        if len(domains) == 1:
            yield Samples(name, rule, domains, [sample((3, 4))])
            yield Samples(name, rule, [greatest(domains[0])], [sample(())], scalar=True)
            yield Samples(name, rule, [least(domains[0])], [sample(())], scalar=True)
        elif len(domains) == 2:
            yield Samples(name, rule, domains, [sample((3, 4), (4,)), sample((3, 1), (4,))])
            yield Samples(name, rule, domains, [sample((), ())], scalar=True)
        else:
            yield Samples(name, rule, domains, [sample((3, 4), (4,), ())])
            yield Samples(name, rule, [greatest(domains[0]), *domains[1:]], [sample((), (), ())], scalar=True)
            yield Samples(name, rule, [least(domains[0]), *domains[1:]], [sample((), (), ())], scalar=True)
    yield Samples("pow", _cube, [anywhere], [sample((3, 4))])


def _cube(x: Array) -> Array:
    return x**3


_X = (3, 4)
_ROWS = np.array([0, 2, 2, -1])
_KEPT = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
_MASK = np.array([[True, False, False, True], [False, True, False, True], [True, True, False, False]])


def _shaping() -> Iterator[Samples]:
    yield _of(shaping.alias, sample(_X))
    yield _of(shaping.astype, sample(_X, dtype=np.float64))
    yield _of(shaping.reshape, sample(_X, shape=(2, 6)))
    yield _of(shaping.transpose, sample(_X, axes=(1, 0)), sample((2, 3, 4), axes=(2, 0, 1)))
    yield _of(shaping.broadcast_to, sample((3, 1), shape=(2, 3, 4)), sample((), shape=(2, 3)))
    yield _of(shaping.concatenate, *(sample(_X, _X, axis=axis) for axis in (0, -1)))
    yield _of(shaping.stack, *(sample(_X, _X, axis=axis) for axis in (0, 1, -1)))
    yield _of(shaping.flip, *(sample(_X, axis=axis) for axis in (None, 0, (0, 1))))
    yield _of(shaping.roll, sample(_X, shift=2, axis=None), sample(_X, shift=(1, 2), axis=(0, 1)))
    yield _of(shaping.pad, sample(_X, widths=((1, 0), (0, 2)), value=3.0))
    yield _of(shaping.tril, sample(_X, k=-1))
    yield _of(shaping.triu, sample(_X, k=1))
    yield _of(shaping.where, *(sample(*shapes, condition=_MASK) for shapes in ((_X, _X), ((4,), (3, 1)))))
    indices = [(slice(None), 1), (slice(None, None, -2), None), _ROWS, (_ROWS, _ROWS), _MASK]
    yield _of(shaping.getitem, *(sample(_X, index=index) for index in indices))
    yield _of(
        shaping.scatter_add,
        sample((4, 5), index=_ROWS, shape=(3, 5)),
        sample((2, 4), index=slice(1, 3), shape=(4, 4)),
    )


def _reductions() -> Iterator[Samples]:
    shape = (2, 3, 2)
    axes = [(None, False), (0, False), (-1, True), ((0, 2), False)]
    over_axes = [sample(shape, axis=axis, keepdims=keepdims) for axis, keepdims in axes]
    for operation in (reductions.sum, reductions.mean, reductions.logsumexp):
        yield _of(operation, *over_axes)
    yield _of(reductions.norm, *over_axes, domain=away_from_0)
    for operation in (reductions.var, reductions.std, reductions.max, reductions.min):
        yield _of(operation, *over_axes, domain=distinct)
    for operation in (reductions.softmax, reductions.log_softmax, reductions.cumsum):
        yield _of(operation, *(sample(shape, axis=axis) for axis in (0, -1)))
    yield Samples("mul_div", reductions.mul_div, [anywhere, anywhere, away_from_0], [sample((3, 1), (3, 4), (3, 1))])
    yield Samples("sum", _sum, [anywhere], [sample((), (), ())], scalar=True)


def _sum(a: Value, b: Value, c: Value) -> Value:
    return Value.sum([a, b, c, a])


def _products() -> Iterator[Samples]:
    shapes = [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((2, 2, 3), (3, 2)),
        ((2, 1, 2, 3), (2, 3, 2)),
    ]
    yield _of(products.matmul, *(sample(*pair) for pair in shapes))
    yield _of(
        products.einsum,
        sample((2, 3), (3, 2), subscripts="ij,jk->ik"),
        sample((2, 2, 3), (2, 3, 2), subscripts="bij,bjk->bik"),
        sample((3, 3), subscripts="ii->i"),
        sample((2, 3), subscripts="ij->j"),
    )
    yield Samples("dot", _dot, [anywhere], [sample((), (), ())], scalar=True)


def _dot(a: Value, b: Value, c: Value) -> Value:
    return Value.dot([a, b], [b, c])


def _kernels() -> Iterator[Samples]:
    yield _of(kernels.linear, sample((3, 4), (2, 4), (2,)), sample((2, 3, 4), (2, 4)))
    yield _of(kernels.embedding, sample((5, 3), ids=np.array([[0, 2, 2], [4, 0, 1]])))
    yield _of(
        kernels.cross_entropy,
        sample((4, 3), targets=np.array([0, 2, 1, 1])),
        sample((2, 2, 3), targets=np.array([[0, -1], [2, 1]]), ignore_index=-1, reduction="none", label_smoothing=0.1),
    )
    yield Samples("layer_norm", kernels.layer_norm, [distinct, anywhere], [sample((3, 4), (4,), (4,), eps=1e-5)])
    yield _of(normalisation.rms_norm, sample((3, 4), eps=1e-5), sample((2, 2, 3), (3,), eps=0.1), domain=away_from_0)
    yield Samples(
        *("batch_norm", normalisation.batch_norm, [distinct, anywhere]),
        [sample((4, 3), eps=1e-5), sample((3, 2), (2,), (2,), eps=0.1)],
    )
    yield _of(kernels.prod, sample((2, 3)), domain=factors)
    yield _of(kernels.prod, sample((2, 3), axis=1, keepdims=True), domain=with_a_zero)


def _sequences() -> Iterator[Samples]:
    for operation, gates, states in ((recurrent.rnn, 1, 1), (recurrent.gru, 3, 1), (recurrent.lstm, 4, 2)):
        sequence: list[Shape] = [(3, 2, 2), *[(2, 2)] * states, (2 * gates, 2), (2 * gates, 2)]
        packed = sample((3, 2), *sequence[1:], sizes=(2, 1))
        yield _of(operation, sample(*sequence, (2 * gates,), (2 * gates,)), sample(*sequence), packed)
    attended: list[Shape] = [(2, 2, 3), (2, 3, 3), (2, 3, 2)]
    yield _of(
        attention.attention,
        sample(*attended, scale=0.5),
        sample(*attended, scale=0.5, mask=np.tri(2, 3, dtype=bool), kept=2 * _KEPT),
    )


TABLE: tuple[Samples, ...] = (*_elementwise(), *_shaping(), *_reductions(), *_products(), *_kernels(), *_sequences())


def domains_of(operation: str) -> Sequence[Domain]:
    """The domains of an operation's first calls in the table.

    Raises
    ------
    KeyError
        For an operation that is not in the table.
    """
    for samples in TABLE:
        if samples.operation == operation:
            return samples.domains
    raise KeyError(operation)
