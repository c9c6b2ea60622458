"""The backward pass as data: what each node hands to its operands, one frame after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.graph import Node
from visualize.backward.rerun import finite_difference
from visualize.graph.data import Graph
from visualize.graph.edges import formula_of, vjp_of
from visualize.graph.extract import Trace, describe, labels_of, trace
from visualize.graph.roots import roots_of
from visualize.graph.source_lines import line_of

Mode = Literal["correct", "order", "overwrite", "no_zero_grad"]

MODES: Mapping[Mode, tuple[str, str]] = {
    "correct": (
        "correct",
        "Each node waits until every node that used it has been visited, then hands its gradient on; "
        "what arrives is added up.",
    ),
    "order": (
        "wrong order",
        "One node hands its gradient on before all that used it have been visited: what it hands on is too early, "
        "and what comes later is lost.",
    ),
    "overwrite": (
        "= in place of +=",
        "What arrives replaces what was there: a value that is used twice keeps the last contribution alone.",
    ),
    "no_zero_grad": (
        "forgotten zero_grad",
        "A second backward pass without zero_grad: leaves still hold the first pass's gradients, "
        "and the new ones are added to them.",
    ),
}
"""What each mode is called, and what happens in it."""


WORK = 20_000_000
"""Programs with more numbers to compute again are not nudged."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one node hands to one operand: ``upstream`` times ``local`` is ``amount``."""

    edge: int
    """The position of the edge in ``graph.edges``."""
    source: str
    """The operand that receives it."""
    target: str
    """The node that hands it on."""
    upstream: Any
    """The gradient of the node that hands it on."""
    local: Any
    """The local derivative; ``None`` for operations on whole arrays, which have no single one."""
    formula: str
    """The rule as the derivative table has it."""
    amount: Any
    before: Any
    """The operand's gradient until now."""
    after: Any
    """The operand's gradient from now on."""
    first: bool
    """Whether this is the first contribution that the operand receives."""

    def __repr__(self) -> str:
        product = "" if self.local is None else f"{_short(self.upstream)} × {_short(self.local)} = "
        return f"Contribution({self.target!r} to {self.source!r}: {product}{_short(self.amount)})"


@dataclass(frozen=True, slots=True)
class Frame:
    """One visit of a node."""

    index: int
    node: str
    gradient: Any
    """The node's gradient when it is visited."""
    contributions: tuple[Contribution, ...]
    queue: tuple[str, ...]
    """The nodes that are still to be visited, in their order."""
    line: str
    """The user's line of code, where it was recorded."""

    def __repr__(self) -> str:
        found = f"index={self.index}, node={self.node!r}, gradient={_short(self.gradient)}"
        return f"Frame({found}, contributions={self.contributions!r})"


def _short(x: Any) -> str:
    """A number, or what shape an array has."""
    return repr(float(x)) if np.ndim(x) == 0 else f"array of shape {np.shape(x)}"


