"""The plain-data graph between engines and pictures: nodes, ordered edges and clusters, nothing of an engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["data", "input", "parameter", "constant", "operation", "module", "loss", "group"]

KINDS: dict[Kind, str] = {
    "data": "data",
    "input": "input",
    "parameter": "parameter",
    "constant": "constant",
    "operation": "operation",
    "module": "module",
    "loss": "result",
    "group": "several nodes",
}
"""What each kind of node is called in a legend."""


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One box of a picture: a leaf, the result of an operation, or a group that stands for several nodes."""

    id: str
    """``v0``, ``v1``... in topological order; ``d0``... for arrays of data; ``g0``... for groups."""
    kind: Kind
    label: str = ""
    """The user's name for it; any string."""
    name: str = ""
    """What formulas call it, where they speak of it: its label if that reads well and is its own, else ``v3``, say."""
    op: str = ""
    """The name of the operation that made it; empty for a leaf."""
    symbol: str = ""
    """The operation as a short sign."""
    options: str = ""
    """What else the operation was called with, as ``axis=1``."""
    shape: tuple[int, ...] | None = None
    """``None`` for a scalar of the ``Value`` engine."""
    dtype: str = ""
    data: str = ""
    """The number, or a summary of the array."""
    grad: str = ""
    """The gradient in the same form; ``-`` before a backward pass, empty where none is asked for."""
    alert: bool = False
    """Whether data or grad holds a nan, or an infinity that no mask put there."""
    note: str = ""
    """What a reader must know of it: that it is stale, or where its nan comes from."""
    focused: bool = False
    """Whether the picture is about this node and what is around it."""
    cluster: str = ""
    """The innermost cluster that it belongs to; empty at the top."""
    size: int = 1
    """How many nodes of the program it stands for."""
    weights: int = 0
    """How many trainable numbers a group holds."""
    module: int = -1
    """The module whose call a group is, as in ``Cluster.module``; -1 for another group."""
    quiet: bool = False
    """Whether its numbers are those of its operand, in another shape."""
    takes: tuple[int, ...] | None = None
    """The shape of what goes in, where that is told: of an architecture's boxes, if it is another than comes out."""
    parts: tuple[str, ...] = ()
    """The weights of a module, as ``weight 200×30``."""
    cells: tuple[tuple[int, ...], ...] = ()
    """Its numbers as a small picture, from -8 to 8, where that is asked for."""
    line: str = ""
    """The user's line of code that made it, where it was recorded."""


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """One use of a node by an operation; ``x * x`` has two."""

    source: str
    target: str
    position: int = 0
    """Which argument of the operation this is, from 0."""
    argument: str = ""
    """The argument's name where the order of arguments matters; empty where it does not."""
    derivative: str = ""
    """Whose derivative it is, and to what: ``∂o/∂n``."""
    formula: str = ""
    """The local derivative as the derivative table has it."""
    local: str = ""
    """The local derivative's number."""
    uses: int = 1
    """How many edges of the program it stands for."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One call of a module: a frame around the nodes that it made."""

    id: str
    """``c0``, ``c1``... in the order of the nodes."""
    name: str
    kind: str
    """The module's class name."""
    module: int
    """A number for the module itself: two calls of one module share it."""
    parent: str = ""
    """The cluster around this one; empty at the top."""
    note: str = ""
    """What was done to it, as ``x4``."""

    @property
    def title(self) -> str:
        """The line at the top of the frame."""
        title = f"{self.name}: {self.kind}" if self.name and self.name != self.kind else self.kind
        return f"{title} {self.note}".strip()


@dataclass(frozen=True, slots=True)
class Graph:
    """A computation graph as data: what every picture is drawn from."""

    nodes: tuple[GraphNode, ...]
    """In topological order: operands before results."""
    edges: tuple[GraphEdge, ...]
    """By target, then by argument position."""
    clusters: tuple[Cluster, ...] = ()
    """Outer clusters before inner ones."""
    roots: tuple[str, ...] = ()
    """The ids of the results that were asked for."""
    total: int = 0
    """How many nodes the program has."""
    notes: tuple[str, ...] = field(default=())
    """What was left out or put together, one phrase each."""

    def __repr__(self) -> str:
        caption = f", {self.caption}" if self.caption else ""
        return f"Graph({len(self.nodes)} nodes, {len(self.edges)} edges{caption})"

    @property
    def shown(self) -> int:
        """How many nodes of the program are drawn on their own."""
        return sum(node.kind != "group" for node in self.nodes)

    @property
    def caption(self) -> str:
        """What a reader must know about a picture that does not show everything; empty if it does."""
        if self.shown == self.total:
            return "; ".join(self.notes)
        notes = f" ({'; '.join(self.notes)})" if self.notes else ""
        if not self.shown and sum(node.size for node in self.nodes) == self.total:
            return f"{self.total:,} nodes in {len(self.nodes):,} boxes{notes}"
        return f"showing {self.shown:,} of {self.total:,} nodes{notes}"

    def depth(self) -> dict[str, int]:
        """How many clusters are around each cluster."""
        depths: dict[str, int] = {}
        for cluster in self.clusters:
            depths[cluster.id] = depths[cluster.parent] + 1 if cluster.parent else 0
        return depths


def kinds_of(nodes: Iterable[GraphNode]) -> list[Kind]:
    """The kinds that occur, in the order of a legend."""
    present = {node.kind for node in nodes}
    return [kind for kind in KINDS if kind in present]
