"""The forward pass and the update as data: what each node computes, and what each leaf becomes by its gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.types import Array
from visualize.backward.frames import BackwardSteps
from visualize.backward.rerun import result_with
from visualize.backward.rules import rule_of
from visualize.graph.data import GraphNode
from visualize.graph.nodes import Number


class Optimizer(Protocol):
    """What steps parameters, as the optimizers of ``tinygrad_lm.optim`` do. It is looked at, and not stepped."""

    moments: tuple[str, ...]
    scale: float
    state: dict[int, dict[str, Array]]
    counts: dict[int, int]
    groups: Any

    def update(
        self,
        data: Array,
        gradient: Array,
        state: dict[str, Array],
        scratch: Array,
        count: int,
        options: dict[str, float],
    ) -> None:
        """Step one array in place."""
        ...


@dataclass(frozen=True, slots=True)
class Computed:
    """One node that is computed."""

    index: int
    """Which one it is, from 0."""
    node: str
    """The id of the node."""
    operands: tuple[str, ...]
    """The ids of what it is computed from, in the order of the arguments."""
    value: Number
    line: str
    """The user's line of code, where it was recorded."""


@dataclass(frozen=True, slots=True)
class Updated:
    """One leaf that is updated by its gradient."""

    index: int
    node: str
    """The id of the leaf."""
    before: Number
    gradient: Number
    after: Number
    moments: Mapping[str, tuple[Array, Array]]
    """The optimizer's running averages, before and after."""
    rule: tuple[str, ...]
    """What the optimizer does, as formulas; empty where it cannot be written so."""
    options: Mapping[str, float]
    """The optimizer's options for this leaf, with the learning rate as it is scaled."""


def computed(steps: BackwardSteps) -> tuple[Computed, ...]:
    """The forward pass: every node that is computed, each after its operands."""
    ids = {node: key for key, node in steps.nodes.items()}
    frames: list[Computed] = []
    for entry in steps.graph.nodes:
        node = steps.nodes.get(entry.id)
        if node is not None and node.operation is not None:
            operands = tuple(ids[parent] for parent in node.parents)
            value: Number = float(node.data) if isinstance(node, Value) else np.asarray(node.data)
            frames.append(Computed(len(frames), entry.id, operands, value, entry.line))
    return tuple(frames)


def trained(steps: BackwardSteps) -> tuple[str, ...]:
    """The leaves that gradient descent changes: the parameters if there are any, else every leaf with a gradient."""
    leaves = [entry for entry in steps.graph.nodes if entry.id in steps.gradients and not entry.op]
    parameters = [entry for entry in leaves if _is_learned(entry)]
    return tuple(entry.id for entry in parameters or leaves)


def _is_learned(entry: GraphNode) -> bool:
    return entry.kind == "parameter"


def updated(steps: BackwardSteps, lr: float, optimizer: Optimizer | None = None) -> tuple[Updated, ...]:
    """The update that follows the pass: gradient descent, or what an optimizer would do next.

    The optimizer and the leaves are left as they are.
    """
    if optimizer is not None:
        return _by(optimizer, steps)
    found: list[Updated] = []
    for key in trained(steps):
        before, gradient = _number(steps.nodes[key]), steps.gradients[key]
        with np.errstate(all="ignore"):
            after = before - lr * gradient
        found.append(Updated(len(found), key, before, gradient, after, {}, (), {"lr": lr}))
    return tuple(found)


def _by(optimizer: Optimizer, steps: BackwardSteps) -> tuple[Updated, ...]:
    ids = {node: key for key, node in steps.nodes.items() if key in steps.gradients}
    found: list[Updated] = []
    groups: Sequence[tuple[Sequence[Node], dict[str, float]]] = optimizer.groups
    for members, options in groups:
        for leaf in members:
            if leaf not in ids:
                continue
            data: Array = np.array(leaf.data)
            gradient: Array = np.array(steps.gradients[ids[leaf]]).astype(data.dtype)
            kept = optimizer.state.get(id(leaf), {})
            state = {
                name: kept[name].astype(data.dtype) if name in kept else np.zeros_like(data)
                for name in optimizer.moments
            }
            before, earlier = data.copy(), {name: moment.copy() for name, moment in state.items()}
            count = optimizer.counts.get(id(leaf), 0) + 1
            with np.errstate(all="ignore"):
                optimizer.update(data, gradient.copy(), state, np.empty_like(data), count, dict(options))
            moments = {name: (earlier[name], state[name]) for name in optimizer.moments}
            rule = rule_of(optimizer.update, optimizer.moments, count, options)
            shown = {**options, "lr": options["lr"] * optimizer.scale} if "lr" in options else dict(options)
            found.append(Updated(len(found), ids[leaf], before, gradient, data, moments, rule, shown))
    return tuple(found)


def result_after(steps: BackwardSteps, updates: Sequence[Updated]) -> float:
    """What the result becomes with the updated numbers, computed in float64."""
    order = [steps.nodes[entry.id] for entry in steps.graph.nodes if entry.id in steps.nodes]
    return result_with(order, {steps.nodes[each.node]: np.asarray(each.after) for each in updates})


def _number(node: Node) -> Number:
    return float(node.data) if isinstance(node, Value) else np.asarray(node.data)
