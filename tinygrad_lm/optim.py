"""Optimizers and gradient clipping, with PyTorch's names and update rules, and the learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_lm.autograd import remedies
from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.observers import as_one
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.loans import is_view
from tinygrad_lm.schedules import SCHEDULES as SCHEDULES
from tinygrad_lm.schedules import Schedule as Schedule
from tinygrad_lm.schedules import constant as constant
from tinygrad_lm.schedules import cosine as cosine
from tinygrad_lm.schedules import linear as linear
from tinygrad_lm.schedules import step as step
from tinygrad_lm.schedules import warmup as warmup

Array = np.ndarray[Any, Any]

BLOCK = 1 << 15
"""So many numbers go through all passes of an update together: few enough to stay in the cache."""


def _check(name: str, value: Any, low: float, high: float = math.inf) -> float:
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r:.60}")
    number = float(value)
    if not low <= number < high:
        bounds = f"from {low:g}" + ("" if high == math.inf else f" to below {high:g}")
        raise ValueError(f"{name} must be a finite number {bounds}, not {value!r}")
    return number


class Optimizer:
    """Steps a set of parameters along their gradients.

    ``params`` are tensors or ``Value``s, or groups: dictionaries with ``params`` and options of their own, such as
    ``{"params": biases, "weight_decay": 0.0}``. A parameter given twice in a group (a tied weight) is stepped
    once, and in two groups it is an error; one whose ``grad`` is ``None`` (frozen, or unused) is left alone.
    ``scale`` multiplies every learning rate: set it from a schedule before each step.
    """

    moments: tuple[str, ...] = ()
    """The names of the running averages kept for each parameter."""

    elementwise = False
    """Whether ``update`` steps each number of a parameter alone, so that several parameters can be stepped as one."""

    def __init__(self, params: Iterable[Any], options: dict[str, Any]) -> None:
        self.scale = 1.0
        if hasattr(params, "parameters"):
            raise TypeError(f"{type(self).__name__} takes parameters: write module.parameters(), not the module")
        given: list[Any] = [params] if isinstance(params, Node) else list(params)
        grouped = any(isinstance(member, Mapping) for member in given)
        groups: list[Any] = given if grouped else [{"params": given}]
        bad: list[Any] = [group for group in groups if not isinstance(group, Mapping) or "params" not in group]
        if bad:
            raise TypeError(f"groups are dictionaries with 'params' and options, all of them, not {bad[0]!r:.60}")
        self.groups: list[tuple[list[Tensor | Value], dict[str, float]]] = []
        self.state: dict[int, dict[str, Array]] = {}
        self.counts: dict[int, int] = {}
        self.kept_by: dict[tuple[int, ...], object] = {}
        """What keeps the moments of several parameters side by side, by the identities of these."""
        self._scratch: dict[int, Array] = {}
        seen: set[int] = set()
        for group in groups:
            own = {key: value for key, value in group.items() if key != "params"}
            unknown = set(own) - set(options)
            if unknown:
                known = ", ".join(options)
                raise ValueError(f"{type(self).__name__} has no option {sorted(unknown)[0]!r}; it has {known}")
            members: dict[int, Tensor | Value] = {}
            for parameter in [group["params"]] if isinstance(group["params"], Node) else group["params"]:
                if not isinstance(parameter, (Tensor, Value)) or not parameter.is_leaf:
                    raise TypeError(
                        f"an optimizer steps leaf Values and leaf tensors (parameters), not {parameter!r:.60}"
                    )
                if id(parameter) in seen:
                    raise ValueError(f"a parameter stands in two groups, whose options may differ: {parameter!r:.60}")
                members[id(parameter)] = parameter
            seen |= set(members)
            self.groups.append((list(members.values()), self.checked({**options, **own})))
        if not seen:
            raise ValueError(f"{type(self).__name__} was given no parameters; pass module.parameters()")

    def checked(self, options: dict[str, Any]) -> dict[str, float]:
        """The options, each a number in its range.

        Raises
        ------
        ValueError
            Naming the one that is not.
        """
        ranges = {"momentum": 1.0, "beta1": 1.0, "beta2": 1.0}
        return {key: _check(key, value, 0.0, ranges.get(key, math.inf)) for key, value in options.items()}

    @property
    def parameters(self) -> list[Tensor | Value]:
        """All parameters in their order."""
        return [parameter for members, _ in self.groups for parameter in members]

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}(scale={self.scale:g})"]
        for members, options in self.groups:
            shown = ", ".join(f"{name}={value!r}" for name, value in options.items())
            lines.append(f"  {len(members)} parameters: {shown}")
        return "\n".join(lines)

    def zero_grad(self) -> None:
        """Forget the gradients, so that the next backward pass starts afresh (gradients add up otherwise)."""
        for members, _ in self.groups:
            for parameter in members:
                parameter.grad = None

    @as_one
    def step(self) -> None:
        """Change each parameter in place by the rule of this optimizer."""
        for members, options in self.groups:
            for parameter in members:
                gradient: Any = parameter.grad
                if gradient is None:
                    continue
                data: Any = parameter.data
                single = isinstance(parameter, Value)
                if single:
                    gradient, data = np.asarray(gradient), np.asarray(data)
                if not data.flags.writeable or is_view(data):
                    data = data.copy()
                key = id(parameter)
                scratch = self._scratch.get(key)
                if scratch is None or scratch.dtype is not data.dtype:
                    scratch = self._prepare(key, data)
                count = self.counts[key] = self.counts.get(key, 0) + 1
                self.update(data, gradient, self.state[key], scratch, count, options)
                parameter.data = data.item() if single else data

    def put(self, key: int, moments: dict[str, Array], dtype: np.dtype[Any]) -> None:
        """Go on with these arrays for the moments of a parameter of that dtype, as a plan does that has its own."""
        self.state[key] = moments
        if key in self._scratch and self._scratch[key].dtype != dtype:
            del self._scratch[key]  # from before: by its dtype is told whether the moments have to be of another

    def _prepare(self, key: int, data: Array) -> Array:
        """Make the arrays of a parameter, those it has already in the data's dtype; returns the scratch array."""
        earlier = self.state.get(key, {})
        self.state[key] = {
            name: earlier[name].astype(data.dtype) if name in earlier else np.zeros_like(data) for name in self.moments
        }
        self._scratch[key] = np.empty_like(data)
        return self._scratch[key]

    def update(
        self,
        data: Array,
        gradient: Array,
        state: dict[str, Array],
        scratch: Array,
        count: int,
        options: dict[str, float],
    ) -> None:
        """Step one parameter's array in place, for the ``count``-th time; ``scratch`` is an array to work in."""
        raise NotImplementedError

    def state_arrays(self) -> dict[str, Array]:
        """A copy of all running averages and step counts, named ``index.moment``: what resumes exactly."""
        arrays: dict[str, Array] = {}
        for i, parameter in enumerate(self.parameters):
            if id(parameter) in self.counts:
                arrays[f"{i}.steps"] = np.array(self.counts[id(parameter)], dtype=np.int64)
                arrays.update({f"{i}.{name}": a.copy() for name, a in self.state[id(parameter)].items()})
        return arrays

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Take up where ``state_arrays`` left off.

        Raises
        ------
        ValueError
            Where names or shapes do not fit.
        """
        state: dict[int, dict[str, Array]] = {}
        counts: dict[int, int] = {}
        left = set(arrays)
        for i, parameter in enumerate(self.parameters):
            if f"{i}.steps" not in arrays:
                continue
            steps = np.asarray(arrays[f"{i}.steps"])
            if steps.shape or steps.dtype.kind not in "iu" or steps < 1:
                raise ValueError(f"the number of steps of parameter {i} is a whole number from 1, not {steps!r:.60}")
            names = {name: f"{i}.{name}" for name in self.moments}
            data: Array = np.asarray(parameter.data)
            if any(key not in arrays or arrays[key].shape != data.shape for key in names.values()):
                raise ValueError(f"the optimizer's state does not fit parameter {i} of shape {data.shape}")
            counts[id(parameter)] = int(steps)
            state[id(parameter)] = {name: arrays[key].astype(data.dtype) for name, key in names.items()}
            left -= {f"{i}.steps", *names.values()}
        if left:
            raise ValueError(
                f"the state is not one of {type(self).__name__} over these {len(self.parameters)} parameters: "
                f"{sorted(left)[0]!r} has no place"
            )
        self.state, self.counts, self.kept_by, self._scratch = state, counts, {}, {}


class SGD(Optimizer):
    """Stochastic gradient descent: v = momentum * v + g; p -= lr * v (Nesterov: p -= lr * (g + momentum * v)).

    ``weight_decay`` adds weight_decay * p to the gradient.
    """

    elementwise = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        if nesterov and not momentum:
            raise ValueError("nesterov looks ahead along the momentum: give momentum > 0, such as 0.9")
        self.nesterov = nesterov
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.moments = ("velocity",) if any(options["momentum"] for _, options in self.groups) else ()

    def update(
        self,
        data: Array,
        gradient: Array,
        state: dict[str, Array],
        scratch: Array,
        count: int,
        options: dict[str, float],
    ) -> None:
        """One step of one parameter."""
        if options["weight_decay"]:
            gradient = gradient + options["weight_decay"] * data
        if options["momentum"]:
            velocity = state["velocity"]
            velocity *= options["momentum"]
            velocity += gradient
            gradient = gradient + options["momentum"] * velocity if self.nesterov else velocity
        np.multiply(gradient, options["lr"] * float(self.scale), out=scratch)
        data -= scratch


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015): steps by the running mean of the gradient over the root of that of its square.

    m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²; p -= lr m̂ / (sqrt(v̂) + eps), with the averages
    divided by 1 - beta^t. ``weight_decay`` adds weight_decay * p to the gradient.
    """

    moments = ("mean", "square")
    elementwise = True
    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def checked(self, options: dict[str, Any]) -> dict[str, float]:
        """The options, with ``betas`` as ``beta1`` and ``beta2``, each a number in its range."""
        betas = options["betas"]
        if not isinstance(betas, Sequence) or len(betas) != 2:  # pyright: ignore[reportUnknownArgumentType]
            raise TypeError(f"betas are two numbers, such as (0.9, 0.999), not {betas!r:.60}")
        others = {key: value for key, value in options.items() if key != "betas"}
        return super().checked({**others, "beta1": betas[0], "beta2": betas[1]})

    def update(
        self,
        data: Array,
        gradient: Array,
        state: dict[str, Array],
        scratch: Array,
        count: int,
        options: dict[str, float],
    ) -> None:
        """One step of one parameter."""
        if data.size > BLOCK and all(x.flags.c_contiguous for x in (data, gradient, scratch, *state.values())):
            for block in range(0, data.size, BLOCK):
                part = slice(block, block + BLOCK)
                moments = {name: moment.reshape(-1)[part] for name, moment in state.items()}
                arrays = data.reshape(-1)[part], gradient.reshape(-1)[part], moments, scratch.reshape(-1)[part]
                Adam.update(self, *arrays, count, options)
            return
        lr, beta1, beta2 = options["lr"] * float(self.scale), options["beta1"], options["beta2"]
        decay = options["weight_decay"]
        if decay and self.decoupled:
            data *= 1 - lr * decay
        elif decay:
            gradient = gradient + decay * data
        mean, square = state["mean"], state["square"]
        # In place, in an order that needs one scratch array: small steps are bound by the number of calls.
        np.multiply(gradient, 1 - beta1, out=scratch)
        mean *= beta1
        mean += scratch
        np.multiply(gradient, gradient, out=scratch)
        scratch *= 1 - beta2
        square *= beta2
        square += scratch
        # sqrt(v̂) is sqrt(v) by a number, which goes into the others.
        root = np.sqrt(1 - beta2**count).item()
        np.sqrt(square, out=scratch)
        scratch += options["eps"] * root
        np.divide(mean, scratch, out=scratch)
        scratch *= lr * root / (1 - beta1**count)
        data -= scratch


