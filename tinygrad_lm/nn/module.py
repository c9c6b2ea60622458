"""``Module``, the base of layers and models: what it holds, what of that it learns, and calling it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, Self, TypeVar

import numpy as np

from tinygrad_lm.autograd import remedies
from tinygrad_lm.autograd.context import Scope, current_scope, enter_scope, leave_scope
from tinygrad_lm.autograd.graph import offered
from tinygrad_lm.autograd.observers import as_one
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.nn.attributes import find, learns
from tinygrad_lm.nn.parameter import Parameter
from tinygrad_lm.nn.state import Slot, checked_buffer, copies, in_place_of, load, numbers

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class HasForward(Protocol[P, R]):
    """What type checkers know of a module: it is called with what its ``forward`` takes, and gives what that gives."""

    _name: str

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """What the module computes."""
        ...


class Module:
    """A function with parameters.

    Assign ``Parameter``s and other modules as attributes, several modules as an ``nn.ModuleList``, and write
    ``forward``; calling the module calls it. A parameter that is reached by several names (a tied weight) is one
    parameter. An array that belongs to the module's state and is not learned is a buffer: ``register_buffer``.

    On the scalar engine every ``Value`` that requires a gradient and was not computed is a parameter, as an attribute
    or in a list, tuple, dictionary or object array: ``self.w = [Value(0.1), Value(0.2)]`` has the parameters ``w[0]``
    and ``w[1]``. Write ``Value(x, requires_grad=False)`` for a number that is not learned. Modules and ``Parameter``s
    in such containers are refused.
    """

    training: bool = True
    """Whether layers such as Dropout act as in training; see ``train`` and ``eval``."""

    _name = ""

    _frozen: tuple[Value, ...] = ()
    """The Values that ``requires_grad_(False)`` froze: they stay parameters."""

    _buffers: Mapping[str, bool] = MappingProxyType({})
    """The names of the buffers, and whether each is a part of the state."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in self._buffers:
            if isinstance(value, (Module, Parameter)):
                self._forget_buffer(name)
            else:
                value = in_place_of(vars(self)[name], checked_buffer(f"{type(self).__name__}.{name}", value))
        if isinstance(value, Module):
            value._take_name(name)
        else:
            self._check_assignment(name, value)
            if isinstance(value, Parameter) or (isinstance(value, Value) and learns(value)):
                value.label = value.label or name
        object.__setattr__(self, name, value)

    def _take_name(self, name: str) -> None:
        """Be called in pictures by the name of the attribute that now holds this module."""
        object.__setattr__(self, "_name", name)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._forget_buffer(name)

    def _forget_buffer(self, name: str) -> None:
        kept = {other: saved for other, saved in self._buffers.items() if other != name}
        if len(kept) < len(self._buffers):
            object.__setattr__(self, "_buffers", kept)

    def register_buffer(self, name: str, array: Array | np.generic | Tensor | None, persistent: bool = True) -> None:
        """Make an array the attribute ``name``, as a part of the module's state that is not learned: a buffer.

        A running mean, a mask, a table of positions. ``state_dict`` has it unless ``persistent`` is false (as for
        what is made anew with the module), and ``to`` turns it into another dtype if it is of floating-point numbers.
        The array itself is kept, so two modules may share one; of a tensor, which must need no gradient, a copy.

        Assigning to the name replaces the array, by one of any shape and dtype (but floating-point numbers are rounded
        to the precision that the buffer has, so that a mean in float32 stays one), or by ``None`` (no buffer, and no
        part of a state, for the time being); ``del`` ends it. Write ``self.mean = 0.9 * self.mean + ...`` for a running
        mean: changed in place it would change the gradients of a graph that has used it. Type checkers are told of it
        by a line ``mean: np.ndarray`` in the class.

        Raises
        ------
        ValueError
            For a name that is none of an attribute's, or is taken.
        TypeError
            For what is no array of numbers, or needs a gradient.
        """
        place = f"{type(self).__name__}.{name}"
        if not _is_name(name):
            raise ValueError(f"a buffer has the name of an attribute, without a dot, not {name!r:.60}")
        if name not in self._buffers and (name in vars(self) or hasattr(type(self), name)):
            raise ValueError(f"{place} is something else already: register the buffer under another name, or del it")
        buffer = checked_buffer(place, array)
        object.__setattr__(self, "_buffers", {**self._buffers, name: bool(persistent)})
        object.__setattr__(self, name, buffer)

    def _check_assignment(self, name: str, value: object) -> None:
        """Refuse what would silently not learn, or would silently end that something learns."""
        place, earlier = f"{type(self).__name__}.{name}", vars(self).get(name)
        nodes = list(find(name, value, _KINDS))
        for path, node in nodes:
            if node is not value and _misplaced(node):
                raise _unfound(place, value, path, node)
        values = [node for _, node in nodes if isinstance(node, Value)]
        if value is None or isinstance(value, Parameter) or any(map(learns, values)):
            return
        if isinstance(earlier, Parameter):
            raise TypeError(
                f"{place} is a Parameter, and a {type(value).__name__} in its place would not "
                f"learn: write .{name}.data = ... to change its numbers, or assign an nn.Parameter"
            )
        if isinstance(value, Tensor) and learns(value):
            raise TypeError(f"{place}: parameters() would not find a plain Tensor; make it an nn.Parameter")
        if isinstance(earlier, Value) and learns(earlier):
            raise TypeError(
                f"{place} is a Value that learns, and what takes its place would not: write .{name}.data -= ... to "
                f"step it, or begin with {name} = Value(..., requires_grad=False) if it is not to be learned"
            )
        computed = any(not node.is_leaf for node in values)
        if computed and any(isinstance(node, Value) and learns(node) for _, node in find(name, earlier, _KINDS)):
            raise TypeError(
                f"{place} holds Values that learn, and the computed ones in their place would not: write "
                "p.data -= ... for each p to step them"
            )

    def __call__(self: HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call ``forward``; what it computes is marked as made by this module."""
        kind = type(self).__name__
        token = enter_scope(Scope(self._name or kind, kind, id(self), current_scope()))
        try:
            return self.forward(*args, **kwargs)
        finally:
            leave_scope(token)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every module writes its own."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def children(self) -> Iterator[Module]:
        """The modules that are attributes of this one."""
        return (module for _, module in self.named_children())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that are attributes of this one, with the attributes' names."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def modules(self) -> Iterator[Module]:
        """This module and all within it, each once."""
        return (module for _, module in self.named_modules())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all within it, each once, with dotted names (this one's is the prefix)."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            below = [(f"{name}.{key}" if name else key, child) for key, child in module.named_children()]
            stack.extend(reversed(below))

    def named_parameters(self) -> Iterator[tuple[str, Parameter | Value]]:
        """Every parameter once, a ``Parameter`` or a ``Value``, with the first dotted name that leads to it."""
        for slot in _each_once(slots_of(self)):
            if not isinstance(slot.held, np.ndarray):
                yield slot.name, slot.held

    def parameters(self) -> Iterator[Parameter | Value]:
        """Every parameter once, a ``Parameter`` or a ``Value``."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        """Every buffer once, with the first dotted name that leads to it; also those that are not persistent."""
        for slot in _each_once(slots_of(self)):
            if isinstance(slot.held, np.ndarray):
                yield slot.name, slot.held

    def buffers(self) -> Iterator[Array]:
        """Every buffer once: the arrays that ``register_buffer`` made a part of the module."""
        return (buffer for _, buffer in self.named_buffers())

    def named_generators(self) -> Iterator[tuple[str, np.random.Generator]]:
        """Every random generator that the modules own, once, with the first dotted name: ``"drop.rng"``.

        What to save and to set back where random layers are to go on as they would have: each has its state in
        ``bit_generator.state``. The default generator, from which layers without ``rng`` draw, belongs to none.
        """
        seen: set[int] = set()
        for path, module in self.named_modules():
            for key, value in vars(module).items():
                if isinstance(value, Module):
                    continue
                for name, generator in find(key, value, (np.random.Generator,)):
                    if id(generator) not in seen:
                        seen.add(id(generator))
                        yield f"{path}.{name}" if path else name, generator

    def num_parameters(self) -> int:
        """How many numbers the module learns; buffers do not count."""
        return sum(np.size(parameter.data) for parameter in self.parameters())

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter and persistent buffer by name (a tied one under each of its names).

        Of each module the parameters come first, then the buffers, then what the modules in it have. A ``Value`` gives
        a float64 array of shape ().
        """
        return copies(slots_of(self))

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Copy arrays into the parameters and buffers of the same names. All of it fits, or nothing changes.

        A buffer is given a new array; those that shared one within this module share the new one. Floating-point
        numbers are rounded to the dtype that is here; other dtypes must be just the same.

        Raises
        ------
        ValueError
            It names every missing and unknown name, every wrong shape or dtype, and every tied parameter or buffer that
            was given two different arrays.
        """
        load(list(slots_of(self)), state, type(self).__name__)

    def train(self, mode: bool = True) -> Self:
        """Switch the module and all within it to training, or to evaluation with ``False``."""
        for module in self.modules():
            switch(module, mode)
        return self

    def eval(self) -> Self:
        """Switch the module and all within it to evaluation: Dropout lets everything through."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze all parameters (``False``) or let them learn again."""
        for module in self.modules():
            own = [slot.held for slot in _own_slots(module) if not isinstance(slot.held, np.ndarray)]
            values = [parameter for parameter in own if isinstance(parameter, Value)]
            for parameter in own:
                if isinstance(parameter, Value):
                    parameter.requires_grad = bool(requires_grad)
                else:
                    parameter.requires_grad_(requires_grad)
            if values:
                object.__setattr__(module, "_frozen", () if requires_grad else tuple(values))
        return self

    def to(self, dtype: DTypeLike) -> Self:
        """Turn all parameters with their gradients, in place, and all floating-point buffers into a dtype."""
        try:
            wanted = np.dtype(dtype).newbyteorder("=")
        except TypeError:
            raise TypeError(f"to takes a dtype such as np.float64 (there are no devices here), not {dtype!r}") from None
        if wanted.kind != "f":
            raise TypeError(f"parameters are floating-point numbers, not {wanted}")
        parameters = dict(self.named_parameters())
        for name, parameter in parameters.items():
            if isinstance(parameter, Value) and wanted != np.float64:
                raise TypeError(f"{name} is a Value, whose number is a Python float: float64, and never {wanted}")
        for parameter in parameters.values():
            if isinstance(parameter, Parameter):
                parameter.astype_(wanted)
        slots = [slot for slot in slots_of(self) if isinstance(slot.held, np.ndarray) and slot.held.dtype.kind == "f"]
        arrays = {id(slot.held): numbers(slot.held).astype(wanted, copy=False) for slot in slots}
        for slot in slots:
            object.__setattr__(slot.owner, slot.key, arrays[id(slot.held)])
        return self

    def apply(self, function: Callable[[Module], object]) -> Self:
        """Call a function on every module once: those within first, in their order, and this one last."""
        seen: set[int] = set()

        def visit(module: Module) -> None:
            seen.add(id(module))
            for child in list(module.children()):
                if id(child) not in seen:
                    visit(child)
            function(module)

        visit(self)
        return self

    def __dir__(self) -> list[str]:
        return offered(self, super().__dir__())

    def extra_repr(self) -> str:
        """What the module's line in a printed tree says in brackets."""
        return ""

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}({self.extra_repr()})  {_count(self.num_parameters())}"]
        for name, child in self.named_children():
            head, *rest = repr(child).splitlines()
            lines += [f"  {name}: {head}", *(f"  {line}" for line in rest)]
        return "\n".join(lines)


