"""Define your own differentiable operation: a NumPy forward and its derivatives, checked and copied where needed.

``elementwise`` makes an operation of one element at a time, for both engines; ``operation`` makes one on whole
arrays, for tensors. Either is a plain function afterwards: call it on nodes to record it, on arrays to compute.
Derivatives are written in operators and NumPy's functions, so that they can be differentiated again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.elementwise import Elementwise, Formula, has_objects, is_complex, real, unbroadcast
from tinygrad_lm.autograd.graph import Call, Node, detach
from tinygrad_lm.autograd.structured import Structured, Vjp
from tinygrad_lm.autograd.types import Array

__all__ = ["CustomElementwise", "CustomOperation", "elementwise", "operation", "unbroadcast"]


class CustomElementwise(Elementwise):
    """An operation of one element at a time that a user defined; made by ``elementwise``."""

    __slots__ = ()

    def evaluate(self, operands: tuple[Any, ...], attributes: Mapping[str, Any]) -> Any:
        """The result on plain operands; on an array of ``Value``s the operation is called on each element."""
        if has_objects(operands):
            return self.on_elements(operands)
        out = self.forward(*operands, **attributes)
        return out if any(isinstance(operand, np.ndarray) for operand in operands) else out.item()

    def on_floats(self, inputs: Sequence[float]) -> float:
        """The same function on single numbers: NumPy's answer where Python would raise."""
        return float(self.forward(*map(np.float64, inputs)))

    def local_derivatives(self, out: Any, inputs: Sequence[Any], needed: Sequence[bool]) -> list[Any]:
        """The user's formulas on NumPy's floats, or on nodes to be differentiated again."""
        if not isinstance(out, Node):
            out, inputs = np.float64(out), [np.float64(x) for x in inputs]
        return super().local_derivatives(out, inputs, needed)


class CustomOperation(Structured):
    """An operation on whole arrays that a user defined; made by ``operation``."""

    __slots__ = ("operands",)

    def __init__(self, name: str, forward: Callable[..., Any], operands: tuple[str, ...], symbol: str = "") -> None:
        super().__init__(name, forward, symbol)
        self.operands = operands

    def evaluate(self, operands: tuple[Any, ...], attributes: Mapping[str, Any]) -> Any:
        """The result on plain operands, none of them an array of ``Value``s."""
        if has_objects(operands):
            raise TypeError(
                f"{self.name!r} is an operation on whole tensors and cannot run on an array of Values; "
                "write an operation of one element at a time with custom.elementwise"
            )
        return self.forward(*operands, **attributes)

    def on_floats(self, inputs: Sequence[float]) -> float:
        """Single numbers are not what this operation is for."""
        raise TypeError(f"{self.name!r} takes Tensors, not Values; for both engines use custom.elementwise")

    def vjp(self, gradient: Any, call: Call) -> list[Any]:
        """The user's gradients: each of its operand's shape, none sharing memory with anything else."""
        if not isinstance(call.out, Node):
            # A gradient of the caller's own, so that writing into it harms nobody.
            gradient = gradient.copy()
        return [self._contribution(i, gradient, call) if need else None for i, need in enumerate(call.needed)]

    def _contribution(self, position: int, gradient: Any, call: Call) -> Any:
        vjp = self.every or self.vjps.get(position)
        operand = self.operand(position)
        if vjp is None:
            raise TypeError(
                f"{self.name!r} has no derivative for {operand}, which requires a gradient: "
                "give its vjp to custom.operation, or pass the operand detached"
            )
        before = (position,) if self.every is not None else ()
        contribution = vjp(*before, gradient, call.out, *call.inputs, **call.attributes)
        shape = np.shape(detach(call.inputs[position]))
        given = np.shape(detach(contribution))
        if given != shape:
            raise ValueError(
                f"the vjp of {self.name!r} for {operand} gave shape {given}, but the operand has shape {shape}. "
                f"{_shape_hint(given, shape)}"
            )
        return contribution if isinstance(contribution, Node) else np.array(contribution)

    def operand(self, position: int) -> str:
        """An operand by its position and, where it is known, its name."""
        named = position < len(self.operands)
        return f"operand {position} ({self.operands[position]!r})" if named else f"operand {position}"