class AdamW(Adam):
    """Adam with decoupled weight decay: p is first multiplied by 1 - lr * weight_decay (Loshchilov & Hutter 2019)."""

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


@as_one
def clip_grad_norm_(params: Iterable[Tensor | Value], max_norm: float) -> float:
    """Scale all gradients together so that their Euclidean norm is at most ``max_norm``; returns the norm before.

    ``max_norm`` inf only measures. A norm that is inf or nan scales nothing: look at the result before stepping.
    """
    limit = math.inf if max_norm == math.inf else _check("max_norm", max_norm, 0.0)
    given: Iterable[Any] = [params] if isinstance(params, Node) else params
    found = {id(p): p for p in given if p.grad is not None}
    total = total_norm([np.asarray(p.grad) for p in found.values()])
    if math.isfinite(total) and total > limit:
        for p in found.values():
            p.grad = p.grad * (limit / (total + 1e-6))
    return total


def total_norm(gradients: Sequence[Array]) -> float:
    """The Euclidean norm of all the arrays together."""
    total = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    if total < math.inf or math.isnan(total):
        return total
    # The squares of large numbers overflow before the numbers do: once more, relative to the largest.
    largest = max(float(np.abs(g).max(initial=0.0)) for g in gradients)
    if largest == math.inf:
        return largest
    parts = [g / largest for g in gradients]
    return largest * math.sqrt(sum(float(np.vdot(part, part)) for part in parts))


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
"""Optimizers by name."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """An error that says what to write for an optimizer of PyTorch's that is not here."""
        raise remedies.unknown(__name__, name, remedies.OPTIM)