remedies.refuse(Module, remedies.MODULE)

_KINDS = (Module, Tensor, Value)


@as_one
def set_buffers(module: Module, arrays: Mapping[str, Array]) -> None:
    """Give buffers of a module new arrays, in the course of its ``forward``."""
    for name, array in arrays.items():
        setattr(module, name, array)


def buffer_places(module: Module) -> Iterator[tuple[Module, str]]:
    """The owner and the name of every buffer in a module and in those within it, also of those that are ``None``."""
    return ((owner, name) for owner in module.modules() for name in vars(owner).get("_buffers", ()))


def slots_of(module: Module) -> Iterator[Slot]:
    """Every place in a module and in those within it that holds a parameter or buffer; a tied one stands in several."""
    for path, inner in module.named_modules():
        for slot in _own_slots(inner):
            yield slot.below(path) if path else slot


def _own_slots(module: Module) -> Iterator[Slot]:
    """The places of a module apart from those of the modules in it: the parameters, then the buffers."""
    attributes = vars(module)
    buffers: Mapping[str, bool] = attributes.get("_buffers", {})
    frozen = {id(value) for value in attributes.get("_frozen", ())}
    for key, value in attributes.items():
        if isinstance(value, Parameter):
            yield Slot(key, module, key, value)
            continue
        if isinstance(value, Module) or key == "_frozen" or key in buffers:
            continue
        for name, node in find(key, value, _KINDS):
            if node is not value and _misplaced(node):
                raise _unfound(f"{type(module).__name__}.{key}", value, name, node)
            if isinstance(node, Value) and (learns(node) or id(node) in frozen):
                yield Slot(name, module, key, node)
    for key, saved in buffers.items():
        if is_ndarray(attributes.get(key)):
            yield Slot(key, module, key, attributes[key], saved)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name != "" and "." not in name


