"""The graph that both engines share: operations, nodes, the topological order and the backward sweep.

An operation knows how to compute and how to differentiate itself; a node is one result and remembers what made it.
``backward``, below, is all there is to backpropagation: walk the nodes in reverse topological order, and let each
hand its gradient on to its parents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from tinygrad_lm.autograd.call import NOTHING as NOTHING
from tinygrad_lm.autograd.call import Call as Call
from tinygrad_lm.autograd.context import Scope
from tinygrad_lm.autograd.observers import observing, tell_backward


class Operation:
    """A function of one result, with what is needed to differentiate it.

    Called on numbers or arrays it computes; called on nodes it also records itself in their graph. That is
    why a derivative written with operations and NumPy's functions can itself be differentiated.

    ``scalar`` computes it on Python floats, and ``derivatives`` holds the formula of each local derivative, called as
    ``derivative(*inputs, out)``, or the number where that is 0, 1 or -1 everywhere. An operation that has no such
    formulas overrides ``on_floats`` and ``local_derivatives``, or is only for arrays.
    """

    __slots__ = ("__weakref__", "derivatives", "name", "scalar", "symbol")

    saves = False
    """Whether ``forward`` returns ``(result, saved)``, ``saved`` being kept for the backward pass."""

    def __init__(
        self,
        name: str,
        symbol: str = "",
        scalar: Callable[..., float] | None = None,
        derivatives: tuple[Callable[..., Any] | int, ...] = (),
    ) -> None:
        self.name = name
        self.symbol = symbol or name
        self.scalar = scalar
        self.derivatives = derivatives

    def __call__(self, *operands: Any, **attributes: Any) -> Any:
        """Compute on plain operands; with a node among them, compute and record."""
        for operand in operands:
            if isinstance(operand, Node):
                return operand._record(self, operands, attributes)
        return self.evaluate(operands, attributes)

    def forward(self, *inputs: Any, **attributes: Any) -> Any:
        """The result for arrays and numbers, by NumPy's rules of broadcasting and dtype."""
        raise NotImplementedError(f"operation {self.name!r} has no forward")

    def evaluate(self, operands: tuple[Any, ...], attributes: Mapping[str, Any]) -> Any:
        """The bare result on operands none of which is a node."""
        result = self.forward(*operands, **attributes)
        return result[0] if self.saves else result

    def vjp(self, gradient: Any, call: Call) -> Sequence[Any]:
        """The vector-Jacobian product: what the gradient of the result comes to for each input.

        One contribution an input, of the input's shape; ``None`` where ``call.needed`` is false.
        """
        raise NotImplementedError(f"operation {self.name!r} has no derivative")

    def on_floats(self, inputs: Sequence[float]) -> float:
        """The result for Python floats; where Python raises, NumPy's IEEE answer counts: log(0) is -inf."""
        if self.scalar is None:
            raise TypeError(f"{self.name!r} takes Tensors and arrays, not single Values")
        try:
            return self.scalar(*inputs)
        except (ArithmeticError, ValueError):
            return float(self.forward(*map(np.float64, inputs)))

    def on_elements(self, operands: tuple[Any, ...]) -> Any:
        """The result for arrays of ``Value``s, of an operation that works element by element."""
        raise TypeError(f"{self.name!r} takes Tensors and arrays, not single Values")

    def local_derivatives(self, out: Any, inputs: Sequence[Any], needed: Sequence[bool]) -> list[Any]:
        """The derivative of a scalar result with respect to each input, ``None`` where it is not needed.

        Numbers where the derivative is constant; else floats of floats, and nodes of ``Value``s, to be differentiated
        again.
        """
        found: list[Any] = []
        for i, need in enumerate(needed):
            derivative = self.derivatives[i] if need else None
            found.append(derivative if derivative is None or type(derivative) is int else _at(derivative, inputs, out))
        return found

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


def _at(formula: Any, inputs: Sequence[Any], out: Any) -> Any:
    if isinstance(out, Node):
        return formula(*inputs, out)
    try:
        return float(formula(*inputs, out))
    except (ArithmeticError, ValueError, TypeError):
        # Python raises, or turns complex, where IEEE arithmetic has an answer.
        return float(formula(*map(np.float64, inputs), np.float64(out)))


RELEASED = Operation("released")
"""What a node says that it was made by once ``backward(retain_graph=False)`` has passed through it."""


