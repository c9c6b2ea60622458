"""What operations on whole arrays hand back, as one writes it on a board: formulas that print, and that compute.

A kernel's backward is written for speed, with buffers and flat indices; here stands the same in the words of a lecture.
Each formula runs on arrays, which is how the tests hold it against what the engine computes, and on symbols, which is
how it is printed. Where an operation has none, the rule that it runs by is printed itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lm.autograd import attention, kernels, normalisation, products, recurrent, reductions, shaping
from tinygrad_lm.autograd import board_words as word
from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.autograd.reductions import count
from tinygrad_lm.autograd.symbols import Symbol, printed

Let = Callable[[str, Any], Any]


class Board(NamedTuple):
    """What a formula speaks of: arrays, or symbols for them."""

    g: Any
    """The gradient of the result."""
    out: Any
    x: Sequence[Any]
    """The operands."""
    options: Mapping[str, Any]
    let: Let
    """Gives a part of the formula a name: ``h = b.let("h", b.g * b.x[1])``."""

    @property
    def axis(self) -> Any:
        """The axis that an operation works along."""
        return self.options.get("axis")

    @property
    def spread(self) -> Any:
        """The gradient of a reduced result, for each element that it was reduced from."""
        return word.spread(self.g, self.x[0], self.axis)


Formula = Callable[[Board], Any]


def _cross_entropy(b: Board) -> Any:
    z, targets, ignored = b.x[0], b.options["targets"], b.options.get("ignore_index")
    smoothing, reduction = b.options.get("label_smoothing", 0.0), b.options.get("reduction", "mean")
    wanted = word.onehot(targets, z)
    if smoothing:
        wanted = (1 - smoothing) * wanted + smoothing / z.shape[-1]
    found = (b.g if reduction != "none" or isinstance(b.g, Symbol) else b.g[..., None]) * (word.softmax(z) - wanted)
    number = targets.size
    if ignored is not None:
        counts = word.counted(targets, ignored)
        found, number = found * counts, counts if isinstance(counts, Symbol) else np.count_nonzero(counts)
    return found / b.let("n", number) if reduction == "mean" else found


def _normalised(b: Board, h: Any, axis: int, normal: Any, deviation: Any) -> Any:
    return (h - word.mean_(h, axis) - normal * word.mean_(h * normal, axis)) / deviation


def _layer_norm(b: Board, axis: int = -1) -> Any:
    x, eps = b.x[0], b.options["eps"]
    h = b.let("h", b.g * b.x[1]) if len(b.x) > 1 else b.g
    return _normalised(b, h, axis, b.let("x̂", word.normal(x, axis, eps)), b.let("σ", word.std_(x, axis, eps)))


def _rms_norm(b: Board) -> Any:
    x, size = b.x[0], b.let("r", word.rms(b.x[0], b.options["eps"]))
    h = b.let("h", b.g * b.x[1]) if len(b.x) > 1 else b.g
    scaled = b.let("x̂", x / size)
    return (h - scaled * word.mean_(h * scaled)) / size


def _weights(b: Board) -> Any:
    query, key, _ = b.x
    return b.let("a", word.weights(query, key, b.options["scale"], b.options.get("mask")))


def _kept(b: Board, x: Any) -> Any:
    kept = b.options.get("kept")
    return x if kept is None else x * kept


def _of_scores(b: Board) -> Any:
    """The gradient of the scores, before they are scaled."""
    a = _weights(b)
    back = b.let("d", _kept(b, b.g @ word.transposed(b.x[2])))
    return b.let("s", a * (back - word.sum_(a * back)))


def _matmul_x(b: Board) -> Any:
    x, y = b.x
    if y.ndim == 1:
        return word.fitted(b.g * y if x.ndim == 1 else word.outer(b.g, y), x)
    back = word.transposed(y)
    return word.fitted(word.row_times(b.g, back) if x.ndim == 1 else b.g @ back, x)


def _matmul_y(b: Board) -> Any:
    x, y = b.x
    if x.ndim == 1:
        return word.fitted(b.g * x if y.ndim == 1 else word.outer(x, b.g), y)
    back = word.transposed(x)
    return word.fitted(word.times_column(back, b.g) if y.ndim == 1 else back @ b.g, y)


def _einsum(position: int) -> Formula:
    def pulled(b: Board) -> Any:
        terms, output = products.explicit(b.options["subscripts"], b.x)
        own, rest = terms[position], [term for i, term in enumerate(terms) if i != position]
        if len({*own}) < len(own) or not {*own} <= {*output, *"".join(rest)}:
            raise ValueError("a diagonal, or an axis that is summed within this operand alone")
        others = [x for i, x in enumerate(b.x) if i != position]
        return word.fitted(word.einsum(f"{','.join([output, *rest])}->{own}", b.g, *others), b.x[position])

    return pulled


def _joined(position: int) -> Formula:
    return lambda b: word.part(b.g, position, b.x, b.options.get("axis", 0))


def _count(b: Board) -> Any:
    return b.let("n", count(b.x[0], b.axis) - b.options.get("ddof", 0))


def _centred(b: Board) -> Any:
    return b.x[0] - word.mean_(b.x[0], b.axis)


def _extreme(b: Board) -> Any:
    return b.spread * word.share(b.x[0], b.out, b.axis)


def _softmax_axis(b: Board) -> Any:
    return b.options.get("axis", -1)


_FORMULAS: Mapping[Operation, Sequence[Formula]] = {
    kernels.linear: (
        lambda b: b.g @ b.x[1],
        lambda b: word.rows(b.g).T @ word.rows(b.x[0]),
        lambda b: word.sum_rows(b.g),
    ),
    kernels.embedding: (lambda b: word.scatter_add(b.g, b.options["ids"], b.x[0]),),
    kernels.cross_entropy: (_cross_entropy,),
    kernels.layer_norm: (
        _layer_norm,
        lambda b: word.sum_rows(b.g * word.normal(b.x[0], -1, b.options["eps"])),
        lambda b: word.sum_rows(b.g),
    ),
    kernels.prod: (lambda b: b.spread * word.others(b.x[0], b.axis),),
    normalisation.rms_norm: (
        _rms_norm,
        lambda b: word.sum_rows(b.g * (b.x[0] / word.rms(b.x[0], b.options["eps"]))),
    ),
    normalisation.batch_norm: (
        lambda b: _layer_norm(b, 0),
        lambda b: word.sum_rows(b.g * word.normal(b.x[0], 0, b.options["eps"])),
        lambda b: word.sum_rows(b.g),
    ),
    attention.attention: (
        lambda b: b.options["scale"] * _of_scores(b) @ b.x[1],
        lambda b: b.options["scale"] * word.transposed(_of_scores(b)) @ b.x[0],
        lambda b: word.transposed(_kept(b, _weights(b))) @ b.g,
    ),
    products.matmul: (_matmul_x, _matmul_y),
    reductions.sum: (lambda b: b.spread,),
    reductions.mean: (lambda b: b.spread / _count(b),),
    reductions.var: (lambda b: b.spread * 2 * _centred(b) / _count(b),),
    reductions.std: (lambda b: b.spread * _centred(b) / (_count(b) * word.restored(b.out, b.x[0], b.axis)),),
    reductions.norm: (lambda b: b.spread * b.x[0] / word.restored(b.out, b.x[0], b.axis),),
    reductions.max: (_extreme,),
    reductions.min: (_extreme,),
    reductions.mul_div: (
        lambda b: word.fitted(b.g * b.x[1] / b.x[2], b.x[0]),
        lambda b: word.fitted(b.g * b.x[0] / b.x[2], b.x[1]),
        lambda b: word.fitted(-b.g * b.x[0] * b.x[1] / b.x[2] / b.x[2], b.x[2]),
    ),
    reductions.cumsum: (lambda b: word.sum_from_the_end(b.g, b.axis),),
    reductions.logsumexp: (lambda b: b.spread * word.softmax(b.x[0], b.axis),),
    reductions.softmax: (lambda b: b.out * (b.g - word.sum_(b.g * b.out, _softmax_axis(b))),),
    reductions.log_softmax: (
        lambda b: b.g - word.softmax(b.x[0], _softmax_axis(b)) * word.sum_(b.g, _softmax_axis(b)),
    ),
    shaping.broadcast_to: (lambda b: word.fit(b.g, b.x[0]),),
    shaping.pad: (lambda b: word.inside(b.g, b.x[0], b.options["widths"]),),
    shaping.tril: (lambda b: word.fitted(word.tril(b.g, b.options.get("k", 0)), b.x[0]),),
    shaping.triu: (lambda b: word.fitted(word.triu(b.g, b.options.get("k", 0)), b.x[0]),),
    shaping.where: (
        lambda b: word.fitted(word.where(b.options["condition"], b.g, 0), b.x[0]),
        lambda b: word.fitted(word.where(b.options["condition"], 0, b.g), b.x[1]),
    ),
}

_OF_EACH: Mapping[Operation, Callable[[int], Formula]] = {
    products.einsum: _einsum,
    shaping.concatenate: _joined,
    shaping.stack: _joined,
}

_THROUGH_TIME = {recurrent.rnn, recurrent.lstm, recurrent.gru}


def formula(operation: Operation, position: int) -> Formula | None:
    """What an operation hands to one operand; ``None`` where nothing is written here."""
    if operation in _OF_EACH:
        return _OF_EACH[operation](position)
    known = _FORMULAS.get(operation, ())
    return known[position] if position < len(known) else None


def vjp_formula(
    operation: Operation,
    position: int,
    names: Sequence[str],
    inputs: Sequence[Any],
    out: Any,
    attributes: Mapping[str, Any],
) -> str:
    """What an operation on whole arrays hands to one operand, as text.

    ``names`` are those of the gradient of the result, of the result, and of the operands; ``inputs`` and ``out`` are
    the arrays themselves: what a rule does may depend on their shapes.
    """
    if operation in _THROUGH_TIME:
        return "through time: the cell's rule, from the last step to the first"
    g, result, *operands = (Symbol(name, like=x) for name, x in zip(names, (out, out, *inputs), strict=True))
    written = formula(operation, position)
    if written is not None:
        options = {name: Symbol(name, like=x) if np.ndim(x) else x for name, x in attributes.items()}
        named: dict[str, str] = {}

        def let(name: str, value: object) -> Symbol:
            named.setdefault(name, str(value))
            return Symbol(name)

        text = printed(written, [Board(g, result, operands, options, let)])
        if text:
            return ", ".join([text, *(f"{name} = {value}" for name, value in reversed(named.items()))])
    rule = getattr(operation, "vjps", {}).get(position)
    return ("" if rule is None else printed(rule, [g, result, *operands], attributes)) or f"vjp of {operation.name}"