def elementwise(
    name: str,
    forward: Callable[..., Any],
    derivatives: Formula | int | Sequence[Formula | int],
    *,
    symbol: str = "",
) -> CustomElementwise:
    """Make an operation of one element at a time, for ``Tensor`` and ``Value``.

    ``forward(x, y, ...)`` is a NumPy formula. ``derivatives`` holds one formula an operand, called as
    ``derivative(x, y, ..., out)`` with the operands and the result; a single one may stand alone, and a derivative
    that is 0, 1 or -1 everywhere may be that number. Broadcasting, its reverse and the chain rule are done for you.
    ``symbol`` is what a picture shows (the name by default).

    >>> softsign = elementwise("softsign", lambda x: x / (1 + np.abs(x)), lambda x, out: 1 / (1 + np.abs(x)) ** 2)
    >>> softsign(np.array([1.0, -3.0]))
    array([ 0.5 , -0.75])

    Raises
    ------
    TypeError
        Where the formulas do not take what they will be given.
    """
    several = isinstance(derivatives, (tuple, list))
    formulas = cast("Sequence[Formula | int]", derivatives if several else (derivatives,))
    _accepts(forward, len(formulas), f"{name!r} has {_count(len(formulas), 'derivative')}, one an operand: its forward")
    for position, formula in enumerate(formulas):
        if isinstance(formula, int):
            if formula not in (-1, 0, 1):
                raise TypeError(f"derivative {position} of {name!r}: the numbers are 0, 1 and -1, not {formula}")
        else:
            _accepts(formula, len(formulas) + 1, f"derivative {position} of {name!r}, called with operands and result,")
    operands = _operand_names(forward, len(formulas))
    guarded = tuple(
        formula if isinstance(formula, int) else _careful(formula, f"derivative {i} of {name!r}", (*operands, "out"))
        for i, formula in enumerate(formulas)
    )
    careful = _careful(forward, f"the forward of {name!r}", operands)
    return CustomElementwise(name, _each_alone(careful, name, len(formulas)), guarded, symbol, scalar=careful)


def operation(name: str, forward: Callable[..., Any], *vjps: Vjp | None, symbol: str = "") -> CustomOperation:
    """Make an operation on whole arrays, for ``Tensor``.

    ``forward(x, y, ..., axis=...)`` is a NumPy function: its operands come first, and whatever else it needs (axes,
    shapes, indices) by keyword. For each operand there is one vector-Jacobian product, called as
    ``vjp(g, out, x, y, ..., axis=...)`` with the gradient ``g`` of the result; it returns the gradient of its operand,
    in the operand's shape. ``None`` stands for an operand without one, such as indices.

    >>> def forward(x, y):
    ...     return x @ y
    >>> product = operation("product", forward, lambda g, out, x, y: g @ y.T, lambda g, out, x, y: x.T @ g)

    Results and gradients are copied, so that they may share memory with anything; operands are given read-only. Written
    in operators and NumPy's functions, a vjp also serves higher derivatives.
    """
    if not vjps:
        raise TypeError(f"operation {name!r} needs a vjp for each operand: operation(name, forward, vjp, ...)")
    if all(vjp is None for vjp in vjps):
        raise TypeError(f"operation {name!r} has no derivative at all: call its forward on x.data instead")
    _accepts(forward, len(vjps), f"{name!r} has {_count(len(vjps), 'vjp')}, one an operand: its forward", True)
    operands = _operand_names(forward, len(vjps))
    careful = _careful(forward, f"the forward of {name!r}", operands)
    made = CustomOperation(name, _copied(careful, name), operands, symbol)
    for position, vjp in enumerate(vjps):
        if vjp is not None:
            _accepts(
                vjp, len(vjps) + 2, f"vjp {position} of {name!r}, called with gradient, result and operands,", True
            )
            what = f"the vjp of {name!r} for {made.operand(position)}"
            made.vjps[position] = _careful(vjp, what, ("out", *operands), own=1)
    return made


def _careful(function: Callable[..., Any], what: str, names: Sequence[str], own: int = 0) -> Callable[..., Any]:
    """The function on read-only views of the arrays it is given, the first ``own`` aside; it must give real numbers."""

    @functools.wraps(function)
    def careful(*arguments: Any, **attributes: Any) -> Any:
        views = [x if i < own else _read_only(x) for i, x in enumerate(arguments)]
        try:
            result = function(*views, **attributes)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            single = names[0] if len(names) == 1 else ""
            which = f"its operand {single!r}" if single else f"what it was given ({', '.join(names)})"
            raise ValueError(
                f"{what} writes into {which}, which others hold too: compute a new array, or copy it first: "
                f"{single or 'x'} = {single or 'x'}.copy()"
            ) from error
        if result is None:
            raise TypeError(f"{what} returned None; does it lack a return?")
        return result if any(map(is_complex, arguments)) else real(result, what)

    return careful


