"""Modules that hold others: ``Sequential``, which calls them one after the other."""

from __future__ import annotations

from typing import Any

from tinygrad_lm.nn.module import Module


class Sequential(Module):
    """Modules called one after the other."""

    def __init__(self, *modules: Module) -> None:
        for i, module in enumerate(modules):
            if not isinstance(module, Module):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"Sequential takes modules, but number {i} is {type(module).__name__}")
            setattr(self, str(i), module)

    def forward(self, x: Any) -> Any:
        """The last module's output."""
        for module in [child for child in vars(self).values() if isinstance(child, Module)]:
            x = module(x)
        return x

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __getitem__(self, index: int) -> Module:
        return list(self.children())[index]
