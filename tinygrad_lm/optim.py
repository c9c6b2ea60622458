"""Optimizers, learning-rate schedules and gradient clipping, with PyTorch's names and update rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor

Array = np.ndarray[Any, Any]
Schedule = Callable[[int], float]


def _check(name: str, value: Any, low: float, high: float = math.inf) -> float:
    number = float(value)
    if not low <= number < high:
        bounds = f"from {low:g}" + ("" if high == math.inf else f" to below {high:g}")
        raise ValueError(f"{name} must be a finite number {bounds}, not {value!r}")
    return number


class Optimizer:
    """Steps a set of parameters along their gradients.

    ``params`` are tensors, or groups: dictionaries with ``params`` and options of their own, such as
    ``{"params": biases, "weight_decay": 0.0}``. A parameter given twice (a tied weight) is stepped once; one
    whose ``grad`` is ``None`` (frozen, or unused) is left alone. ``scale`` multiplies every learning rate: set
    it from a schedule before each step.
    """

    moments: tuple[str, ...] = ()
    """The names of the running averages kept for each parameter."""

    def __init__(self, params: Iterable[Any], options: dict[str, float]) -> None:
        self.scale = 1.0
        given = list(params)
        groups: list[Any] = given if given and isinstance(given[0], Mapping) else [{"params": given}]
        self.groups: list[tuple[list[Tensor], dict[str, float]]] = []
        self.state: dict[int, dict[str, Array]] = {}
        self.counts: dict[int, int] = {}
        self._scratch: dict[int, Array] = {}
        seen: set[int] = set()
        for group in groups:
            own = {key: value for key, value in group.items() if key != "params"}
            unknown = set(own) - set(options)
            if unknown:
                known = ", ".join(options)
                raise ValueError(f"{type(self).__name__} has no option {sorted(unknown)[0]!r}; it has {known}")
            members: list[Tensor] = []
            for parameter in group["params"]:
                if not isinstance(parameter, Tensor) or not parameter.is_leaf:
                    raise TypeError(f"an optimizer steps leaf tensors (parameters), not {parameter!r:.60}")
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    members.append(parameter)
            self.groups.append((members, self.checked({**options, **own})))
        if not seen:
            raise ValueError(f"{type(self).__name__} was given no parameters; pass module.parameters()")

    def checked(self, options: dict[str, float]) -> dict[str, float]:
        """The options, each a number in its range; raises ``ValueError`` naming the one that is not."""
        ranges = {"momentum": 1.0, "beta1": 1.0, "beta2": 1.0}
        return {key: _check(key, value, 0.0, ranges.get(key, math.inf)) for key, value in options.items()}

    @property
    def parameters(self) -> list[Tensor]:
        """All parameters in their order."""
        return [parameter for members, _ in self.groups for parameter in members]

    def zero_grad(self) -> None:
        """Forget the gradients, so that the next backward pass starts afresh (gradients add up otherwise)."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Change each parameter in place by the rule of this optimizer."""
        for members, options in self.groups:
            for parameter in members:
                gradient = parameter.grad
                if gradient is None:
                    continue
                data = parameter.data
                if not data.flags.writeable or data.base is not None:
                    data = data.copy()
                state = self.state.get(id(parameter))
                if state is None:
                    state = self.state[id(parameter)] = {name: np.zeros_like(data) for name in self.moments}
                    self._scratch[id(parameter)] = np.empty_like(data)
                count = self.counts[id(parameter)] = self.counts.get(id(parameter), 0) + 1
                self.update(data, gradient, state, self._scratch[id(parameter)], count, options)
                parameter.data = data

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
        """Take up where ``state_arrays`` left off. Raises ``ValueError`` where names or shapes do not fit."""
        state: dict[int, dict[str, Array]] = {}
        counts: dict[int, int] = {}
        left = set(arrays)
        for i, parameter in enumerate(self.parameters):
            if f"{i}.steps" not in arrays:
                continue
            names = {name: f"{i}.{name}" for name in self.moments}
            if any(key not in arrays or arrays[key].shape != parameter.shape for key in names.values()):
                raise ValueError(f"the optimizer's state does not fit parameter {i} of shape {parameter.shape}")
            counts[id(parameter)] = int(arrays[f"{i}.steps"])
            state[id(parameter)] = {name: arrays[key].astype(parameter.dtype) for name, key in names.items()}
            left -= {f"{i}.steps", *names.values()}
        if left:
            raise ValueError(
                f"the state is not one of {type(self).__name__} over these {len(self.parameters)} parameters: "
                f"{sorted(left)[0]!r} has no place"
            )
        self.state, self.counts = state, counts
        self._scratch = {id(p): np.empty_like(p.data) for p in self.parameters if id(p) in state}


