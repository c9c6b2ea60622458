"""The MLP's step in the other engines on NumPy: HIPS autograd and MyGrad. Neither has PyTorch's optimizers."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.contestants.flat import BETA1, BETA2, DECAY, EPS
from benchmarks.contestants.problems import Array, Problem

Update = Callable[[Mapping[str, Array], Mapping[str, Array]], None]


def with_autograd(problem: Problem) -> Callable[[], float]:
    """A function that does a step with HIPS autograd."""
    from autograd import numpy as anp
    from autograd import value_and_grad

    def loss_of(weights, contexts, targets):
        x = weights["embedding.weight"][contexts].reshape(len(targets), -1)
        h = anp.tanh(anp.dot(x, weights["hidden.0.weight"].T) + weights["hidden.0.bias"])
        logits = anp.dot(h, weights["output.weight"].T) + weights["output.bias"]
        logits = logits - anp.max(logits, axis=1, keepdims=True)
        totals = anp.log(anp.sum(anp.exp(logits), axis=1))
        return anp.mean(totals - logits[np.arange(len(targets)), targets])

    both, weights = value_and_grad(loss_of), problem.copies()
    update, batches = _update(problem), problem.data.batches()

    def step() -> float:
        loss, gradients = both(weights, *next(batches))
        update(weights, gradients)
        return float(loss)

    return step


def with_mygrad(problem: Problem) -> Callable[[], float]:
    """A function that does a step with MyGrad."""
    import mygrad as mg
    from mygrad.nnet.losses import softmax_crossentropy

    mg.turn_memory_guarding_off()  # it takes as long as the step
    tensors = {name: mg.tensor(array) for name, array in problem.copies().items()}
    weights = {name: tensor.data for name, tensor in tensors.items()}
    update, batches = _update(problem), problem.data.batches()

    def step() -> float:
        contexts, targets = next(batches)
        x = tensors["embedding.weight"][contexts].reshape(len(targets), -1)
        h = mg.tanh(mg.matmul(x, tensors["hidden.0.weight"].T) + tensors["hidden.0.bias"])
        logits = mg.matmul(h, tensors["output.weight"].T) + tensors["output.bias"]
        loss = softmax_crossentropy(logits, targets)
        loss.backward()
        update(weights, {name: tensor.grad for name, tensor in tensors.items()})
        return float(loss.data)

    return step


def _update(problem: Problem) -> Update:
    """An optimizer over weights by their names, which changes them in place."""
    lr, count = problem.lr, 0
    means, squares = ({name: np.zeros_like(w) for name, w in problem.weights.items()} for _ in range(2))

    def sgd(weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        for name, w in weights.items():
            w -= lr * gradients[name]

    def adamw(weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        nonlocal count
        count += 1
        rate, root = lr / (1 - BETA1**count), math.sqrt(1 - BETA2**count)
        for name, w in weights.items():
            g, m, s = gradients[name], means[name], squares[name]
            m += (1 - BETA1) * (g - m)
            s += (1 - BETA2) * (g * g - s)
            w *= 1 - lr * DECAY
            w -= rate * m / (np.sqrt(s) / root + EPS)

    return {"sgd": sgd, "adamw": adamw}[problem.optimizer]
