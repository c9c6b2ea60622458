"""The ways in which a backward pass goes, right and wrong: what each is called, and the order that is too early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from visualize.graph.data import Graph

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
        "What arrives replaces what was there: a value that is used twice keeps only the last contribution.",
    ),
    "no_zero_grad": (
        "forgotten zero_grad",
        "A second backward pass without zero_grad: leaves still hold the first pass's gradients, "
        "and the new ones are added to them.",
    ),
}
"""What each mode is called, and what happens in it."""


def wrong_order(order: list[str], graph: Graph) -> list[str]:
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
