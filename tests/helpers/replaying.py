"""Two worlds made alike: in one a step runs as it is, in the other it is replayed, and all they hold is compared."""

import contextvars
import inspect
import random

import numpy as np

from tinygrad_lm import Tensor, manual_seed, nn, optim
from tinygrad_lm.nn import functional as F
from tinygrad_lm.random import existing_default_generator
from tinygrad_lm.replay.replayed import replay


class Net(nn.Module):
    """Two layers, with what a step may change."""

    def __init__(self, hidden=None, dtype=np.float32):
        self.first = nn.Linear(3, 4, rng=1)
        self.hidden = hidden
        self.last = nn.Linear(4, 5, rng=2)
        self.slope = 1.0
        self.to(dtype)

    def forward(self, x):
        x = (self.slope * self.first(x)).tanh()
        return self.last(x if self.hidden is None else self.hidden(x))

    def loss(self, x, y):
        return F.cross_entropy(self(x), y)


class World:
    """A step with all that it can see; ``step`` takes the world first."""

    def __init__(self, model=None, optimizer=None, leaves=(), generators=(), **others):
        self.model = Net() if model is None else model
        self.optimizer = (optimizer or (lambda p: optim.SGD(p, lr=0.1)))([*self.model.parameters(), *leaves])
        self.leaves = list(leaves)
        self.generators = list(generators)
        self.context = contextvars.copy_context()
        self.context.run(manual_seed, 5)
        vars(self).update(others)

    def holds(self):
        """Everything that a step may have changed, as plain data."""
        found = {}
        for name, p in [*self.model.named_parameters(), *((f"leaf {i}", p) for i, p in enumerate(self.leaves))]:
            found[f"{name} data"], found[f"{name} grad"] = frozen(p.data), frozen(p.grad)
            found[f"{name} learns"] = p.requires_grad
        found |= {f"buffer {name}": frozen(array) for name, array in self.model.named_buffers()}
        found |= {f"moment {name}": frozen(array) for name, array in self.optimizer.state_arrays().items()}
        generators = [*self.generators, *(g for _, g in self.model.named_generators())]
        generators.append(self.context.run(existing_default_generator))
        found |= {f"generator {i}": str(g.bit_generator.state) for i, g in enumerate(generators)}
        found["scale"] = self.optimizer.scale, [options for _, options in self.optimizer.groups]
        return found


def frozen(x):
    """A result as plain data that can be compared: its type, and each bit of its numbers."""
    if isinstance(x, Tensor):
        return "Tensor", x.dtype.str, x.shape, x.data.tobytes()
    if isinstance(x, (np.ndarray, np.generic)):
        return type(x).__name__, x.dtype.str, x.shape, x.tobytes()
    if isinstance(x, (tuple, list)):
        return type(x).__name__, [frozen(part) for part in x]
    if isinstance(x, dict):
        return {key: frozen(value) for key, value in x.items()}
    return type(x).__name__, repr(x)


def train(w, x, y):
    """The step that everybody writes."""
    w.optimizer.zero_grad()
    loss = w.model.loss(x, y)
    loss.backward()
    w.optimizer.step()
    return loss


def let_go(w, x, y):
    """The same, of which nothing is left that holds the parameters' arrays: they may be put side by side."""
    w.optimizer.zero_grad()
    loss = w.model.loss(x, y)
    loss.backward(retain_graph=False)
    w.optimizer.step()
    return loss.detach()


def learn(w, loss):
    """The rest of a step whose loss is computed."""
    w.optimizer.zero_grad()
    loss.backward()
    w.optimizer.step()
    return loss


def only_gradients(w, x, y):
    """A step that leaves the parameters as they are."""
    w.optimizer.zero_grad()
    loss = w.model.loss(x, y)
    loss.backward()
    return loss


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adamw": lambda p: optim.AdamW([{"params": p[::2]}, {"params": p[1::2], "weight_decay": 0.0}], lr=0.01),
}
"""Of each kind one, as ``World`` takes it."""


def batch(i, rows=8):
    """Inputs and targets, others for each i."""
    rng = np.random.default_rng(i)
    return rng.normal(size=(rows, 3)).astype(np.float32), rng.integers(0, 5, rows)


def batches(n=8, rows=8):
    """Several of them."""
    return [batch(i, rows) for i in range(n)]


class Twins:
    """The two worlds, called one after the other."""

    def __init__(self, make=World, step=train, **options):
        self.worlds = [make(), make()]
        eager, other = self.worlds

        def own(*args, **options):
            return step(other, *args, **options)

        own.__signature__ = without_the_first(step)
        self.replayed = replay(own, **options)
        self.calls = [lambda *args, **options: step(eager, *args, **options), self.replayed]
        self.given = []

    def call(self, *args, **options):
        """Call both, each with arguments of its own; what they give and hold must agree to the last bit."""
        given, told = [], []
        before = random.getstate(), np.random.get_state()  # noqa: NPY002 (to see that it moves alike)
        for world, call in zip(self.worlds, self.calls, strict=True):
            random.setstate(before[0])
            np.random.set_state(before[1])  # noqa: NPY002
            own = [own_of(x) for x in args]
            try:
                result = world.context.run(call, *own, **{key: own_of(x) for key, x in options.items()})
                given.append(result)
                told.append({"result": frozen(result)})
            except Exception as error:
                told.append({"error": (type(error).__name__, str(error))})
                given.append(error)
            told[-1] |= {"arguments": frozen(own), "random": str(random.getstate()), **world.holds()}
            told[-1]["np.random"] = str(np.random.get_state())  # noqa: NPY002
        assert told[1].keys() == told[0].keys()
        for key, value in told[0].items():
            assert told[1][key] == value, f"{key} is another where the step is replayed"
        self.given.append(given)
        return given

    def change(self, function, *args):
        """Do the same to both worlds between two calls."""
        for world in self.worlds:
            world.context.run(function, world, *args)

    @property
    def counts(self):
        """How many calls there were, and how many were replayed."""
        shapes = self.replayed.shapes
        return sum(shape.calls for shape in shapes), sum(shape.replayed for shape in shapes)

    def was_replayed(self, at_least=1):
        """Fail unless calls were replayed."""
        assert self.counts[1] >= at_least, str(self.replayed.report())

    def was_not(self, *words):
        """Fail unless all calls were as they are, for a reason that has these words."""
        assert self.counts[1] == 0, "it was replayed"
        text = str(self.replayed.report())
        for word in words:
            assert word in text, text


def with_gaps(x):
    """The same numbers, each other element of every axis of a larger array."""
    base = np.zeros([2 * n for n in x.shape], x.dtype)
    base[tuple(slice(None, None, 2) for _ in x.shape)] = x
    return base[tuple(slice(None, None, 2) for _ in x.shape)]


def own_of(x):
    """An argument that one call alone has."""
    if type(x) is np.ndarray:
        # With the gaps that it has, as well.
        own = x if x.flags.owndata else x.base.copy(order="K")
        own = x.copy(order="K") if own is x else own[tuple(slice(None, None, 2) for _ in x.shape)]
        own.flags.writeable = x.flags.writeable
        return own
    if isinstance(x, Tensor) and not x.requires_grad:
        return Tensor(x.data)
    return x


def without_the_first(step):
    """The signature of a step as the user calls it."""
    signature = inspect.signature(step)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def run(step, n=6, make=World, calls=None):
    """Both worlds through several batches."""
    twins = Twins(make, step)
    for args in calls or batches(n):
        twins.call(*args)
    return twins