def _each_once(slots: Iterable[Slot]) -> Iterator[Slot]:
    seen: set[int] = set()
    for slot in slots:
        if id(slot.held) not in seen:
            seen.add(id(slot.held))
            yield slot


def _misplaced(node: object) -> bool:
    """Whether this would learn as an attribute, but is not looked for in containers."""
    return isinstance(node, (Module, Parameter)) or (isinstance(node, Tensor) and learns(node))


def switch(module: Module, mode: bool) -> None:
    """Put one module into a mode, which it holds itself only where that of its class is another.

    So it holds the same after an evaluation as before: what watches it, as a replayed step does, sees no change.
    """
    if "training" in vars(module) and type(module).training == mode:
        del module.training
    elif module.training != mode:
        module.training = mode


def _unfound(place: str, container: object, path: str, node: object) -> TypeError:
    remedy, attribute = "assign each as an attribute of its own, a Tensor as nn.Parameter", place.rpartition(".")[2]
    if isinstance(node, Module):
        kind, like = ("ModuleDict", "dictionary") if isinstance(container, dict) else ("ModuleList", "list")
        remedy = f"write self.{attribute} = nn.{kind}(modules), which can be indexed and looped over like a {like}"
    return TypeError(f"{place}: the {type(node).__name__} at {path} would not be found by parameters(); {remedy}")


def _count(n: int) -> str:
    return f"[{n:,} parameter{'' if n == 1 else 's'}]" if n else "[no parameters]"
