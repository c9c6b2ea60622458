"""Random computations as plain data, and interpreters of them: NumPy (real, complex), tensors, arrays of Values."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.helpers.registry.row import SEEDS, generator, largest
from tinygrad_lm import Value

MARGIN = 1e-4
LARGEST = 27


class Kink(Exception):
    """A program came so close to a kink that finite differences mean nothing there."""


@dataclass(frozen=True)
class Instruction:
    """An operation on earlier nodes, by their numbers."""

    op: str
    operands: tuple[int, ...]
    attribute: Any = None


@dataclass(frozen=True)
class Program:
    """Leaves, instructions whose results are numbered after them, and the node that is the result."""

    leaves: tuple[np.ndarray, ...]
    instructions: tuple[Instruction, ...]
    out: int

    def run(self, engine, leaves):
        """Every node's value, leaves first, by the functions of an interpreter."""
        nodes = list(leaves)
        for step in self.instructions:
            nodes.append(engine[step.op](*(nodes[i] for i in step.operands), step.attribute))
        return nodes

    def evaluate(self, engine, leaves):
        """The value of the result."""
        return self.run(engine, leaves)[self.out]

    def reordered(self, rng):
        """The same computation with its independent instructions in another order."""
        first = len(self.leaves)
        place, steps, waiting = {i: i for i in range(first)}, [], dict(enumerate(self.instructions, first))
        while waiting:
            ready = [i for i, step in waiting.items() if all(operand in place for operand in step.operands)]
            chosen = ready[rng.integers(len(ready))]
            step = waiting.pop(chosen)
            place[chosen] = first + len(steps)
            steps.append(Instruction(step.op, tuple(place[i] for i in step.operands), step.attribute))
        return Program(self.leaves, tuple(steps), place[self.out])


def smooth_check(distance):
    if np.size(distance) and np.min(np.abs(distance)) < MARGIN:
        raise Kink


def relu(x, _):
    smooth_check(np.real(x))
    return np.where(np.real(x) > 0, x, 0)


def absolute(x, _):
    smooth_check(np.real(x))
    return np.where(np.real(x) > 0, x, -x)


def maximum(x, y, _):
    smooth_check(np.real(x) - np.real(y))
    return np.where(np.real(x) > np.real(y), x, y)


def max_over(x, axis):
    distance = largest(x, axis, keepdims=True) - x
    rivals = np.real(distance)[np.real(distance) > 0]
    smooth_check(rivals)
    if x.size - rivals.size > np.size(largest(x, axis)):
        raise Kink
    return largest(x, axis)


def softmax(x, axis):
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


def normalised(x, axis):
    centred = x - x.mean(axis=axis, keepdims=True)
    return (centred * centred).mean(axis=axis)


GELU = math.sqrt(2 / math.pi)

NUMPY = {
    "add": lambda x, y, _: x + y,
    "sub": lambda x, y, _: x - y,
    "mul": lambda x, y, _: x * y,
    "div": lambda x, y, _: x / (y * y + 0.5),
    "power": lambda x, y, _: (x * x + 0.5) ** np.tanh(y),
    "scale": lambda x, a: a * x,
    "neg": lambda x, _: -x,
    "log": lambda x, _: np.log(x * x + 0.5),
    "exp": lambda x, _: np.exp(np.tanh(x)),
    "sqrt": lambda x, _: np.sqrt(x * x + 0.1),
    "cube": lambda x, _: np.tanh(x) ** 3,
    "tanh": lambda x, _: np.tanh(x),
    "sin": lambda x, _: np.sin(x),
    "sigmoid": lambda x, _: 1 / (1 + np.exp(-x)),
    "gelu": lambda x, _: 0.5 * x * (1 + np.tanh(GELU * (x + 0.044715 * x * x * x))),
    "softplus": lambda x, _: np.log(1 + np.exp(x)),
    "relu": relu,
    "abs": absolute,
    "maximum": maximum,
    "sum": lambda x, axis: np.sum(x, axis=axis),
    "sum_kept": lambda x, axis: np.sum(x, axis=axis, keepdims=True),
    "mean": lambda x, axis: np.mean(x, axis=axis),
    "var": normalised,
    "max": max_over,
    "prod": lambda x, axis: np.prod(np.tanh(x), axis=axis),
    "cumsum": lambda x, axis: np.cumsum(x, axis=axis),
    "softmax": softmax,
    "logsumexp": lambda x, axis: np.log(np.exp(x).sum(axis=axis)),
    "transpose": np.transpose,
    "reshape": np.reshape,
    "flip": np.flip,
    "roll": lambda x, shift: np.roll(x, shift, -1),
    "index": lambda x, index: x[index],
    "column": lambda x, index: x[..., index],
    "concatenate": lambda x, y, axis: np.concatenate([x, y], axis=axis),
    "broadcast": np.broadcast_to,
    "matmul": lambda x, y, _: x @ y,
    "outer": lambda x, y, _: np.einsum("...i,...j->...ij", x, y),
}

