"""Evaluation and training mode for a while: what a user switched by hand comes back afterwards."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeVar

from tinygrad_lm.nn.module import Module, switch

Model = TypeVar("Model")


@contextmanager
def evaluating(model: Model) -> Generator[Model]:
    """Within, all modules of the model are in evaluation mode: Dropout lets everything through.

    ``model`` is a module, or any object with modules as attributes. Each module gets its own mode back, also after
    an exception. The mode belongs to the module, so not for two threads on one model at a time.
    """
    roots = _outermost(model)
    before = _modes(roots)
    try:
        if any(mode for _, mode in before):
            for root in roots:
                root.eval()
        yield model
    finally:
        _restore(before)


@contextmanager
def learning(model: Model) -> Generator[Model]:
    """Within, the model is in training mode; afterwards as it was.

    A module that is in training mode is left as it is, with the parts that were put into evaluation mode by hand
    (frozen ones); a module that is in evaluation mode as a whole is switched by its ``train``.
    """
    roots = _outermost(model)
    before = _modes(roots)
    try:
        for root in roots:
            if not root.training:
                root.train()
        yield model
    finally:
        _restore(before)


def _outermost(model: object) -> list[Module]:
    """The modules of a model that are within no other."""
    held: list[object] = [model] if isinstance(model, Module) else list(getattr(model, "__dict__", {}).values())
    return [one for one in held if isinstance(one, Module)]


def _modes(roots: list[Module]) -> list[tuple[Module, bool]]:
    return [(module, module.training) for root in roots for module in root.modules()]


def _restore(modes: list[tuple[Module, bool]]) -> None:
    for module, mode in modes:
        switch(module, mode)
