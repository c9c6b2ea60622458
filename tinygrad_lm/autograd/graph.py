"""The graph that both engines share: nodes, operations, the topological sort and the backward sweep."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from types import MemberDescriptorType, TracebackType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_modes: ContextVar[tuple[_GradMode, ...]] = ContextVar("tinygrad_lm.modes", default=())
"""The modes that this thread or task is in, the innermost last."""


class Operation:
    """A function of one result, with what is needed to differentiate it.

    Called on numbers or arrays it computes; called on nodes it also records itself in their graph. That is
    why a derivative written with operations and NumPy's functions can itself be differentiated.
    """

    __slots__ = ("__weakref__", "name", "symbol")

    saves = False
    """Whether ``forward`` returns ``(result, saved)``, ``saved`` being kept for the backward pass."""

    def __init__(self, name: str, symbol: str = "") -> None:
        self.name = name
        self.symbol = symbol or name

    def forward(self, *inputs: Any, **attributes: Any) -> Any:
        """The result for plain numbers or arrays."""
        raise NotImplementedError(f"operation {self.name!r} has no forward")

    def pull(
        self,
        gradient: Any,
        out: Any,
        inputs: Sequence[Any],
        needed: Sequence[bool],
        attributes: dict[str, Any],
        saved: Any,
    ) -> Sequence[Any]:
        """Pull the gradient of the result back to the inputs: the vector-Jacobian product.

        ``inputs`` and ``out`` are arrays, or the nodes themselves where the pass is to be differentiated
        again. Returns one contribution an input, ``None`` where ``needed`` is false.
        """
        raise NotImplementedError(f"operation {self.name!r} has no derivative")

    def __call__(self, *operands: Any, **attributes: Any) -> Any:
        """Compute on plain operands; with a node among them, compute and record."""
        for operand in operands:
            if isinstance(operand, Node):
                return operand.apply(self, operands, attributes)
        return self.evaluate(operands, attributes)

    def on_floats(self, inputs: Sequence[float]) -> float:
        """The result for single numbers, of an operation that has one."""
        raise TypeError(f"{self.name!r} takes Tensors and arrays, not single Values")

    def on_elements(self, operands: tuple[Any, ...]) -> Any:
        """The operation on each element of arrays of ``Value``s, of one that works element by element."""
        raise TypeError(f"{self.name!r} takes Tensors and arrays, not single Values")

    def evaluate(self, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
        """The bare result on operands none of which is a node."""
        result = self.forward(*operands, **attributes)
        return result[0] if self.saves else result

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


class Scope:
    """One call of a module: nodes made in it belong together in a picture."""

    __slots__ = ("kind", "module", "name", "parent")

    def __init__(self, name: str, kind: str, module: int, parent: Scope | None) -> None:
        self.name = name
        """The module's attribute name in the module that holds it; its class name at the top."""
        self.kind = kind
        """The module's class name."""
        self.module = module
        """The module's identity: two calls of one module share it."""
        self.parent = parent
        """The call that this call was made in."""


_scope: ContextVar[Scope | None] = ContextVar("tinygrad_lm.scope", default=None)
current_scope = _scope.get
enter_scope = _scope.set
leave_scope = _scope.reset


_ENGINE = frozenset({"apply", "attributes", "in_place", "plain", "pull", "release", "scope", "seed", "store", "wrap"})


