"""The backward pass as data: what each node hands to its operands, one frame after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.graph import Node
from visualize.backward.modes import Mode, wrong_order
from visualize.backward.rerun import finite_difference
from visualize.graph.data import Graph
from visualize.graph.describe import described
from visualize.graph.edges import Words, derivative_of, formula_of, vjp_of, words_of
from visualize.graph.extract import Extract, extract
from visualize.graph.naming import Names, naming_of
from visualize.graph.nodes import Number, array_of, contributions_of, local_derivatives_of
from visualize.graph.roots import roots_of

WORK = 20_000_000
"""Programs in which nudging would compute more numbers than this are not nudged."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one node hands to one operand: ``upstream`` times ``local`` is ``amount``."""

    edge: int
    """The position of the edge in ``graph.edges``."""
    source: str
    """The operand that receives it."""
    target: str
    """The node that hands it on."""
    upstream: Number
    """The gradient of the node that hands it on."""
    local: Number | None
    """The local derivative; ``None`` for operations on whole arrays, which have no single one."""
    derivative: str
    """Whose derivative it is: ``∂d/∂a``."""
    formula: str
    """The rule as the derivative table has it, or what an operation on whole arrays makes of ``g``, its gradient."""
    amount: Number
    before: Number
    """The operand's gradient until now."""
    after: Number
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
    """The number of the visit, from 0."""
    node: str
    """The id of the node."""
    gradient: Number
    """The node's gradient when it is visited."""
    contributions: tuple[Contribution, ...]
    """What the node hands to each of its operands."""
    queue: tuple[str, ...]
    """The nodes that are still to be visited, in their order."""
    line: str
    """The user's line of code, where it was recorded."""

    def __repr__(self) -> str:
        found = f"index={self.index}, node={self.node!r}, gradient={_short(self.gradient)}"
        return f"Frame({found}, contributions={self.contributions!r})"


def _short(x: Number) -> str:
    """A number, or what shape an array has."""
    return repr(float(x)) if np.ndim(x) == 0 else f"array of shape {np.shape(x)}"


