"""``source``: a step or a graph as the program that one would write by hand, which runs without this package."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_lm.autograd import cells
from tinygrad_lm.autograd.graph import Node, Operation, topological_order
from tinygrad_lm.autograd.tensor import Tensor, from_array
from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.nn.module import Module, buffer_places
from tinygrad_lm.replay.events import Backward, Event, Forward
from tinygrad_lm.replay.listing import Listing
from tinygrad_lm.replay.lowering import Lowering, Unplannable
from tinygrad_lm.replay.mirrors import NeedsWhole
from tinygrad_lm.replay.naming import BLAND
from tinygrad_lm.replay.reach import Reached
from tinygrad_lm.replay.rehearsal import Rehearsal, Undone
from tinygrad_lm.replay.scalar_source import scalar_source


def source(what: Callable[..., Any] | Tensor | Value, *args: Any) -> str:
    """A program in Python and NumPy that computes what a step, or a graph, computes: forward, backward and update.

    The program has the names of the parameters and inputs, a comment for each operation and module, and the bits of the
    engine for the shapes that it was written for. It imports nothing of this package.

    Parameters
    ----------
    what
        A step, which is called once, without consequences, with ``args``; or a ``Tensor`` or a ``Value`` that was
        computed: then its graph is written, with its backward pass.
    args
        What the step is called with.

    Raises
    ------
    ValueError
        Saying why it cannot be written: numbers decide how the step goes on, or an operation is a user's own.
    """
    if isinstance(what, Value):
        return scalar_source(what)
    try:
        return (_of_root(what) if isinstance(what, Tensor) else _of_step(what, args)).text()
    except NeedsWhole as error:
        raise ValueError(f"this cannot be written as a program: {error} has no formulas that say all") from None
    except Unplannable as error:
        raise ValueError(f"this cannot be written as a program: {error}") from None


def _of_root(root: Tensor) -> Listing:
    events: list[Event] = []
    for node in topological_order(root, constants=True):
        if isinstance(node, Tensor) and node.operation is not None:
            events.append(Forward(node.operation, node.parents, node.attributes, node, node.requires_grad))
    if not events:
        raise ValueError("this tensor is a leaf: nothing was computed that could be written down")
    if root.requires_grad:
        seed = None if root.size == 1 else np.ones(root.shape, root.dtype)
        events.append(Backward(root, seed, {}))
    lowering = Lowering([], {}, (), True)
    lowering.run(events)
    return Listing(lowering, lowering.returned(root), {}, f"{root.label or 'A graph'}, and its gradients.")


def _of_step(step: Callable[..., Any], args: tuple[Any, ...]) -> Listing:
    step = getattr(step, "step", step)  # of one that is replayed
    reached = Reached(step)
    inputs: list[tuple[Tensor, Array, str]] = []
    given: list[Any] = []
    for name, x in zip(inspect.signature(step).parameters, args, strict=False):
        if isinstance(x, Tensor) or is_ndarray(x):
            array = np.array(x.data if isinstance(x, Tensor) else x)
            inputs.append((from_array(array), array, name))
        given.append(inputs[-1][0] if isinstance(x, Tensor) or is_ndarray(x) else x)
    buffers = reached.buffers()
    with Undone(reached), Naming() as recorder:
        recorder.watch([*(tensor for tensor, _, _ in inputs), *reached.tensors])
        result = step(*given)
    if recorder.reasons:
        raise Unplannable(recorder.reasons[0])
    lowering = Lowering(inputs, buffers, (), True)
    lowering.run(recorder.events)
    what = getattr(step, "__name__", "A step")
    title = f"{what}, written out for the shapes that it was called with."
    outermost = _outermost(reached)
    return Listing(lowering, lowering.returned(result), _named(outermost), title, _named_buffers(outermost))


def _outermost(reached: Reached) -> list[Module]:
    """The modules that are in no other."""
    within = {id(inner) for module in reached.modules for inner in module.modules() if inner is not module}
    return [module for module in reached.modules if id(module) not in within]


def _named_buffers(outermost: list[Module]) -> Mapping[tuple[int, str], str]:
    """The names of buffers by those modules that are in no other, by their owner and its name for them."""
    return {
        (id(inner), name): f"{path}.{name}".lstrip(".")
        for module in outermost
        for path, inner in module.named_modules()
        for _, name in buffer_places(inner)
    }


def _named(outermost: list[Module]) -> Mapping[int, str]:
    """The names of parameters by those modules that are in no other, in their order."""
    return {id(parameter): name for module in outermost for name, parameter in module.named_parameters()}


class Naming(Rehearsal):
    """Notes also what the results of a step are called where they are made."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[int, Tensor] = {}
        self._named: dict[str, Tensor] = {}

    def forward(self, operation: Operation, operands: tuple[Any, ...], attributes: dict[str, Any], out: Node) -> None:
        """Write an operation down, and look what is called by which name by now."""
        super().forward(operation, operands, attributes, out)
        self._name_locals()
        if isinstance(out, Tensor) and not self.within:
            self._made[id(out)] = out

    def _name_locals(self) -> None:
        frame = inspect.currentframe()
        while frame is not None and frame.f_code is not _of_step.__code__:
            file = frame.f_code.co_filename
            if not file.startswith(_INNER) or file == cells.__file__:
                for name, value in frame.f_locals.items():
                    bland = name in _BLAND if file.startswith(_PACKAGE) else name == "self"
                    if id(value) in self._made and not bland and not name.startswith(("_", ".")):
                        self._name(self._made.pop(id(value)), name)
            frame = frame.f_back

    def _name(self, tensor: Tensor, name: str) -> None:
        """Call a tensor by a variable's name, and no longer what that held before, where it was made of that alone."""
        earlier = self._named.get(name)
        if earlier is not None and len(tensor.parents) == 1 and tensor.parents[0] is earlier:
            earlier.label = ""
        if not tensor.label:
            tensor.label, self._named[name] = name, tensor


_INNER = (str(Path(__file__).parent), str(Path(cells.__file__).parent))
"""Where local variables say nothing of a user's step: here, and in the engine, but for the cells in primitives."""


_PACKAGE = str(Path(__file__).parents[1])
_BLAND = frozenset({*BLAND, "self"}) - {"g"}
"""Names of variables in the package that say nothing of a step."""
