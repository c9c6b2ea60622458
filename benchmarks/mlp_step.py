"""One training step of the MLP (context 3, embedding 10, hidden 200, SGD) beside the same step by hand in NumPy.

    python -m benchmarks.mlp_step [BATCH_SIZE]

Both draw a batch, go forward and backward, and update, in float32 on one BLAS thread, in one process. Prints the
median times and their ratio; before that it checks that both compute the same. Where PyTorch is installed its eager
step is timed too, on one thread.
"""

import sys

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.timing import microseconds
from tinygrad_lm import optim
from tinygrad_lm.models import MLP
from tinygrad_lm.text import NameDataset, Vocabulary, bundled_names

LR = 0.1


class HandWritten:
    """The same model and the same step, without an engine."""

    def __init__(self, model: MLP) -> None:
        state = model.state_dict()
        self.table = state["embedding.weight"]
        self.w1, self.b1 = state["hidden.0.weight"], state["hidden.0.bias"]
        self.w2, self.b2 = state["output.weight"], state["output.bias"]

    def step(self, contexts, targets) -> float:
        n = len(targets)
        rows = np.arange(n)
        embedded = self.table.take(contexts, axis=0)
        x = embedded.reshape(n, -1)
        h = np.tanh(x @ self.w1.T + self.b1)
        logits = h @ self.w2.T + self.b2
        logits -= logits.max(axis=1, keepdims=True)
        correct = logits[rows, targets]
        probabilities = np.exp(logits)
        totals = probabilities.sum(axis=1, keepdims=True)
        loss = (np.log(totals[:, 0]) - correct).mean()

        d_logits = probabilities / totals
        d_logits[rows, targets] -= 1
        d_logits /= n
        d_w2 = d_logits.T @ h
        d_b2 = d_logits.sum(axis=0)
        d_h = (d_logits @ self.w2) * (1 - h * h)
        d_w1 = d_h.T @ x
        d_b1 = d_h.sum(axis=0)
        d_rows = (d_h @ self.w1).reshape(-1, self.table.shape[1])
        d_table = np.zeros_like(self.table)
        np.add.at(d_table, contexts.reshape(-1), d_rows)

        self.table -= LR * d_table
        self.w1 -= LR * d_w1
        self.b1 -= LR * d_b1
        self.w2 -= LR * d_w2
        self.b2 -= LR * d_b2
        return float(loss)


def pytorch_step(data: NameDataset, model: MLP, batch_size: int):
    """The same step in PyTorch, or None where it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    state = {name: torch.tensor(array, requires_grad=True) for name, array in model.state_dict().items()}
    optimizer = torch.optim.SGD(state.values(), lr=LR)
    contexts, targets = torch.tensor(data.contexts.copy()), torch.tensor(data.targets.copy())
    functional = torch.nn.functional

    def step() -> float:
        chosen = torch.randint(len(targets), (batch_size,))
        embedded = functional.embedding(contexts[chosen], state["embedding.weight"]).flatten(1)
        hidden = torch.tanh(functional.linear(embedded, state["hidden.0.weight"], state["hidden.0.bias"]))
        logits = functional.linear(hidden, state["output.weight"], state["output.bias"])
        loss = functional.cross_entropy(logits, targets[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def main(batch_size: int = 32) -> float:
    """Check, time, print; returns the ratio."""
    data = NameDataset(bundled_names(), Vocabulary(), 3)
    model = MLP(context=3, embedding=10, hidden=(200,), rng=0)
    optimizer = optim.SGD(model.parameters(), lr=LR)
    by_hand = HandWritten(model)
    rngs = {name: np.random.Generator(np.random.PCG64(0)) for name in ("engine", "hand")}

    def engine_step() -> float:
        contexts, targets = data.sample(batch_size, rngs["engine"])
        optimizer.zero_grad()
        loss = model.loss(contexts, targets)
        loss.backward(retain_graph=False)
        optimizer.step()
        return loss.item()

    def hand_step() -> float:
        contexts, targets = data.sample(batch_size, rngs["hand"])
        return by_hand.step(contexts, targets)

    for _ in range(100):
        pair = engine_step(), hand_step()
        if not np.isclose(*pair, rtol=1e-3):
            raise ArithmeticError(f"the two steps differ: {pair}")
    ways = {"tinygrad_lm": engine_step, "NumPy by hand": hand_step}
    if (torch_step := pytorch_step(data, model, batch_size)) is not None:
        ways["PyTorch"] = torch_step
    found = microseconds(ways)
    ratio = found["tinygrad_lm"] / found["NumPy by hand"]
    for name, time in found.items():
        print(f"{name:<14} {time:8.1f} us a step of {batch_size}")
    print(f"ratio          {ratio:8.2f}")
    return ratio


if __name__ == "__main__":
    with threadpool_limits(1):
        main(*map(int, sys.argv[1:]))
