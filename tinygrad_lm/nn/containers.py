"""Modules that hold others: ``Sequential``, which calls them in turn, ``ModuleList`` and ``ModuleDict``."""

from __future__ import annotations

import inspect
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Generic, Self, SupportsIndex, TypeVar, cast, overload

from tinygrad_lm.nn.module import Module

M = TypeVar("M", bound=Module)


class _Numbered(Module, Generic[M]):
    """Modules in order, as the attributes ``0``, ``1``, ``2``: what a list of them and a sequence have in common."""

    _of_a_list = "make it an nn.ModuleList too"
    """What to do with a list of modules that was given as one of them."""

    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[M]:
        return iter(self._members())

    def __setitem__(self, index: SupportsIndex, module: M) -> None:
        self._check([module])
        members = self._members()
        members[index] = module
        self._renumber(members)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        members = self._members()
        del members[index]
        self._renumber(members)

    def __iadd__(self, modules: Iterable[M]) -> Self:
        return self.extend(modules)

    def append(self, module: M) -> Self:
        """Add a module at the end."""
        return self.extend([module])

    def extend(self, modules: Iterable[M]) -> Self:
        """Add modules at the end, in their order."""
        new = list(modules)
        self._check(new)
        for i, module in enumerate(new, len(self)):
            setattr(self, str(i), module)
        return self

    def insert(self, index: SupportsIndex, module: M) -> Self:
        """Put a module before the one at an index; the names of those behind it move on by one."""
        self._check([module])
        members = self._members()
        members.insert(index, module)
        self._renumber(members)
        return self

    def pop(self, index: SupportsIndex = -1) -> M:
        """Take out the module at an index, the last one if none is given, and return it."""
        members = self._members()
        module = members.pop(index)
        self._renumber(members)
        return module

    def _members(self) -> list[M]:
        # Not by children(): a forward pass asks each time.
        members: list[Any] = [held for held in self.__dict__.values() if isinstance(held, Module)]
        return members

    def _check(self, modules: Iterable[object]) -> None:
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                of = type(module).__name__
                remedy = f": {self._of_a_list}" if of in ("list", "tuple") else ""
                raise TypeError(f"{type(self).__name__} takes modules, but number {i} is {of}{remedy}")

    def _renumber(self, members: Iterable[M]) -> None:
        for name, _ in list(self.named_children()):
            delattr(self, name)
        for i, module in enumerate(members):
            setattr(self, str(i), module)


def _filled(container: _Numbered[M], modules: Iterable[M]) -> None:
    """Put modules into a second container, for a slice: not by setattr, which would rename them in the first."""
    vars(container).update({str(i): module for i, module in enumerate(modules)})


class Sequential(_Numbered[Module]):
    """Modules called one after the other, each with what the one before it gave: ``Sequential(f, g)(x)`` is g(f(x)).

    The first module is called with just what the sequence is called with, also several inputs. A tuple that a module
    gives is handed on as several inputs if the next module's ``forward`` takes several by position, so that layers
    (x, state) -> (y, state) can be stacked: ``Sequential(layer, layer)(x, state)``. A module that takes one input is
    given the tuple itself, as always in PyTorch. A named tuple is one thing and never taken apart.

    It can be indexed, sliced (another ``Sequential`` of the same modules), looped over, and changed like a
    ``ModuleList``.
    """

    _of_a_list = "write nn.Sequential(*modules)"

    def __init__(self, *modules: Module) -> None:
        self.extend(modules)

    def forward(self, x: Any, *more: Any) -> Any:
        """The last module's output; without modules what was given, several inputs as a tuple."""
        modules = self._members()
        if not modules:
            return (x, *more) if more else x
        out = modules[0](x, *more)
        for module in modules[1:]:
            out = module(*out) if type(out) is tuple and _takes_several(module) else module(out)
        return out

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Module:
        members = self._members()
        if not isinstance(index, slice):
            return members[index]
        part = Sequential()
        _filled(part, members[index])
        return part


