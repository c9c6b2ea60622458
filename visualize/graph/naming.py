"""What the user calls the nodes of a graph, and which of them a model learns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol, cast

from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.types import Array
from visualize.graph.given import Inputs, inputs_by_name
from visualize.graph.nodes import is_parameter
from visualize.graph.source_lines import assigned_name


class _Named(Protocol):
    def named_parameters(self) -> Iterable[tuple[str, object]]: ...


class _Listed(Protocol):
    def parameters(self) -> Iterable[object]: ...


Model = _Named | _Listed
"""What learns: a module, whose parameters have names, or an object that lists them as micrograd's do."""

Names = Mapping[str, object] | Model | None
"""Nodes, or lists of them, by name (``locals()`` will do), or a model."""


@dataclass(frozen=True, slots=True)
class Naming:
    """The labels that nodes were given, the nodes that a model learns, and the inputs that it was called with."""

    labels: Mapping[Node, str] = field(default_factory=dict[Node, str])
    learned: Set[Node] = frozenset()
    inputs: Inputs = field(default_factory=Inputs)

    def label_of(self, node: Node) -> str:
        """The name that a node was given here, or its own label, or what the program calls it."""
        return self.labels.get(node) or node.label or self.inputs.name_of(node) or assigned_name(node)

    def input_of(self, thing: Node | Array) -> str:
        """The name of the input that a leaf or an array is; empty for another."""
        return self.inputs.name_of(thing)

    def is_parameter(self, node: Node) -> bool:
        """Whether a node is a parameter: it says so itself, as an ``nn.Parameter`` does, or a model learns it."""
        return is_parameter(node) or node in self.learned


def naming_of(names: Names, drawn: object = None, inputs: Sequence[object] = ()) -> Naming:
    """The naming by ``names`` and by what is drawn: a model, whose names are used where no others are given.

    ``inputs`` are called as the parameters of the model or function that they are for.

    Raises
    ------
    TypeError
        For names that are neither a dictionary nor a model.
    """
    own, given = _parameters_of(drawn), _parameters_of(names)
    if names is None:
        pairs = own
    elif isinstance(names, Mapping):
        pairs = list(names.items())
    else:
        pairs = given
    if names is not None and pairs is None:
        raise TypeError(
            f"names must be a dictionary from name to node, or a module, not {type(names).__name__}; "
            "names=locals() labels every variable of a function"
        )
    labels: dict[Node, str] = {}
    for node, label in _nodes(pairs or ()):
        labels.setdefault(node, label)
    learned = {node for _, node in (*(own or ()), *(given or ())) if isinstance(node, Node)}
    return Naming(labels, learned, Inputs(_flat(inputs_by_name(drawn, inputs))))


def _parameters_of(model: object) -> list[tuple[str, object]] | None:
    """What a model learns, with names where it gives them; ``None`` for anything but a model."""
    if isinstance(model, (type, Mapping, Node)):
        return None
    named, listed = (getattr(model, name, None) for name in ("named_parameters", "parameters"))
    if callable(named):
        return list(cast("Iterable[tuple[str, object]]", named()))
    return [("", node) for node in cast("Iterable[object]", listed())] if callable(listed) else None


def _flat(pairs: Iterable[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    """The pairs, those of a list of nodes one by one."""
    for name, thing in pairs:
        nodes = [*_nodes([(name, thing)])]
        yield from ((label, node) for node, label in nodes) if nodes else [(name, thing)]


def _nodes(pairs: Iterable[tuple[str, object]]) -> Iterator[tuple[Node, str]]:
    """Each named node with its name; the nodes of a list are called by their place in it."""
    for name, thing in pairs:
        if isinstance(thing, Node):
            yield thing, str(name)
        elif isinstance(thing, (list, tuple)):
            for i, part in enumerate(cast("Sequence[object]", thing)):
                if isinstance(part, Node):
                    yield part, f"{name}[{i}]"
