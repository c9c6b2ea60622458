"""Random steps, of parts that work on each row and parts that mix rows: in blocks or not, they come to the same."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lm import Tensor, optim
from tinygrad_lm.nn import functional as F
from tinygrad_lm.replay import replay

ROWS, WIDTH = 12, 4
TABLE = np.random.default_rng(1).standard_normal((ROWS, WIDTH))
"""An array of the batch's size that is no argument."""

APART: dict[str, Any] = {
    "linear": lambda m, h, x, y, k: F.linear(h, m.weight, m.bias),
    "product": lambda m, h, x, y, k: h @ m.weight,
    "tanh": lambda m, h, x, y, k: np.tanh(h),
    "scaled": lambda m, h, x, y, k: h * m.scale,
    "halves": lambda m, h, x, y, k: np.concatenate([h[:, 2:], h[:, :2]], axis=1),
    "turned": lambda m, h, x, y, k: h[:, ::-1],
    "chosen": lambda m, h, x, y, k: h[:, [3, 0, 0, 1]],
    "pairs": lambda m, h, x, y, k: np.tanh(h.reshape(len(h), 2, 2) @ m.weight[:2, :2]).reshape(-1, 4),
    "axes": lambda m, h, x, y, k: h.reshape(-1, 2, 2).transpose((0, 2, 1)).reshape(-1, 4),
    "scores": lambda m, h, x, y, k: (np.tanh(h)[:, :, None] @ h[:, None, :]).mean(axis=2),
    "softmax": lambda m, h, x, y, k: F.softmax(h, axis=-1),
    "norm": lambda m, h, x, y, k: F.layer_norm(h, m.scale, m.bias),
    "centered": lambda m, h, x, y, k: h - h.mean(axis=1, keepdims=True),
    "largest": lambda m, h, x, y, k: h - h.max(axis=1, keepdims=True),
    "clipped": lambda m, h, x, y, k: h.clip(-1, 1),
    "the larger": lambda m, h, x, y, k: np.maximum(h, m.bias),
    "where": lambda m, h, x, y, k: np.where(h > 0, h, m.bias * h),
    "inputs": lambda m, h, x, y, k: h + x,
    "looked up": lambda m, h, x, y, k: h + m.weight[y],
    "embedded": lambda m, h, x, y, k: h * F.embedding(y, m.weight),
    "counted": lambda m, h, x, y, k: h * (y != 0).reshape(-1, 1),
    "detached": lambda m, h, x, y, k: h * np.tanh(h.detach()),
    "not cut": lambda m, h, x, y, k: h + k,
    "penalty of weights": lambda m, h, x, y, k: h + (m.weight**2).mean(),
}
"""What a row becomes is its own."""

MIXING: dict[str, Any] = {
    "mean of columns": lambda m, h, x, y, k: h - h.mean(axis=0),
    "mean of all": lambda m, h, x, y, k: h - h.mean(),
    "spread": lambda m, h, x, y, k: h / (1 + h.var(axis=0)),
    "softmax of columns": lambda m, h, x, y, k: F.softmax(h, axis=0),
    "rolled": lambda m, h, x, y, k: np.concatenate([h[1:], h[:1]]),
    "upside down": lambda m, h, x, y, k: h[::-1],
    "beside rows": lambda m, h, x, y, k: np.tanh(h @ h.T) @ h,
    "a row": lambda m, h, x, y, k: h - h[0],
    "rows by their ids": lambda m, h, x, y, k: h + h[y],
    "how many": lambda m, h, x, y, k: h * (1 / len(h)),
    "which of two": lambda m, h, x, y, k: [np.tanh(h), np.tanh(h + m.bias)][len(h) == ROWS],
    "which weight": lambda m, h, x, y, k: h @ [np.tanh(m.weight), np.tanh(m.bias + m.weight)][len(h) == ROWS],
    "a global": lambda m, h, x, y, k: h + TABLE[: len(h)],
    "a learned row each": lambda m, h, x, y, k: h + m.each[: len(h)],
    "as a table": lambda m, h, x, y, k: h.reshape(4, -1).reshape(-1, 4),
    "clipped by the mean": lambda m, h, x, y, k: h.clip(max=h.mean().detach()),
    "those above the mean": lambda m, h, x, y, k: np.where(h > h.mean().detach(), h, 0),
    "counted and divided": lambda m, h, x, y, k: h / (1 + (y != 0).sum()),
}
"""What a row becomes depends on others, or on how many there are."""

