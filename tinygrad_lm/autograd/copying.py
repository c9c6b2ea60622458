"""Copies of leaves: what ``copy.deepcopy`` does with a node, subclasses and what they add included."""

from __future__ import annotations

from types import MemberDescriptorType
from typing import NoReturn, TypeVar

from tinygrad_lm.autograd.graph import Node

AnyNode = TypeVar("AnyNode", bound=Node)


def twin_of(leaf: AnyNode, engine: type[Node], memo: dict[int, object]) -> AnyNode:
    """A node of the same class with what a subclass of the engine adds to it; the engine's own part is not filled.

    Raises
    ------
    RuntimeError
        For the result of an operation, whose graph a copy would not have.
    """
    import copy  # not above: who asks for a copy has it

    kind = type(leaf)
    if leaf.operation is not None:
        raise RuntimeError(
            f"only leaf {engine.__name__}s can be copied: this one is the result of an operation; detach() it"
        )
    twin = kind.__new__(kind)
    memo[id(leaf)] = twin
    for base in kind.__mro__:
        if issubclass(engine, base):
            continue
        for name, slot in vars(base).items():
            if isinstance(slot, MemberDescriptorType) and hasattr(leaf, name):
                slot.__set__(twin, copy.deepcopy(slot.__get__(leaf), memo))
    if hasattr(leaf, "__dict__"):
        vars(twin).update(copy.deepcopy(vars(leaf), memo))
    return twin


def refuse_to_pickle(engine: str, remedy: str) -> NoReturn:
    """Raise ``TypeError``: a node alone is not what it was with its graph."""
    raise TypeError(f"a {engine} is not pickled, since its graph would be lost: {remedy}")