def _takes_several(module: Module) -> bool:
    """Whether a module's ``forward`` takes more than one input by position; a sequence what its first module takes."""
    if isinstance(module, Sequential) and getattr(module.forward, "__func__", None) is Sequential.forward:
        return len(module) > 0 and _takes_several(module[0])
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except ValueError:  # a function of C, assigned in place of a method, may have no signature
        return False
    kinds = [parameter.kind for parameter in parameters]
    positional = sum(
        kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds
    )
    return positional > 1 or inspect.Parameter.VAR_POSITIONAL in kinds


class _Uncalled(Module):
    """A container that no call goes through: in pictures what it holds is called by the container's name as well."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if isinstance(value, Module) and self._name:
            value._take_name(f"{self._name}.{name}")

    def _take_name(self, name: str) -> None:
        super()._take_name(name)
        for key, child in self.named_children():
            child._take_name(f"{name}.{key}")


class ModuleList(_Uncalled, _Numbered[M]):
    """A list of modules that is a module itself: their parameters are found, as ``0.weight``, ``1.weight``.

    ``self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])``, and in ``forward``
    ``for layer in self.layers: x = layer(x)``. It is not called itself. It has a list's ``append``, ``extend``,
    ``insert``, ``pop``, ``+=``, indices, slices (another ``ModuleList`` of the same modules), ``del`` and ``len``; the
    names are the places in the list, so they move where one is taken out.
    """

    def __init__(self, modules: Iterable[M] = ()) -> None:
        if isinstance(modules, Module) and not hasattr(modules, "__iter__"):
            kind = type(modules).__name__
            raise TypeError(f"{type(self).__name__} takes a list of modules, nn.ModuleList([a, b]), not {kind}")
        self.extend(modules)

    @overload
    def __getitem__(self, index: SupportsIndex) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList[M]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> M | ModuleList[M]:
        members = self._members()
        if not isinstance(index, slice):
            return members[index]
        part: ModuleList[M] = ModuleList()
        _filled(part, members[index])
        return part


class ModuleDict(_Uncalled, Generic[M]):
    """Modules by name, as a module itself: ``nn.ModuleDict({"q": layer, "k": other})`` has ``q.weight``, ``k.weight``.

    It has a dictionary's methods, in the order of insertion, and is not called itself. A name is a string without a
    dot that no attribute has.
    """

    def __init__(self, modules: Mapping[str, M] | Iterable[tuple[str, M]] = ()) -> None:
        self.update(modules)

    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[str]:
        return iter(self._members())

    def __contains__(self, name: object) -> bool:
        return name in self._members()

    def __getitem__(self, name: str) -> M:
        return self._members()[name]

    def __setitem__(self, name: str, module: M) -> None:
        self.update({name: module})

    def __delitem__(self, name: str) -> None:
        self.pop(name)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._members().keys()

    def values(self) -> ValuesView[M]:
        """The modules."""
        return self._members().values()

    def items(self) -> ItemsView[str, M]:
        """The pairs of name and module."""
        return self._members().items()

    def update(self, modules: Mapping[str, M] | Iterable[tuple[str, M]]) -> None:
        """Add modules by name, or put them in the place of earlier ones."""
        new = dict(modules)
        for name, module in new.items():
            self._check(name, module)
        for name, module in new.items():
            setattr(self, name, module)

    def pop(self, name: str) -> M:
        """Take out the module of a name and return it."""
        module = self._members()[name]
        delattr(self, name)
        return module

    def clear(self) -> None:
        """Take out all modules."""
        for name in self._members():
            delattr(self, name)

    def _members(self) -> dict[str, M]:
        return cast("dict[str, M]", dict(self.named_children()))

    def _check(self, name: object, module: object) -> None:
        kind = type(self).__name__
        if not isinstance(name, str) or name == "" or "." in name:
            raise ValueError(f"{kind}: a module's name is a string without a dot, not {name!r:.60}")
        if name not in self and (name in vars(self) or hasattr(type(self), name)):
            raise ValueError(f"{kind}: {name!r} is an attribute of its own; give the module another name")
        if not isinstance(module, Module):
            raise TypeError(f"{kind} takes modules, but {name!r} is {type(module).__name__}")