LOSSES: dict[str, Any] = {
    "cross-entropy": lambda m, h, x, y, k: F.cross_entropy(h, y),
    "summed": lambda m, h, x, y, k: F.cross_entropy(h, y, reduction="sum"),
    "each": lambda m, h, x, y, k: F.cross_entropy(h, y, reduction="none").mean(),
    "squares": lambda m, h, x, y, k: ((h - x) ** 2).mean(),
    "a sum": lambda m, h, x, y, k: ((h - x) ** 2).sum(axis=1).sum(),
    "picked": lambda m, h, x, y, k: -F.log_softmax(h, axis=1)[np.arange(len(y)), y].mean(),
    "picked by what is given": lambda m, h, x, y, k: -F.log_softmax(h, axis=1)[m.given, y].mean(),
    "with a penalty": lambda m, h, x, y, k: F.cross_entropy(h, y) + 0.1 * (m.weight**2).sum(),
    "a sum with a penalty": lambda m, h, x, y, k: (h**2).sum() + 0.1 * (m.weight**2).sum(),
    "of two": lambda m, h, x, y, k: F.cross_entropy(h, y) * 2 - (h**2).mean() / 8,
    "of two kinds": lambda m, h, x, y, k: F.cross_entropy(h, y) + (h**2).sum(),
    "by its size": lambda m, h, x, y, k: (h**2).sum() / len(h),
    "root": lambda m, h, x, y, k: (1 + (h**2).mean()) ** 0.5,
    "scaled": lambda m, h, x, y, k: F.cross_entropy(h, y) * m.scale.mean(),
    "among those": lambda m, h, x, y, k: (
        (F.cross_entropy(h, y, reduction="none") * (y != 0)).sum() / (1 + (y != 0).sum())
    ),
}

TOLD: dict[str, Any] = {
    "nothing more": lambda loss, h: (),
    "how many": lambda loss, h: len(h),
    "a mean": lambda loss, h: h.mean().detach(),
    "a sum": lambda loss, h: h.sum().detach(),
    "the first": lambda loss, h: h[0].detach(),
    "twice": lambda loss, h: 2 * loss.detach(),
    "several": lambda loss, h: loss.detach() * np.arange(3),
}
"""What the step returns beside its loss."""

OPTIMIZERS: dict[str, Any] = {
    "none": None,
    "sgd": lambda p: optim.SGD(p, lr=1e-4, momentum=0.9),
    "adamw": lambda p: optim.AdamW([{"params": p[:1]}, {"params": p[1:], "weight_decay": 0.0}], lr=0.01),
}