TENSOR = NUMPY | {
    "power": lambda x, y, _: (x * x + 0.5) ** y.tanh(),
    "log": lambda x, _: (x * x + 0.5).log(),
    "sigmoid": lambda x, _: x.sigmoid(),
    "gelu": lambda x, _: x.gelu("tanh"),
    "softplus": lambda x, _: x.softplus(),
    "relu": lambda x, _: x.relu(),
    "abs": lambda x, _: abs(x),
    "maximum": lambda x, y, _: x.maximum(y),
    "var": lambda x, axis: x.var(axis),
    "max": lambda x, axis: x.max(axis),
    "softmax": lambda x, axis: x.softmax(axis),
    "logsumexp": lambda x, axis: x.logsumexp(axis),
}


def each(function):
    """A function of Values as one of arrays of Values."""

    def on_arrays(*operands):
        *arrays, _ = operands
        return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), dtype=object)

    return on_arrays


def array(function):
    """NumPy's function on arrays of Values, its result an array also where NumPy hands out the element."""
    return lambda *operands: np.asarray(function(*operands), dtype=object)


def exp(x):
    return each(lambda v: v.exp())(x, None)


def softmax_of_values(x, axis):
    e = exp(x)
    return e / np.sum(e, axis=axis, keepdims=True)


def mean_of_values(x, axis):
    total = np.sum(x, axis=axis)
    return total * (np.size(total) / x.size)


def var_of_values(x, axis):
    total = np.asarray(np.sum(x, axis=axis, keepdims=True), dtype=object)
    centred = np.asarray(x - total * (total.size / x.size), dtype=object)
    return mean_of_values(centred * centred, axis)


VALUES = {name: array(function) for name, function in NUMPY.items()} | {
    "power": each(lambda x, y: (x * x + 0.5) ** y.tanh()),
    "log": each(lambda x: (x * x + 0.5).log()),
    "exp": each(lambda x: x.tanh().exp()),
    "sqrt": each(lambda x: (x * x + 0.1).sqrt()),
    "cube": each(lambda x: x.tanh() ** 3),
    "tanh": each(lambda x: x.tanh()),
    "sin": each(lambda x: x.sin()),
    "sigmoid": each(lambda x: x.sigmoid()),
    "gelu": each(lambda x: x.gelu("tanh")),
    "softplus": each(lambda x: x.softplus()),
    "relu": each(lambda x: x.relu()),
    "abs": each(abs),
    "maximum": each(lambda x, y: x.maximum(y)),
    "mean": array(mean_of_values),
    "var": array(var_of_values),
    "max": array(lambda x, axis: np.max(x, axis=axis)),
    "prod": array(lambda x, axis: np.prod(each(lambda v: v.tanh())(x, None), axis=axis)),
    "softmax": array(softmax_of_values),
    "logsumexp": array(lambda x, axis: each(lambda v: v.log())(np.asarray(np.sum(exp(x), axis=axis), object), None)),
    "outer": array(lambda x, y, _: x[..., :, None] * y[..., None, :]),
}


def values_of(x):
    """An array of Values with the numbers of an array."""
    return np.asarray(np.frompyfunc(Value, 1, 1)(x), dtype=object)


POINTWISE = ("neg", "log", "exp", "sqrt", "cube", "tanh", "sin", "sigmoid", "gelu", "softplus", "relu", "abs")
PAIRS = ("add", "sub", "mul", "div", "power", "maximum")
OVER_AXES = ("sum", "sum_kept", "mean", "var", "max", "logsumexp")
MOVES = ("transpose", "reshape", "flip", "roll")


