"""The backward pass over ``Value``s: what ``graph.backward`` does, bit for bit, several times as fast.

``graph.py`` has the plain form of all that is here, and keeps what it notes of the nodes in tables. A graph of numbers
has so many nodes that here it stands in a slot of each, and that one or two operands, by far the most common, are taken
without a call. Only the numbers of a ``Product``, through which the pass goes back at once, differ by rounding.
"""

from __future__ import annotations

from _thread import allocate_lock  # what threading.Lock is, without the rest of threading
from collections.abc import Sequence
from typing import Any, Protocol

from tinygrad_lm.autograd import graph
from tinygrad_lm.autograd.elementwise import Elementwise
from tinygrad_lm.autograd.observers import observing
from tinygrad_lm.autograd.value_products import Product


class Number(Protocol):
    """What the pass takes of a node: what ``made_from.py`` says of its operands, and a slot for what comes to it."""

    _left: Any
    _right: Any
    _x: Any
    _y: float
    _total: float

    def _hand_on(self, gradient: float, create_graph: bool, wanted: None) -> Sequence[Any]: ...

    def _release(self) -> None: ...


ONE = 1
"""A derivative by which nothing is multiplied: in Python a small integer is one object everywhere."""

_slots = allocate_lock()  # held by the pass that the slots serve; another one meanwhile, or within it, keeps to tables


def backward(root: Any, gradient: float, retain_graph: bool) -> None:
    """Add the gradient of ``root``, a ``Value``, times ``gradient`` to the ``grad`` of every leaf that requires one."""
    if observing() or not _slots.acquire(blocking=False):
        return graph.backward(root, gradient, retain_graph=retain_graph)
    try:
        # This very object in place of a sum: the node is in the order, and nothing has come to it.
        unreached = float("nan")
        order = _order(root, unreached)
        root._total = gradient
        _sweep(order, unreached, retain_graph)
        for node in order:
            total = node._total
            if total is not unreached:
                if node.operation is None:
                    earlier = node.grad
                    node.grad = earlier + total if earlier is not None else total
                elif retain_graph:
                    node.grad = total
    finally:
        _slots.release()


def _order(root: Any, unreached: float) -> list[Any]:
    """``topological_order``, with each node's slot in place of the set of those that were entered."""
    entered = float("nan")  # what the node waits for, its operands, stands above it
    order: list[Any] = []
    waiting: list[Any] = []
    node = root
    while True:
        left: Any = node._left
        right: Any = node._right
        if node._total is not entered:
            first = None
            if right is not None:
                if right._total is not unreached and right.requires_grad:
                    first = right
                if left._total is not unreached and left.requires_grad:
                    waiting.append(node)
                    if first is not None:
                        waiting.append(first)
                    node._total = entered
                    node = left
                    continue
                if first is not None:
                    waiting.append(node)
                    node._total = entered
                    node = first
                    continue
            elif left:
                missing: list[Any] = []
                if type(left) is not Product:
                    missing = [parent for parent in left if parent._total is not unreached and parent.requires_grad]
                elif left._total is not unreached:
                    missing = _inner(left.missing(unreached), unreached, order)
                if missing:
                    missing.append(node)
                    missing.reverse()
                    waiting += missing
                    node._total = entered
                    node = waiting.pop()
                    continue
        if type(left) is Product and left._total is not unreached:
            left._total = unreached
            order.append(left)
        node._total = unreached
        order.append(node)
        while waiting:
            node = waiting.pop()
            if node._total is not unreached:
                break
        else:
            return order


def _inner(nodes: list[Any], unreached: float, order: list[Any]) -> list[Any]:
    """Those of the nodes that are no leaves; the leaves, which wait for nothing, are put into the order."""
    inner: list[Any] = []
    for node in nodes:
        if node.operation is not None:
            inner.append(node)
        elif node._total is not unreached:
            node._total = unreached
            order.append(node)
    return inner


def _sweep(order: list[Any], unreached: float, retain_graph: bool) -> None:
    """Walk the order backwards; each node's gradient adds up in its slot and is handed on, part by part."""
    for node in reversed(order):
        total, operation = node._total, node.operation
        if total is unreached or operation is None:
            continue
        left, right = node._left, node._right
        if type(left) is Product:
            left.collect(node._x, total)
        elif left is None:  # a product: all has come to its numbers
            node.hand_on(unreached)
            continue
        elif right is None:
            parts: Any = None
            if len(left) == 1 and type(operation) is Elementwise and left[0].requires_grad:
                slope: Any = operation.derivatives[0]
                try:
                    part = total * (slope if type(slope) is int else slope(node._x[0], node.data))
                    if part == part and type(part) is float:
                        parts = (part,)
                except (ArithmeticError, ValueError, TypeError):
                    pass
            for parent, part in zip(left, node._hand_on(total, False, None) if parts is None else parts, strict=False):
                if part is not None:
                    earlier = parent._total
                    parent._total = part if earlier is unreached else earlier + part
        else:
            # The chain rule, as ``_hand_on`` has it; what is out of the ordinary is left to that.
            first: Any = None
            second: Any = None
            try:
                if type(operation) is not Elementwise:
                    raise TypeError
                pair: Any = operation.derivatives
                one, other = pair
                if left.requires_grad:
                    if one is ONE:
                        first = total
                    else:
                        first = total * (one if type(one) is int else one(node._x, node._y, node.data))
                        if first != first or type(first) is not float:
                            raise ValueError
                if right.requires_grad:
                    if other is ONE:
                        second = total
                    else:
                        second = total * (other if type(other) is int else other(node._x, node._y, node.data))
                        if second != second or type(second) is not float:
                            raise ValueError
            except (ArithmeticError, ValueError, TypeError):
                first, second = node._hand_on(total, False, None)
            if first is not None:
                earlier = left._total
                left._total = first if earlier is unreached else earlier + first
            if second is not None:
                earlier = right._total
                right._total = second if earlier is unreached else earlier + second
        if not retain_graph:
            node._release()