@dataclass(frozen=True)
class BackwardSteps:
    """A backward pass, frame by frame. Iterate over it, or look at ``gradients`` for where it ends."""

    graph: Graph
    mode: Mode
    frames: tuple[Frame, ...]
    start: Mapping[str, Any]
    """Every gradient before the first frame: zero, but for the root's 1 (and what was left by an earlier pass)."""
    gradients: Mapping[str, Any]
    """Every gradient after the last frame."""
    nodes: Mapping[str, Node]
    """The engine's nodes by id."""

    def __repr__(self) -> str:
        return f"BackwardSteps(mode={self.mode!r}, {len(self.frames)} frames, {len(self.graph.nodes)} nodes)"

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def in_mode(self, mode: Mode) -> BackwardSteps:
        """The same pass in another mode."""
        return _run(self.graph, self.nodes, mode)

    @cached_property
    def _order(self) -> list[Node]:
        return [self.nodes[node.id] for node in self.graph.nodes]

    @cached_property
    def finite_differences(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """For each node that has a gradient, an index and the derivative to that element, measured by nudging.

        Of an array the element with the largest gradient is nudged; of a number, itself (index ``()``). Empty for
        programs so large that nudging every node would take long.
        """
        found: dict[str, tuple[tuple[int, ...], float]] = {}
        if len(self.gradients) * sum(np.size(node.data) for node in self._order) > WORK:
            return found
        for key in self.gradients:
            node = self.nodes[key]
            size = np.abs(np.nan_to_num(np.asarray(self.gradients[key], dtype=np.float64)))
            index = tuple(int(i) for i in np.unravel_index(int(size.argmax()), size.shape)) if size.size else ()
            if size.size:
                found[key] = (index, finite_difference(self._order, node, index))
        return found


def backward_steps(root: Any, *inputs: Any, mode: Mode = "correct", names: Any = None) -> BackwardSteps:
    """The backward pass of one number, as data.

    ``root`` is a ``Value`` or ``Tensor`` of one element, or a function (a model) followed by its inputs, whose
    lines of code are then recorded. ``mode`` goes wrong in a way that is worth seeing: ``"order"`` (a node hands
    on too early), ``"overwrite"`` (``=`` in place of ``+=``), ``"no_zero_grad"`` (a second pass).

    >>> from tinygrad_lm import Value
    >>> a = Value(2.0, label="a")
    >>> b, c = a * 2, a + 3
    >>> [backward_steps(b * c, mode=mode).gradients["v0"] for mode in ("correct", "order", "overwrite")]
    [14.0, 4.0, 10.0]
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode is one of {', '.join(map(repr, get_args(Mode)))}, not {mode!r}")
    if names is None and callable(getattr(root, "named_parameters", None)):
        names = root
    roots = roots_of(root, inputs)
    if len(roots) != 1 or np.size(roots[0].data) != 1 or not roots[0].requires_grad:
        raise ValueError(
            "backward_steps takes one root of one element that requires a gradient; reduce it first, as in x.sum()"
        )
    return steps_of(trace(*roots, names=names), mode)


def steps_of(traced: Trace, mode: Mode = "correct") -> BackwardSteps:
    """The backward pass of a graph that has one root of one element."""
    return _run(describe(traced.graph, traced.nodes, line=line_of), traced.nodes, mode)


def _zero(node: Node) -> Any:
    return 0.0 if isinstance(node, Value) else np.zeros_like(node.data)


def _run(graph: Graph, nodes: Mapping[str, Node], mode: Mode) -> BackwardSteps:
    root = graph.roots[0]
    start = {key: _zero(node) for key, node in nodes.items() if node.requires_grad}
    if mode == "no_zero_grad":
        earlier = _run(graph, nodes, "correct").gradients
        start |= {key: earlier[key] for key in start if nodes[key].operation is None}
    start[root] = start[root] + 1
    order = [node.id for node in reversed(graph.nodes) if node.id in start and nodes[node.id].operation is not None]
    if mode == "order":
        order = _wrong_order(order, graph)
    gradients = dict(start)
    received: set[str] = set()
    coming: dict[str, list[int]] = {}
    for i, edge in enumerate(graph.edges):
        coming.setdefault(edge.target, []).append(i)
    labels = labels_of(graph, nodes)
    lines = {entry.id: entry.line for entry in graph.nodes}
    frames: list[Frame] = []
    for index, key in enumerate(order):
        node, upstream = nodes[key], gradients[key]
        pulled = node.pull(upstream, False, None)
        locals_ = _local_derivatives(node)
        handed: list[Contribution] = []
        for i in coming[key]:
            edge = graph.edges[i]
            amount = pulled[edge.position]
            if amount is None or edge.source not in gradients:
                continue
            before = gradients[edge.source]
            after = amount if mode == "overwrite" else before + amount
            gradients[edge.source] = after
            formula = formula_of(node, edge.position, labels) or vjp_of(node, edge.position, labels)
            first = edge.source not in received
            received.add(edge.source)
            local = locals_[edge.position] if locals_ else None
            handed.append(Contribution(i, edge.source, key, upstream, local, formula, amount, before, after, first))
        frames.append(Frame(index, key, upstream, tuple(handed), tuple(order[index + 1 :]), lines[key]))
    return BackwardSteps(graph, mode, tuple(frames), start, gradients, nodes)


def _local_derivatives(node: Node) -> Sequence[Any]:
    """The local derivatives of a scalar, or of an elementwise operation on arrays."""
    if isinstance(node, Value):
        return node.local_derivatives()
    operation: Any = node.operation
    derivatives: tuple[Any, ...] = getattr(operation, "derivatives", ())
    inputs = [parent.data for parent in node.parents]
    found: list[Any] = []
    for parent, derivative in zip(node.parents, derivatives, strict=False):
        if not parent.requires_grad:
            found.append(None)
        elif isinstance(derivative, int):
            found.append(derivative)
        else:
            with np.errstate(all="ignore"):
                found.append(np.asarray(derivative(*inputs, node.data), node.data.dtype))
    return found


def _wrong_order(order: list[str], graph: Graph) -> list[str]:
    """One node moved to before it has everything: one that is used twice if there is one, else the last."""
    uses: dict[str, list[str]] = {}
    for edge in graph.edges:
        if edge.target not in uses.setdefault(edge.source, []):
            uses[edge.source].append(edge.target)
    place = {key: i for i, key in enumerate(order)}
    twice = [key for key in order if len(uses.get(key, ())) > 1]
    if len(order) < 2:
        return order
    moved = twice[0] if twice else order[-1]
    users = sorted(place[user] for user in uses.get(moved, ()) if user in place)
    if not users:
        return order
    # After the first of several users, or before the only one.
    rest = [key for key in order if key != moved]
    at = users[0] + 1 if len(users) > 1 else users[0]
    return [*rest[:at], moved, *rest[at:]]
