"""The frames around a graph's nodes: one for each call of a module, with the leaves that only it uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from itertools import takewhile

from tinygrad_lm.autograd.context import Scope
from tinygrad_lm.autograd.graph import Node
from visualize.graph.data import Cluster


def homes_of(order: Sequence[Node], outside: Set[Node] = frozenset()) -> dict[Node, Scope | None]:
    """The innermost module call that each node belongs to.

    Leaves are made outside of any call: they are put where all of their uses are, but for those ``outside``. What each
    call of one module uses, as a loop's cell its weights, belongs to the first. A leaf that says itself where it
    belongs, as the numbers of a parameter do that was taken apart, stays there.
    """
    homes = {node: node.scope for node in order}
    if not any(homes.values()):
        return homes
    chains: dict[Scope | None, tuple[Scope, ...]] = {None: ()}
    depths = _depths(order, chains)
    common: dict[Node, tuple[Scope, ...]] = {}
    for node in order:
        chain = _chain(homes[node], chains)
        for parent in node.parents:
            if parent.operation is None and parent.scope is None and parent not in outside:
                both = sorted((common.get(parent, chain), chain), key=lambda calls: [depths[call] for call in calls])
                common[parent] = tuple(first for first, _ in takewhile(_of_one_module, zip(*both, strict=False)))
    return homes | {leaf: chain[-1] if chain else None for leaf, chain in common.items()}


def _depths(order: Sequence[Node], chains: dict[Scope | None, tuple[Scope, ...]]) -> dict[Scope, int]:
    """How long a history each call has: of the calls in a loop the first has the shortest."""
    levels: dict[Node, int] = {}
    depths: dict[Scope, int] = {}
    for node in order:
        levels[node] = 1 + max((levels[parent] for parent in node.parents), default=0)
        for call in _chain(node.scope, chains):
            depths[call] = max(depths.get(call, 0), levels[node])
    return depths


def _of_one_module(calls: tuple[Scope, Scope]) -> bool:
    return calls[0].module == calls[1].module


def _chain(scope: Scope | None, known: dict[Scope | None, tuple[Scope, ...]]) -> tuple[Scope, ...]:
    """A call and the calls around it, outermost first."""
    calls: list[Scope] = []
    while scope is not None and scope not in known:
        calls.append(scope)
        scope = scope.parent
    for call in reversed(calls):
        known[call] = (*known[call.parent], call)
        scope = call
    return known[scope]


def clusters_of(
    order: Sequence[Node], homes: Mapping[Node, Scope | None]
) -> tuple[tuple[Cluster, ...], dict[Node, str]]:
    """A cluster for each module call that nodes belong to, and for each node the id of the innermost one."""
    known: dict[Scope, Cluster] = {}
    chains: dict[Scope | None, tuple[Scope, ...]] = {None: ()}
    modules: dict[int, int] = {}
    for node in order:
        for call in _chain(homes[node], chains):
            if call not in known:
                outer = known[call.parent].id if call.parent in known else ""
                module = modules.setdefault(call.module, len(modules))
                known[call] = Cluster(f"c{len(known)}", call.name, call.kind, module, outer)
    ids = {node: known[home].id if (home := homes[node]) is not None else "" for node in order}
    return tuple(known.values()), ids