def axes_for(draw, ndim):
    """None, one axis, or several, negative or not."""
    chosen = draw(st.sampled_from([None, *range(-ndim, ndim), tuple(range(ndim)), tuple(range(-ndim, -1))]))
    return None if chosen == () else chosen


def move(draw, shape):
    """An instruction that only moves elements."""
    name = draw(st.sampled_from(MOVES))
    if name == "transpose":
        return name, tuple(draw(st.permutations(range(len(shape)))))
    if name == "reshape":
        size = math.prod(shape)
        return name, draw(st.sampled_from([(size,), (1, size), (size, 1), shape[::-1], (-1, *shape[:1])]))
    if name == "flip":
        return name, draw(st.sampled_from(range(len(shape))))
    return name, draw(st.integers(-2, 2))


def unary(draw, shape):
    """An instruction on one node of that shape."""
    kind = draw(st.integers(0, 4)) if shape else 0
    if kind <= 1:
        name = draw(st.sampled_from((*POINTWISE, "scale")))
        return name, -1.5 if name == "scale" else None
    if kind == 2:
        return draw(st.sampled_from(OVER_AXES)), axes_for(draw, len(shape))
    if kind == 3:
        return move(draw, shape)
    name = draw(st.sampled_from(("softmax", "cumsum", "index", "column", "broadcast", "prod")))
    if name in ("index", "column"):
        size = shape[0 if name == "index" else -1]
        ids = draw(st.lists(st.integers(-size, size - 1), min_size=1, max_size=3))
        return name, ids[0] if draw(st.integers(0, 3)) == 0 else np.array(ids)
    if name == "broadcast":
        return name, (2, *shape)
    return name, draw(st.integers(-len(shape), len(shape) - 1))


def binary(draw, left, right):
    """An instruction on two nodes, of those that their shapes allow."""
    names = []
    try:
        np.broadcast_shapes(left, right)
        names += PAIRS
    except ValueError:
        pass
    if left and right and left[-1] == right[-2 if len(right) > 1 else 0]:
        names += ["matmul"] * 3
    if left and len(left) == len(right) and left[:-1] == right[:-1]:
        names += ["concatenate", "concatenate", "outer"]
    if not names:
        return None
    name = draw(st.sampled_from(names))
    return name, -1 if name == "concatenate" else None


@st.composite
def programs(draw, most=6, moves_only=False):
    """One to three leaves and up to ``most`` instructions on any earlier nodes; the result is any node."""
    rng = generator(draw(SEEDS))
    shapes = [
        tuple(draw(st.lists(st.sampled_from([1, 2, 3]), max_size=3)))
        for _ in range(1 if moves_only else draw(st.integers(1, 3)))
    ]
    leaves = tuple(np.asarray(rng.uniform(-1.5, 1.5, shape)) for shape in shapes)
    steps, nodes = [], list(leaves)
    for _ in range(draw(st.integers(1, most))):
        # Recent nodes more often: deep programs, with a few uses of old nodes.
        i, j = (max(draw(st.integers(0, len(nodes) - 1)), draw(st.integers(0, len(nodes) - 1))) for _ in range(2))
        found, operands = None, (i, j)
        if not moves_only and draw(st.booleans()):
            found = binary(draw, nodes[i].shape, nodes[j].shape)
        if found is None:
            operands = (i,)
            if moves_only and not nodes[i].shape:
                break
            found = move(draw, nodes[i].shape) if moves_only else unary(draw, nodes[i].shape)
        step = Instruction(found[0], operands, found[1])
        try:
            result = np.asarray(NUMPY[step.op](*(nodes[k] for k in operands), step.attribute))
        except (Kink, ValueError):
            continue
        if 0 < result.size <= LARGEST and result.ndim <= 4 and np.abs(result).max() < 1e3:
            steps.append(step)
            nodes.append(result)
    out = len(nodes) - 1 if moves_only or draw(st.integers(0, 3)) else draw(st.integers(0, len(nodes) - 1))
    return Program(leaves, tuple(steps), out)
