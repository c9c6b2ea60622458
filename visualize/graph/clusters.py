"""The frames around a graph's nodes: one for each call of a module, with the leaves that only it uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinygrad_lm.autograd.context import Scope
from tinygrad_lm.autograd.graph import Node
from visualize.graph.data import Cluster, Kind

Chain = tuple[str, ...]
"""The clusters around a node, outermost first."""


def clusters_of(order: Sequence[Node], kinds: Mapping[Node, Kind]) -> tuple[tuple[Cluster, ...], Mapping[Node, str]]:
    """The module calls that made the nodes, and for each node the innermost one it belongs to."""
    known: dict[Scope, Cluster] = {}
    chains: dict[Scope | None, Chain] = {None: ()}
    modules: dict[int, int] = {}
    for node in order:
        calls: list[Scope] = []
        scope = node.scope if node.operation is not None else None
        while scope is not None and scope not in known:
            calls.append(scope)
            scope = scope.parent
        for call in reversed(calls):
            outer = chains[call.parent]
            module = modules.setdefault(call.module, len(modules))
            known[call] = Cluster(f"c{len(known)}", call.name, call.kind, module, outer[-1] if outer else "")
            chains[call] = (*outer, known[call].id)
    around = {node: chains[node.scope if node.operation is not None else None] for node in order}
    if known:
        _take_in_leaves(order, kinds, around)
    return tuple(known.values()), {node: chain[-1] if chain else "" for node, chain in around.items()}


def _take_in_leaves(order: Sequence[Node], kinds: Mapping[Node, Kind], around: dict[Node, Chain]) -> None:
    """Put parameters and constants where all of their uses are: leaves are made outside of any call."""
    common: dict[Node, Chain] = {}
    for node in order:
        chain = around[node]
        for parent in node.parents:
            if parent.operation is None and kinds[parent] != "input":
                earlier = common.get(parent, chain)
                common[parent] = tuple(a for a, b in zip(earlier, chain, strict=False) if a == b)
    around.update(common)