@dataclass(frozen=True)
class BackwardSteps:
    """A backward pass, frame by frame. Iterate over it, or look at ``gradients`` for where it ends."""

    graph: Graph
    """What the pass goes through, as data."""
    mode: Mode
    """``"correct"``, or the way in which the pass goes wrong."""
    frames: tuple[Frame, ...]
    """The visits, in their order."""
    start: Mapping[str, Number]
    """Every gradient before the first frame: zero, but for the root's 1 (and what was left by an earlier pass)."""
    gradients: Mapping[str, Number]
    """Every gradient after the last frame."""
    nodes: Mapping[str, Node]
    """The engine's nodes by id."""
    words: Words
    """What formulas call each node."""

    def __repr__(self) -> str:
        return f"BackwardSteps(mode={self.mode!r}, {len(self.frames)} frames, {len(self.graph.nodes)} nodes)"

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def in_mode(self, mode: Mode) -> BackwardSteps:
        """The same pass in another mode."""
        return _run(self.graph, self.nodes, self.words, mode)

    @cached_property
    def _order(self) -> list[Node]:
        return [self.nodes[node.id] for node in self.graph.nodes if node.id in self.nodes]

    @cached_property
    def finite_differences(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """For each node that has a gradient, an index and the derivative to that element, measured by nudging.

        In an array the element with the largest gradient is nudged; a number has the index ``()``. Empty for programs
        so large that nudging every node would take long.
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


def backward_steps(root: object, *inputs: object, mode: Mode = "correct", names: Names = None) -> BackwardSteps:
    """The backward pass of one number, as data.

    Parameters
    ----------
    root : Value, Tensor of one element, or callable
        Where the pass begins. A function (a model) is called with ``inputs``, while lines of code are recorded.
    *inputs
        The inputs of a model or a function.
    mode : {"correct", "order", "overwrite", "no_zero_grad"}
        The last three go wrong in a way that is worth seeing: a node hands on too early, ``=`` stands in place of
        ``+=``, or a second pass adds to the first.
    names : mapping or model, optional
        Labels, as in ``draw``.

    Returns
    -------
    BackwardSteps
        A frame for each node that hands its gradient on. ``Value``s have floats as gradients, ``Tensor``s arrays of
        their shape and dtype.

    Raises
    ------
    TypeError
        For a root that cannot be drawn.
    ValueError
        For a root that is not one number or needs no gradient, and for an unknown mode.

    Examples
    --------
    >>> from tinygrad_lm import Value
    >>> a = Value(2.0, label="a")
    >>> b, c = a * 2, a + 3
    >>> [backward_steps(b * c, mode=mode).gradients["v0"] for mode in ("correct", "order", "overwrite")]
    [14.0, 4.0, 10.0]
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode is one of {', '.join(map(repr, get_args(Mode)))}, not {mode!r}")
    naming = naming_of(names, root, inputs)
    roots = roots_of(root, inputs)
    if len(roots) != 1 or np.size(roots[0].data) != 1 or not roots[0].requires_grad:
        raise ValueError(
            "backward_steps takes one root of one element that requires a gradient; reduce it first, as in x.sum()"
        )
    return steps_of(extract(*roots, naming=naming), mode)


def steps_of(extracted: Extract, mode: Mode = "correct") -> BackwardSteps:
    """The backward pass of a graph that has one root of one element."""
    graph = described(extracted.graph, extracted, lines=True, local=True)
    return _run(graph, extracted.nodes, words_of(extracted), mode)


def _run(graph: Graph, nodes: Mapping[str, Node], words: Words, mode: Mode) -> BackwardSteps:
    start = _start(graph, nodes, words, mode)
    order = [node.id for node in reversed(graph.nodes) if node.id in start and node.op]
    if mode == "order":
        order = wrong_order(order, graph)
    gradients = dict(start)
    received: set[str] = set()
    coming: dict[str, list[int]] = {}
    for i, edge in enumerate(graph.edges):
        coming.setdefault(edge.target, []).append(i)
    lines = {entry.id: entry.line for entry in graph.nodes}
    frames: list[Frame] = []
    for index, key in enumerate(order):
        node, upstream = nodes[key], gradients[key]
        amounts = contributions_of(node, upstream)
        locals_ = local_derivatives_of(node)
        handed: list[Contribution] = []
        for i in coming[key]:
            source, position = graph.edges[i].source, graph.edges[i].position
            if source not in gradients:
                continue
            amount = amounts[position]
            if amount is None:
                continue
            before = gradients[source]
            after = gradients[source] = amount if mode == "overwrite" else before + amount
            formula = formula_of(node, position, words) or vjp_of(node, position, words)
            local = locals_[position] if locals_ else None
            first = source not in received
            received.add(source)
            derivative = derivative_of(node, nodes[source], words)
            handed.append(
                Contribution(i, source, key, upstream, local, derivative, formula, amount, before, after, first)
            )
        frames.append(Frame(index, key, upstream, tuple(handed), tuple(order[index + 1 :]), lines[key]))
    return BackwardSteps(graph, mode, tuple(frames), start, gradients, nodes, words)


def _start(graph: Graph, nodes: Mapping[str, Node], words: Words, mode: Mode) -> dict[str, Number]:
    """Every gradient before the pass: zero, and 1 for the root."""
    start = {key: _zero(node) for key, node in nodes.items() if node.requires_grad}
    if mode == "no_zero_grad":
        earlier = _run(graph, nodes, words, "correct").gradients
        start |= {key: earlier[key] for key in start if nodes[key].operation is None}
    root = graph.roots[0]
    start[root] = start[root] + 1
    return start


def _zero(node: Node) -> Number:
    return 0.0 if isinstance(node, Value) else np.zeros_like(array_of(node))
