"""The array engine: a NumPy array that remembers how it was made, with PyTorch's names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn, Self

import numpy as np

from tinygrad_lm.autograd import graph, numpy_functions, numpy_handlers, observers
from tinygrad_lm.autograd.context import current_scope, recording
from tinygrad_lm.autograd.copying import refuse_to_pickle, twin_of
from tinygrad_lm.autograd.elementwise import real
from tinygrad_lm.autograd.graph import NOTHING, RELEASED, Call, Node, Operation, detach, refuse_released
from tinygrad_lm.autograd.observers import observing
from tinygrad_lm.autograd.operands import as_array, plain_operand
from tinygrad_lm.autograd.recorded import plain_index
from tinygrad_lm.autograd.torch_words import TorchWords
from tinygrad_lm.autograd.types import Array


class Tensor(TorchWords):
    """A NumPy array in a computation graph.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> loss = (w * w).sum()
    >>> loss.backward()
    >>> w.grad
    array([2., 4.])

    ``data`` and ``grad`` are arrays; ``grad`` is ``None`` until ``backward`` reaches the tensor. The data is
    copied and keeps NumPy's dtype (``Tensor([1.0])`` is float64). Integers and booleans carry no gradient.
    Operations follow NumPy: broadcasting, dtypes (NEP 50), and NumPy's own functions work on tensors, with
    gradients. The graph lives as long as its result does.

    Indices, ids and masks are copied when they are recorded. A plain array that is computed with (``x * array``,
    ``array @ x``) is not: refilled before ``backward`` it changes the gradient, which ``detect_anomaly`` finds.
    """

    __slots__ = ("_inputs", "_owner", "_saved", "_stamp", "_used", "_version", "attributes", "parents")

    grad: Array | None
    parents: tuple[Tensor, ...]
    attributes: dict[str, Any]
    """What else the operation was called with: axes, shapes, indices."""

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None, label: str = "") -> None:
        if not isinstance(requires_grad, (bool, np.bool_)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"Tensor(data, requires_grad): {requires_grad!r:.60} is not True or False; a shape, as in PyTorch's "
                "Tensor(2, 3), is written Tensor(np.zeros((2, 3)))"
            )
        self._set(as_array(data, dtype), label)
        if requires_grad:
            self.requires_grad_()

    def _set(self, data: Array, label: str = "") -> None:
        self._data = data
        self._inputs: tuple[Any, ...] = ()
        self._owner: Tensor | None = None
        self._saved: Any = None
        self._stamp = 0
        self._used = False
        self._version = 0
        self.attributes = NOTHING
        self.grad = None
        self.label = label
        self.operation = None
        self.parents = ()
        self.requires_grad = False
        self.scope = None

    @property
    def data(self) -> Array:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The array itself. Setting it (``p.data -= step``) keeps shape and dtype, and marks older graphs stale.

        Writing through it (``p.data[0] = 1``) goes unnoticed by graphs that used it, as in PyTorch. It never reaches
        another tensor: the result of a reshape or a slice, say, gets memory of its own when its data is asked for.
        """
        data = self._data
        if self.operation is not None and data.base is not None:
            data = self._data = data.copy()
        return data

    @data.setter
    def data(self, new: Any) -> None:
        if new is not self._data:
            array = np.array(detach(new), dtype=self._data.dtype)
            if array.shape != self._data.shape:
                raise ValueError(
                    f"data of shape {array.shape} was given for a tensor of shape {self._data.shape}; "
                    "make a new Tensor for another shape"
                )
            self._data = array
        self._version += 1

    @staticmethod
    def _record(operation: Operation, operands: tuple[Any, ...], attributes: dict[str, Any] = NOTHING) -> Any:
        """Compute an operation on arrays and tensors, and link the result to its operands."""
        needed = mixed = False
        inputs: list[Any] = []
        for operand in operands:
            if isinstance(operand, Tensor):
                inputs.append(operand._data)
                if operand.requires_grad:
                    needed = True
            else:
                inputs.append(plain_operand(operand, operation))
                mixed = True
        observed = observing()
        if observed:
            data = observers.watched(operation.forward, *inputs, **attributes)
        else:
            data = operation.forward(*inputs, **attributes)
        saved = None
        if operation.saves:
            data, saved = data
        if type(data) is not np.ndarray:
            data = np.asarray(data)
        out = Tensor.__new__(Tensor)
        out._set(data)
        if needed and recording() and data.dtype.kind == "f":
            parents: tuple[Tensor, ...] = _as_tensors(operands, inputs, data.dtype) if mixed else operands
            stamp = 0
            for parent in parents:
                parent._used = True
                stamp += parent._version
                # A change of the memory that an operand looks at must be noticed too.
                if parent._owner is not None:
                    stamp += parent._owner._version
            out.requires_grad = True
            out.scope = current_scope()
            out.operation = operation
            out.parents = parents
            out.attributes = attributes
            out._inputs = tuple(inputs)
            out._saved = saved
            if data.base is not None:
                owner = parents[0]
                # A view of a view looks at the first one's memory, unless that was given memory of its own.
                if owner._owner is not None and owner._data.base is not None:
                    owner = owner._owner
                out._owner = owner
                stamp += owner._version
            out._stamp = stamp
        elif data.base is not None:
            # Without a graph nothing would notice that a view changes with the array it looks at.
            out._data = data.copy()
        if observed:
            observers.tell_forward(operation, operands, attributes, out)
        return out

    def backward(self, gradient: Any = None, retain_graph: bool = True) -> None:
        """Compute the gradient of this tensor to every leaf it depends on, and add it to their ``grad``.

        ``gradient``, of this tensor's shape, weights its elements; a tensor of one element needs none. The graph
        is kept, with every inner node's gradient of the last pass, as long as its result is held: a second call
        adds up in the leaves once more. ``retain_graph=False`` frees it on the way (what a training loop wants)
        and keeps only the gradients of leaves.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward: this Tensor depends on nothing that requires a gradient; create the inputs with "
                "requires_grad=True, outside no_grad (math.exp(x) gives a plain number: write x.exp() or np.exp(x))"
            )
        graph.backward(self, seed_of(self, gradient, "backward"), retain_graph=retain_graph)

    def _in_place(self, operation: Operation, other: Any) -> Self:
        """Step a leaf within ``no_grad``, as in ``w -= lr * w.grad``; outside, where ``w`` would be lost, an error."""
        if self.requires_grad and self.is_leaf and recording():
            raise RuntimeError(
                "this tensor learns, and changing it in place would cut it off from its gradients: step it within "
                "no_grad(), or write w.data -= ..., or make a new one: y = w - ..."
            )
        return super()._in_place(operation, other)

    def _hand_on(self, gradient: Any, create_graph: bool, wanted: set[Node] | None) -> Sequence[Any]:
        """The vector-Jacobian product with this node's operation: one contribution a parent."""
        operation, parents = self.operation, self.parents
        if operation is None:
            return ()
        if operation is RELEASED:
            refuse_released()
        stamp = self._version if self._owner is None else self._version + self._owner._version
        needed: list[bool] = []
        for parent in parents:
            stamp += parent._version
            if parent._owner is not None:
                stamp += parent._owner._version
            needed.append(parent.requires_grad and (wanted is None or parent in wanted))
        if stamp != self._stamp:
            raise RuntimeError(
                f"backward: an operand or the result of {operation.name!r} was modified after the forward pass "
                "used it, so its gradient would be wrong; run the forward computation again after changing data"
            )
        if create_graph:
            recorded = operation.vjp(gradient, Call(self, parents, needed, self.attributes, self._saved))
            return [
                c if c is None or c.dtype == parent._data.dtype else _real(c, operation).astype(parent._data.dtype)
                for c, parent in zip(recorded, parents, strict=True)
            ]
        contributions = operation.vjp(gradient, Call(self._data, self._inputs, needed, self.attributes, self._saved))
        if len(contributions) != len(parents):
            raise ValueError(
                f"the vjp of {operation.name!r} gave {len(contributions)} contributions, but its operands are "
                f"{len(parents)}: one for each, None where none is needed"
            )
        for i, c in enumerate(contributions):
            # Dtypes that are one object are told equal sooner; equal ones that are two are cast to no effect.
            if c is not None and (type(c) is not np.ndarray or c.dtype is not parents[i]._data.dtype):
                break
        else:
            return contributions
        return [
            None if c is None else np.asarray(_real(c, operation), parent._data.dtype)
            for c, parent in zip(contributions, parents, strict=True)
        ]

    def _release(self) -> None:
        self.operation, self.parents, self.attributes = RELEASED, (), NOTHING
        self._inputs, self._saved = (), None

    def _store(self, gradient: Array, owned: bool) -> None:
        """Add to the gradient of a leaf; an inner node shows the last pass. What is kept is never shared."""
        if self.operation is None and self.grad is not None:
            self.grad = np.asarray(self.grad + gradient)
        else:
            self.grad = gradient if owned and gradient.base is None else gradient.copy()

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch on or off, in place, whether a leaf collects gradients."""
        if requires_grad and self._data.dtype.kind != "f":
            raise TypeError(
                f"only floating-point tensors have gradients, not {self._data.dtype}; "
                "write 1.0 for 1, or give dtype=float"
            )
        if not self.is_leaf:
            raise RuntimeError(
                "requires_grad can be changed only on leaves; use detach() for the result of an operation"
            )
        self.requires_grad = requires_grad
        return self

    def detach(self) -> Tensor:
        """A copy of the array as a leaf that needs no gradient, whatever becomes of this tensor's data later."""
        out = from_array(self._data.copy())
        out.label = self.label
        return out

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    def numpy(self) -> Array:
        """The array, of a tensor that needs no gradient (``detach().numpy()`` of one that does)."""
        return self.__array__()

    def item(self) -> Any:
        """The single element as a Python number."""
        return self._data.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._data.tolist()

    @classmethod
    def _without_graph(cls, function: Callable[..., Any], inputs: tuple[Any, ...], **options: Any) -> Tensor:
        """The result of a function without gradient, on the operands' data."""
        return from_array(np.asarray(function(*map(detach, inputs), **options)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise RuntimeError(
                "this Tensor needs a gradient, which a plain array would lose: use x.data, or x.detach(), to say so"
            )
        return np.array(self._data, dtype=dtype, copy=copy)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return numpy_handlers.call(function, args, options, self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        operation = numpy_functions.UFUNC_METHODS.get((ufunc, method))
        if operation is not None:
            given = {name: value for name, value in options.items() if (name, value) != ("dtype", None)}
            if given.keys() <= {"axis", "keepdims"} and (method != "__call__" or not given):
                return operation(*inputs, **given)
        return super().__array_ufunc__(ufunc, method, *inputs, **options)

    def __setitem__(self, index: Any, value: Any) -> None:
        if not self.is_leaf or (recording() and (self._used or self.requires_grad)):
            raise RuntimeError(
                "assigning into a Tensor that a graph uses would make its gradients wrong. Build a new one with "
                "np.where or np.concatenate; or, to change a leaf before the next forward pass, assign within no_grad()"
            )
        if not self._data.flags.writeable:
            self._data = self._data.copy()
        self._data[plain_index(index)] = detach(value)
        self._version += 1

    def __len__(self) -> int:
        if self._data.ndim == 0:
            raise TypeError("a Tensor of shape () has no length")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        """The single element alone, without a graph: ``float(x)``, and what ``math`` makes of ``x``."""
        return float(self._data.item())

    def __int__(self) -> int:
        return int(self._data.item())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(
                f"the truth of a Tensor of shape {self.shape} is ambiguous; say x.any() or x.all(), and '&' for 'and'"
            )
        return bool(self._data.item())

    def __index__(self) -> int:
        return self._data.__index__()

    def __format__(self, spec: str) -> str:
        return format(self._data.item(), spec) if spec else repr(self)

    def __repr__(self) -> str:
        parts = [np.array2string(self._data, separator=", ", prefix="Tensor(")]
        if self._data.dtype.name not in ("float64", "int64", "bool"):
            parts.append(f"dtype={self._data.dtype}")
        if self.operation is not None:
            parts.append(f"op={self.op!r}")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        if self.label:
            parts.append(f"label={self.label!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = twin_of(self, Tensor, memo)
        Tensor.__init__(twin, self._data, self.requires_grad, label=self.label)
        twin.grad = None if self.grad is None else self.grad.copy()
        return twin

    def __reduce__(self) -> NoReturn:
        refuse_to_pickle("Tensor", "save x.data, or a module's state_dict()")


def from_array(data: Array) -> Tensor:
    """A tensor around an array, which is shared and not copied."""
    out = Tensor.__new__(Tensor)
    out._set(data)
    return out


def share_data(tensor: Tensor, array: Array) -> None:
    """Make an array of its shape and dtype, which is not copied, the data of a leaf."""
    tensor._data = array
    tensor._version += 1


def were_stepped(tensors: Iterable[Tensor]) -> None:
    """Mark the graphs that have used leaves as stale: their arrays have other numbers now."""
    for tensor in tensors:
        tensor._version += 1


def changes(tensors: Iterable[Tensor]) -> int:
    """How often the arrays of tensors have been replaced or changed, in all."""
    total = 0
    for tensor in tensors:
        total += tensor._version
    return total


def is_stale(tensor: Tensor) -> bool:
    """Whether a tensor, or an operand that it was computed from, has been given other data since."""
    if tensor.operation is None or tensor.operation is RELEASED:
        return False
    seen = (tensor, *tensor.parents)
    owners = changes(owner for x in seen if (owner := x._owner) is not None)
    return changes(seen) + owners != tensor._stamp


def call_of(tensor: Tensor) -> Call:
    """What the operation that made a tensor computed with, as its backward pass on arrays will see it."""
    needed = [parent.requires_grad for parent in tensor.parents]
    return Call(tensor._data, tensor._inputs, needed, tensor.attributes, tensor._saved)


def seed_of(tensor: Tensor, gradient: Any, what: str) -> Array:
    """The weights of a tensor's elements at the start of a backward pass, checked; 1 for a single element."""
    if gradient is None:
        if tensor._data.size != 1:
            raise RuntimeError(
                f"{what}: a tensor of shape {tensor.shape} has no single derivative; reduce it first, as in "
                f"x.sum().backward(), or give the weight of each element: gradient of shape {tensor.shape}"
            )
        seed = np.empty(tensor._data.shape, tensor._data.dtype)
        seed.fill(1)
        return seed
    given = real(np.asarray(detach(gradient)), f"{what}: the call")
    seed = given.astype(tensor._data.dtype, copy=False)
    if seed.shape != tensor._data.shape:
        raise ValueError(
            f"{what}: the gradient has shape {seed.shape}, the tensor {tensor._data.shape}; they must agree"
        )
    return seed


def _real(contribution: Any, operation: Operation) -> Any:
    return real(contribution, f"the backward pass of {operation.name!r}")


def _as_tensors(operands: tuple[Any, ...], arrays: list[Any], dtype: Any) -> tuple[Tensor, ...]:
    """The operands as nodes; a Python number takes the result's dtype, as it did in the forward pass."""
    return tuple(
        operand
        if isinstance(operand, Tensor)
        else from_array(np.asarray(array, None if hasattr(array, "dtype") else dtype))
        for operand, array in zip(operands, arrays, strict=True)
    )