class Node:
    """What a graph is made of: ``Value`` and ``Tensor`` are nodes.

    A node is hashed by identity, so sets and dictionaries tell nodes with equal data apart.
    """

    __slots__ = ("__weakref__", "grad", "label", "operation", "parents", "requires_grad", "scope")

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

    @classmethod
    def apply(cls, operation: Operation, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
        """Run an operation on operands of which at least one is a node, and record it."""
        raise NotImplementedError

    def pull(self, gradient: Any, create_graph: bool, wanted: set[Node] | None) -> Sequence[Any]:
        """One contribution a parent, ``None`` where no gradient is asked for."""
        raise NotImplementedError

    def release(self) -> None:
        """Drop the links to the parents, and with them what the backward pass needs."""
        raise NotImplementedError

    def store(self, gradient: Any, owned: bool) -> None:
        """Keep the gradient of a finished pass: a leaf adds it up, an inner node shows the last pass."""
        raise NotImplementedError

    def __dir__(self) -> list[str]:
        """What a user may ask for: not what the engine needs, nor the words that only say what to write."""
        return [name for name in offered(self, super().__dir__()) if name not in _ENGINE]


def offered(thing: object, names: Iterable[str]) -> list[str]:
    """Those of the names that an object or its class really has."""
    own = getattr(thing, "__dict__", {})
    return [name for name in names if name in own or hasattr(type(thing), name)]


def constant(x: Any) -> Any:
    """The plain data of a node; anything else as it is."""
    return x.data if isinstance(x, Node) else x


def copy_attributes(node: Node, twin: Node, engine: type[Node], memo: dict[int, Any]) -> None:
    """Copy what a subclass of an engine adds to its nodes, in slots or in an instance dictionary."""
    for kind in type(node).__mro__:
        if issubclass(engine, kind):
            continue
        for name, slot in vars(kind).items():
            if isinstance(slot, MemberDescriptorType) and hasattr(node, name):
                slot.__set__(twin, copy.deepcopy(slot.__get__(node), memo))
    if hasattr(node, "__dict__"):
        vars(twin).update(copy.deepcopy(vars(node), memo))


def is_grad_enabled() -> bool:
    """Whether operations are recorded here and now (per thread and per task)."""
    modes = _modes.get()
    return not modes or modes[-1].enabled


class _GradMode:
    """A context manager and decorator that switches recording, restored whatever happens."""

    enabled = True

    def __enter__(self) -> None:
        _modes.set((*_modes.get(), self))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        modes = _modes.get()
        for i in reversed(range(len(modes))):
            if modes[i] is self:
                _modes.set((*modes[:i], *modes[i + 1 :]))
                return
        # An asynchronous generator that another task closes: this task never was in the mode.

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{type(self).__name__} cannot decorate the generator function {function.__qualname__!r}: its body "
                f"would run outside; write 'with {type(self).__name__}():' inside the function"
            )
        if inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{type(self).__name__} cannot decorate the coroutine {function.__qualname__!r}; "
                f"write 'with {type(self).__name__}():' inside it"
            )

        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with type(self)():
                return function(*args, **kwargs)

        return wrapped


class no_grad(_GradMode):
    """Inside, operations compute without recording a graph: ``with no_grad():`` or ``@no_grad()``."""

    enabled = False


class enable_grad(_GradMode):
    """Inside, operations are recorded again, also within ``no_grad``."""

    enabled = True


def topological_order(*roots: Node, constants: bool = False) -> list[Node]:
    """Every node that the roots depend on, each after all of its parents.

    Depth first without recursion, parents in their order, so a graph of any depth works and the same program
    gives the same order. Nodes that need no gradient are left out unless ``constants`` is true.
    """
    order: list[Node] = []
    entered: set[Node] = set()
    # A None above a node says that all below the node has been seen to.
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
        stack.append(node)
        stack.append(None)
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
    Consumes both arguments, so that what is done with can be freed on the way.
    """
    borrowed = set(gradients)
    while order:
        node = order.pop()
        gradient = gradients.pop(node, None)
        if gradient is None:
            continue
        yield node, gradient, node not in borrowed
        if node.operation is None:
            continue
        for parent, contribution in zip(node.parents, node.pull(gradient, create_graph, wanted), strict=True):
            if contribution is None:
                continue
            if parent in gradients:
                # Never in place: the earlier array may be another node's gradient.
                gradients[parent] = gradients[parent] + contribution
                borrowed.discard(parent)
            else:
                gradients[parent] = contribution
                if contribution is gradient:
                    borrowed.add(parent)
        if release:
            node.release()


def backward(root: Node, gradient: Any, *, retain_graph: bool) -> None:
    """Add the gradient of ``root``, weighted by ``gradient``, to the ``grad`` of every leaf.

    An exception on the way leaves every ``grad`` as it was.
    """
    finished: list[tuple[Node, Any, bool]] = []
    for found in sweep(topological_order(root), {root: gradient}, release=not retain_graph):
        if retain_graph or found[0].operation is None:
            finished.append(found)
    for node, total, owned in finished:
        node.store(total, owned)


def gradients_of(
    outputs: Sequence[Node], inputs: Sequence[Node], seeds: Iterable[Any], *, create_graph: bool
) -> list[Any]:
    """The gradient of the outputs, weighted by ``seeds``, to each input; ``None`` where there is no path."""
    order = topological_order(*outputs)
    targets = set(inputs)
    wanted: set[Node] = set()
    for node in order:
        # A node with an operation but no parents was released: pulling it says so, skipping it would give zero.
        released = node.operation is not None and not node.parents
        if released or node in targets or any(parent in wanted for parent in node.parents):
            wanted.add(node)
    pending: dict[Node, Any] = {}
    for output, seed in zip(outputs, seeds, strict=True):
        if output in wanted:
            pending[output] = pending[output] + seed if output in pending else seed
    found: dict[Node, Any] = {}
    needed = [node for node in order if node in wanted]
    for node, total, _ in sweep(needed, pending, create_graph=create_graph, wanted=wanted):
        if node in targets:
            found[node] = total
    return [found.get(node) for node in inputs]