class Program:
    """A step of such parts, the same whenever it is made."""

    def __init__(self, parts: list[str], loss: str, told: str, optimizer: str, clips: bool) -> None:
        rng = np.random.default_rng(0)
        self.weight = Tensor(rng.standard_normal((WIDTH, WIDTH)) / 2, requires_grad=True)
        self.bias = Tensor(rng.standard_normal(WIDTH) / 2, requires_grad=True)
        self.scale = Tensor(rng.random(WIDTH) + 0.5, requires_grad=True)
        self.each = Tensor(rng.standard_normal((ROWS, WIDTH)), requires_grad=True)
        self.learned = [self.weight, self.bias, self.scale, self.each]
        self.optimizer = OPTIMIZERS[optimizer] and OPTIMIZERS[optimizer](self.learned)
        self.parts = [(APART | MIXING)[name] for name in parts]
        self.loss, self.told, self.clips = LOSSES[loss], TOLD[told], clips

    def step(self, x: Any, y: Any, k: Any, given: Any) -> Any:
        """A step of training."""
        h = F.linear(x, self.weight, self.bias)
        for part in self.parts:
            h = part(self, h, x, y, k)
        loss = self.loss(Given(self, given), h, x, y, k)
        for p in self.learned:
            p.grad = None
        loss.backward()
        if self.clips:
            optim.clip_grad_norm_(self.learned, 0.1)
        if self.optimizer:
            self.optimizer.step()
        return loss.detach(), self.told(loss, h)

    def holds(self) -> list[Any]:
        """What a step changes, but what it returns."""
        return [*(p.data for p in self.learned), *(p.grad for p in self.learned)]


class Given:
    """A program that knows one argument more."""

    def __init__(self, program: Program, given: Any) -> None:
        self.weight, self.scale, self.given = program.weight, program.scale, given


def batch(i: int) -> tuple[Any, ...]:
    """The first ones have positions that a later one has not."""
    rng = np.random.default_rng(i)
    given = np.arange(ROWS) if i < 3 else rng.integers(4, size=ROWS)
    return rng.standard_normal((ROWS, WIDTH)), rng.integers(WIDTH, size=ROWS), rng.standard_normal(WIDTH), given


def flat(x: Any) -> list[Any]:
    """All numbers of a result."""
    if isinstance(x, (tuple, list)):
        return [number for part in x for number in flat(part)]
    return [None] if x is None else np.asarray(x.data if isinstance(x, Tensor) else x).ravel().tolist()


def race(program: dict[str, Any], block: int) -> str:
    """How the step was taken in blocks, after some calls that have to agree with its own."""
    eager, other = Program(**program), Program(**program)
    step = replay(other.step, block=block)
    for i in range(5):
        args = batch(i)
        results = [flat(eager.step(*args)), flat(step(*args))]
        held = [flat(eager.holds()), flat(other.holds())]
        for one, another in (results, held):
            assert len(one) == len(another)
            assert [x is None for x in one] == [x is None for x in another]
            numbers = [[x for x in side if x is not None] for side in (one, another)]
            np.testing.assert_allclose(numbers[1], numbers[0], rtol=1e-7, atol=1e-9, err_msg=step.report())
    return "; ".join(str(shape) for shape in step.shapes)


programs = st.fixed_dictionaries(
    {
        "parts": st.lists(st.sampled_from([*APART] * 2 + [*MIXING]), max_size=5),
        "loss": st.sampled_from([*LOSSES]),
        "told": st.sampled_from([*TOLD]),
        "optimizer": st.sampled_from([*OPTIMIZERS]),
        "clips": st.booleans(),
    }
)


@settings(max_examples=30)
@given(programs, st.sampled_from([1, 3, 6]))
def test_steps_come_to_the_same(program: dict[str, Any], block: int) -> None:
    race(program, block)


@pytest.mark.slow
@settings(max_examples=1_000)
@given(programs, st.sampled_from([1, 3, 4, 6]))
def test_many_steps_come_to_the_same(program: dict[str, Any], block: int) -> None:
    race(program, block)


USUAL = {"loss": "cross-entropy", "told": "nothing more", "optimizer": "sgd", "clips": False}


def test_what_is_apart_goes_in_blocks() -> None:
    """Otherwise the tests above would compare nothing."""
    told = Counter("blocks of 3 rows" in race({**USUAL, "parts": [name]}, 3) for name in APART)
    assert told == {True: len(APART)}


@pytest.mark.parametrize("name", MIXING)
def test_what_mixes_rows_does_not(name: str) -> None:
    assert "blocks of 3 rows" not in race({**USUAL, "parts": ["tanh", name]}, 3)