def _each_alone(function: Callable[..., object], name: str, count: int) -> Callable[..., Array]:
    """The function with its result copied and checked: one number for each element of so many operands."""

    @functools.wraps(function)
    def forward(*inputs: Any, **attributes: object) -> Array:
        _no_attributes(name, attributes)
        if len(inputs) != count:
            raise TypeError(f"{name!r} takes {_count(count, 'operand')}, not {len(inputs)}")
        out = _numbers(function(*inputs), name)
        shape = np.broadcast_shapes(*map(np.shape, inputs))
        if out.shape != shape:
            raise ValueError(
                f"the forward of {name!r} gave shape {out.shape} for operands of shapes "
                f"{', '.join(str(np.shape(x)) for x in inputs)}; an elementwise operation gives {shape}. "
                "For a function of whole arrays use custom.operation"
            )
        return out

    return forward


def _copied(function: Callable[..., object], name: str) -> Callable[..., Array]:
    """The function with its result copied: it may be an input, say, or a buffer that is filled again."""

    @functools.wraps(function)
    def forward(*inputs: object, **attributes: object) -> Array:
        return _numbers(function(*inputs, **attributes), name)

    return forward


def _read_only(x: object) -> object:
    if not isinstance(x, np.ndarray):
        return x
    view = cast(Array, x.view())
    view.flags.writeable = False
    return view


def _numbers(result: Any, name: str) -> np.ndarray[Any, Any]:
    """A copy of what a forward gives, which is numbers."""
    array = np.array(result)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"the forward of {name!r} gave {array.dtype}, not real numbers: {result!r:.60}")
    return array


def _no_attributes(name: str, attributes: Mapping[str, Any]) -> None:
    if attributes:
        raise TypeError(f"{name!r} is elementwise and takes no keyword arguments, such as {next(iter(attributes))!r}")


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """How a function can be called; ``ValueError`` where it does not say. Of a ufunc only the operands count.

    NumPy's own signature of a ufunc, which it has since 2.4, would take its output for one more operand.
    """
    ufunc = inspect.unwrap(function)
    if not isinstance(ufunc, np.ufunc):
        return inspect.signature(function)
    names = ["x"] if ufunc.nin == 1 else [f"x{i + 1}" for i in range(ufunc.nin)]
    return inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names])


def _accepts(function: Callable[..., Any], count: int, what: str, keywords: bool = False) -> None:
    """Check that a function can be called with so many operands, and (if allowed) further arguments by keyword."""
    if not callable(function):
        raise TypeError(f"{what} must be a function, not {function!r:.60}")
    try:
        signature = signature_of(function)
    except ValueError:
        # A function written in C that does not say what it takes.
        return
    try:
        if keywords:
            signature.bind_partial(*range(count))
        else:
            signature.bind(*range(count))
    except TypeError:
        raise TypeError(
            f"{what} takes {_count(count, 'argument')}, but it is written as {_name(function)}{signature}"
        ) from None


def _operand_names(function: Callable[..., Any], count: int) -> tuple[str, ...]:
    try:
        parameters = signature_of(function).parameters.values()
    except ValueError:
        return ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(parameter.name for parameter in parameters if parameter.kind in kinds)[:count]


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _shape_hint(given: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Which axes were broadcast in the forward pass and have to be summed over in the backward pass."""
    leading = len(given) - len(wanted)
    if leading >= 0:
        stretched = [leading + i for i, size in enumerate(wanted) if size == 1 and given[leading + i] != 1]
        others = [i for i, size in enumerate(wanted) if size != 1 and given[leading + i] != size]
        axes = (*range(leading), *stretched)
        if axes and not others:
            first = tuple(1 if i == axes[-1] else 0 for i in range(len(given)))
            return (
                f"Broadcasting stretched the operand over axes {axes}, so its gradient is the sum over them: the first "
                f"index too many is {first}. custom.unbroadcast(gradient, {wanted}) does this sum"
            )
    return "A gradient has the shape of the operand it belongs to"