class Node:
    """What a graph is made of: ``Value`` and ``Tensor`` are nodes.

    A node is hashed by identity, so sets and dictionaries tell nodes with equal data apart.
    """

    __slots__ = ("__weakref__", "grad", "label", "operation", "requires_grad", "scope")

    data: Any
    grad: Any
    label: str
    requires_grad: bool
    scope: Scope | None
    """The module call that made this node, if any."""
    operation: Operation | None
    """The operation that made this node; ``None`` for a leaf."""
    parents: tuple[Any, ...]
    """The operands in their order; the same node twice for ``x * x``; empty for a leaf."""

    @property
    def op(self) -> str:
        """The name of the operation that made this node; empty for a leaf."""
        operation = self.operation
        return "" if operation is None else operation.name

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made this node (or its graph was not recorded)."""
        return self.operation is None

    @staticmethod
    def _record(operation: Operation, operands: tuple[Any, ...], attributes: dict[str, Any] = NOTHING) -> Any:
        """Run an operation on operands of which at least one is a node, and record it."""
        raise NotImplementedError

    def _hand_on(self, gradient: Any, create_graph: bool, wanted: set[Node] | None) -> Sequence[Any]:
        """One contribution a parent, ``None`` where no gradient is asked for."""
        raise NotImplementedError

    def _store(self, gradient: Any, owned: bool) -> None:
        """Keep the gradient of a finished pass: a leaf adds it up, an inner node shows the last pass."""
        raise NotImplementedError

    def _release(self) -> None:
        """Drop the links to the parents, and with them what the backward pass needs."""
        raise NotImplementedError

    def __dir__(self) -> list[str]:
        """What a user may ask for: not the words that only say what to write."""
        return offered(self, super().__dir__())


def offered(thing: object, names: Iterable[str]) -> list[str]:
    """Those of the names that an object or its class really has."""
    own = getattr(thing, "__dict__", {})
    return [name for name in names if name in own or hasattr(type(thing), name)]


def detach(x: Any) -> Any:
    """The plain data of a node; anything else as it is."""
    return x.data if isinstance(x, Node) else x


def topological_order(*roots: Node, constants: bool = False) -> list[Node]:
    """Every node that the roots depend on, each after all of its parents.

    Depth first without recursion, parents in their order, so a graph of any depth works and the same program
    gives the same order. Nodes that need no gradient are left out unless ``constants`` is true.
    """
    order: list[Node] = []
    entered: set[Node] = set()
    # A None on top of a node says that all it depends on is in the order already.
    stack: list[Node | None] = [root for root in reversed(roots) if constants or root.requires_grad]
    while stack:
        node = stack.pop()
        if node is None:
            order.append(stack.pop())  # pyright: ignore[reportArgumentType]
            continue
        if node in entered:
            continue
        entered.add(node)
        if not node.parents:
            order.append(node)
            continue
        stack += (node, None)
        for parent in reversed(node.parents):
            if (constants or parent.requires_grad) and parent not in entered:
                stack.append(parent)
    return order


def sweep(
    order: list[Node],
    gradients: dict[Node, Any],
    *,
    create_graph: bool = False,
    wanted: set[Node] | None = None,
    release: bool = False,
) -> Iterator[tuple[Node, Any, bool]]:
    """Walk a topological order backwards, handing every node's gradient on to its parents.

    ``gradients`` holds the roots' gradients. Yields ``(node, gradient, owned)``: the gradient is complete,
    since every use of the node came before; ``owned`` is false where the object is held by somebody else too.
    Consumes both arguments, so that memory that is no longer needed can be freed on the way. With ``release`` inner
    nodes are released too, and only leaves are yielded.
    """
    borrowed = set(gradients)
    sums: set[Node] = set()
    observed = bool(observing())
    while order:
        node = order.pop()
        gradient = gradients.pop(node, None)
        if gradient is None:
            continue
        leaf = node.operation is None
        if leaf or not release:
            yield node, gradient, node not in borrowed
        if leaf:
            continue
        parents = node.parents
        # Held by nothing but the loop: its memory can serve the next node.
        for i, contribution in enumerate(
            tell_backward(node, node._hand_on, gradient, create_graph, wanted)
            if observed
            else node._hand_on(gradient, create_graph, wanted)
        ):
            if contribution is None:
                continue
            parent = parents[i]
            if parent not in gradients:
                gradients[parent] = contribution
                if contribution is gradient:
                    borrowed.add(parent)
            elif parent in sums and not create_graph:
                gradients[parent] += contribution
            else:
                # Not in place: the earlier array may be another node's gradient. The sum is nobody's else.
                gradients[parent] = gradients[parent] + contribution
                borrowed.discard(parent)
                sums.add(parent)
        if release:
            node._release()


def contributions_of(node: Node, gradient: Any, wanted: set[Node] | None = None) -> Sequence[Any]:
    """What a node's gradient comes to for each of its parents; ``None`` where none is asked for."""
    return list(node._hand_on(gradient, False, wanted))


def refuse_released() -> NoReturn:
    """Raise ``RuntimeError``: ``backward(retain_graph=False)`` has passed through a node already."""
    raise RuntimeError(
        "backward: this part of the graph was released by backward(retain_graph=False); "
        "run the forward computation again, or keep the graph with retain_graph=True"
    )


def backward(root: Node, gradient: Any, *, retain_graph: bool) -> None:
    """Add the gradient of ``root``, weighted by ``gradient``, to the ``grad`` of every leaf that requires one.

    Where the graph is kept, each inner node shows its own. An exception on the way leaves every ``grad`` as it was.
    """
    finished = list(sweep(topological_order(root), {root: gradient}, release=not retain_graph))
    for node, total, owned in finished:
        node._store(total, owned)