class SGD(Optimizer):
    """Stochastic gradient descent: v = momentum * v + g; p -= lr * v (Nesterov: p -= lr * (g + momentum * v)).

    ``weight_decay`` adds weight_decay * p to the gradient.
    """

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
        self.moments = ("velocity",) if momentum else ()
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

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
        velocity = state.get("velocity")
        if velocity is not None:
            velocity *= options["momentum"]
            velocity += gradient
            gradient = gradient + options["momentum"] * velocity if self.nesterov else velocity
        np.multiply(gradient, options["lr"] * self.scale, out=scratch)
        data -= scratch


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015): steps by the running mean of the gradient over the root of that of its square.

    m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²; p -= lr m̂ / (sqrt(v̂) + eps), with the averages
    divided by 1 - beta^t. ``weight_decay`` adds weight_decay * p to the gradient.
    """

    moments = ("mean", "square")
    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"lr": lr, "beta1": betas[0], "beta2": betas[1], "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options)

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
        lr, beta1, beta2 = options["lr"] * self.scale, options["beta1"], options["beta2"]
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
        np.sqrt(square, out=scratch)
        scratch *= 1 / math.sqrt(1 - beta2**count)
        scratch += options["eps"]
        np.divide(mean, scratch, out=scratch)
        scratch *= lr / (1 - beta1**count)
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


def clip_grad_norm_(params: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients together so that their Euclidean norm is at most ``max_norm``; returns the norm before.

    A norm that is inf or nan scales nothing: look at the result before stepping.
    """
    limit = _check("max_norm", max_norm, 0.0)
    found = {id(p): p for p in params if p.grad is not None}
    gradients = [p.grad for p in found.values() if p.grad is not None]
    total = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    if math.isfinite(total) and total > limit:
        for p in found.values():
            if p.grad is not None:
                p.grad = p.grad * (limit / (total + 1e-6))
    return total


def constant() -> Schedule:
    """1 at every step."""
    return lambda step: 1.0


def linear(total: int, end: float = 0.0) -> Schedule:
    """From 1 at step 0 in a straight line to ``end`` at step ``total``, and on at that."""
    return lambda step: 1 + (end - 1) * min(step / _positive(total), 1.0)


def cosine(total: int, end: float = 0.0) -> Schedule:
    """From 1 at step 0 along half a cosine to ``end`` at step ``total``, and on at that (Loshchilov & Hutter 2017)."""
    return lambda step: end + (1 - end) * (1 + math.cos(math.pi * min(step / _positive(total), 1.0))) / 2


def step(every: int, factor: float = 0.1) -> Schedule:
    """Multiplied by ``factor`` after each ``every`` steps."""
    return lambda step: factor ** (step // _positive(every))


def warmup(steps: int, then: Schedule | None = None) -> Schedule:
    """In a straight line up to 1 over the first ``steps`` steps (never 0), then another schedule from its start."""
    after = constant() if then is None else then
    return lambda step: (step + 1) / _positive(steps) if step < steps else after(step - steps)


def _positive(n: int) -> int:
    if n < 1:
        raise ValueError(f"a schedule's length is a whole number of steps from 1, not {n!r}")
    return n


SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "constant": lambda total: constant(),
    "linear": linear,
    "cosine": cosine,
    "step": lambda total: step(max(1, total // 2)),
}
"""Schedules by name, each made from the number of steps of the whole training."""

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
"""Optimizers by name."""
