"""Plans that take a batch by blocks of its rows: they agree with the step, and are refused where rows are not apart."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_lm import Tensor, nn, optim
from tinygrad_lm.models import MLP
from tinygrad_lm.nn import functional as F
from tinygrad_lm.replay import Replayed, replay
from tinygrad_lm.text import NameDataset, Vocabulary

Step = Callable[..., Any]

NAMES = ["aarav", "diya", "ishaan", "kavya", "rohan", "saanvi", "vihaan", "ananya", "kabir", "meera"]
ROWS, CLASSES = 96, 5
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((ROWS, 4)).astype("f"), RNG.integers(CLASSES, size=ROWS)
"""Examples that every step here is given."""


class Learner:
    """A linear layer, an optimizer, and a step whose loss is given: the same whenever it is made."""

    def __init__(self, loss: Any, **options: Any) -> None:
        self.weight = Tensor(np.linspace(-1, 1, 20, dtype="f").reshape(4, CLASSES), requires_grad=True)
        self.bias = Tensor(np.linspace(0, 0.5, CLASSES, dtype="f"), requires_grad=True)
        self.each = Tensor(np.linspace(1, 2, ROWS, dtype="f").reshape(ROWS, 1), requires_grad=True)
        self.norm = nn.BatchNorm1d(CLASSES, dtype="f")
        self.dropout = nn.Dropout(0.5, rng=0)
        learned = [self.weight, self.bias, self.each, *self.norm.parameters()]
        self.optimizer = optim.SGD(learned, lr=0.1, **options)
        self.loss = loss

    def logits(self, x: Any) -> Any:
        """Of a batch."""
        return x @ self.weight + self.bias

    def step(self, x: Any, y: Any) -> Any:
        """A step of training."""
        self.optimizer.zero_grad()
        loss = self.loss(self, x, y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def raced(loss: Any, block: int = 32, calls: int = 6) -> tuple[Learner, Learner, Replayed[Any, Any], float]:
    """A step as it is, and in blocks, after some calls, and how far apart they are at most."""
    plain, blocked = Learner(loss), Learner(loss)
    step = replay(blocked.step, block=block)
    off = 0.0
    for i in range(calls):
        x, y = np.roll(X, i, axis=0), np.roll(Y, i)
        off = max(off, abs(plain.step(x, y).item() - step(x, y).item()))
    off = max(off, *(np.abs(p.data - q.data).max() for p, q in zip(parts(plain), parts(blocked), strict=True)))
    return plain, blocked, step, off


def parts(learner: Learner) -> list[Tensor]:
    """What is learned."""
    return [learner.weight, learner.bias]


def picked(learner: Learner, x: Any, y: Any) -> Any:
    """The lecture's own way to say cross-entropy."""
    logp = F.log_softmax(learner.logits(x), axis=1)
    return -logp[np.arange(len(y)), y].mean()


APART: dict[str, Any] = {
    "cross-entropy": lambda m, x, y: F.cross_entropy(m.logits(x), y),
    "a sum": lambda m, x, y: F.cross_entropy(m.logits(x), y, reduction="sum") * 0.01,
    "its own mean": lambda m, x, y: F.cross_entropy(m.logits(x), y, reduction="none").mean(),
    "smoothed": lambda m, x, y: F.cross_entropy(m.logits(x), y, label_smoothing=0.1),
    "picked": picked,
    "squares": lambda m, x, y: ((m.logits(x) - 1) ** 2).mean(),
    "squares of a row": lambda m, x, y: ((m.logits(x) - 1) ** 2).sum(axis=1).mean() / 3,
    "with a penalty": lambda m, x, y: F.cross_entropy(m.logits(x), y) + 0.01 * (m.weight**2).sum(),
    "a norm of each row": lambda m, x, y: F.cross_entropy(F.layer_norm(m.logits(x)), y),
    "reshaped": lambda m, x, y: F.cross_entropy((x.reshape(-1, 2, 2).reshape(len(x), 4)) @ m.weight, y),
    "chosen columns": lambda m, x, y: F.cross_entropy((m.logits(x) * 2)[:, ::-1], y),
    "joined columns": lambda m, x, y: F.cross_entropy(np.concatenate([m.logits(x), m.logits(x) * 2], axis=1), y),
    "a table": lambda m, x, y: ((m.weight.T[y] - x) ** 2).mean(),
}


@pytest.mark.parametrize("name", APART)
def test_blocks_agree_with_the_step(name: str) -> None:
    plain, blocked, step, off = raced(APART[name])
    assert step.plan is not None
    assert str(step.plan) == "in 3 blocks of 32 rows, whose gradients are added up in their order", step.report()
    assert step.shapes[0].replayed == 4
    assert off < 2e-6
    for p, q in zip(parts(plain), parts(blocked), strict=True):
        assert (p.grad is None) == (q.grad is None)
        if p.grad is not None:
            np.testing.assert_allclose(q.grad, p.grad, rtol=1e-4, atol=2e-6)


def test_blocks_are_the_same_from_run_to_run() -> None:
    once, again = (raced(APART["cross-entropy"])[1] for _ in range(2))
    assert [p.data.tobytes() for p in parts(once)] == [p.data.tobytes() for p in parts(again)]


def centered(learner: Learner, x: Any, y: Any) -> Any:
    """A batch norm of one's own."""
    z = learner.logits(x)
    return F.cross_entropy(z - z.mean(axis=0), y)


def masked(learner: Learner, x: Any, y: Any) -> Any:
    """A mean over the targets that are not ignored."""
    return F.cross_entropy(learner.logits(x), np.where(y == 0, -100, y))


def by_length(learner: Learner, x: Any, y: Any) -> Any:
    """What a small batch is spared."""
    z = learner.logits(x)
    return F.cross_entropy(z * 2 if len(x) > 50 else z, y)


def branching(learner: Learner, x: Any, y: Any) -> Any:
    """The numbers of a batch decide."""
    z = learner.logits(x)
    return F.cross_entropy(z * 2 if z.mean() > -100 else z, y)


def a_number_each(learner: Learner, x: Any, y: Any) -> Any:
    """An array of the batch's size that is no argument."""
    return F.cross_entropy(learner.logits(x) * np.ones((len(x), 1), "f"), y)


TOGETHER: dict[str, tuple[Any, str]] = {
    "a mean over columns": (centered, "'mean'"),
    "batch norm": (lambda m, x, y: F.cross_entropy(m.norm(m.logits(x)), y), "a layer looks at all rows"),
    "dropout": (lambda m, x, y: F.cross_entropy(m.dropout(m.logits(x)), y), "each row, and is no input"),
    "a softmax over the batch": (lambda m, x, y: F.softmax(m.logits(x), axis=0).square().mean(), "'softmax'"),
    "a mean by hand": (lambda m, x, y: F.cross_entropy(m.logits(x), y, reduction="sum") / len(y), "how many rows"),
    "another mean by hand": (lambda m, x, y: (m.logits(x) ** 2).sum() * (1 / x.shape[0]), "how many rows"),
    "the square of the loss": (lambda m, x, y: F.cross_entropy(m.logits(x), y) ** 2, "'pow'"),
    "its root": (lambda m, x, y: ((m.logits(x) - 1) ** 2).mean() ** 0.5, "the loss of all rows"),
    "its logarithm": (lambda m, x, y: np.log(F.cross_entropy(m.logits(x), y)), "'log'"),
    "the worst row": (lambda m, x, y: F.cross_entropy(m.logits(x), y, reduction="none").max(), "'max'"),
    "one row": (lambda m, x, y: F.cross_entropy(m.logits(x), y, reduction="none")[0], "'getitem'"),
    "half of the rows": (lambda m, x, y: F.cross_entropy(m.logits(x)[:48], y[:48]), "'getitem'"),
    "rows turned around": (lambda m, x, y: F.cross_entropy(m.logits(x), y[::-1]), "rows"),
    "rows beside rows": (lambda m, x, y: (m.logits(x) @ m.logits(x).T).mean(), "'transpose'"),
    "a weight of each row": (lambda m, x, y: F.cross_entropy(m.logits(x) * m.each, y), "a number for each row"),
    "a number of each row": (a_number_each, "a number for each row"),
    "ignored targets": (masked, "a layer looks at all rows"),
    "a sum and a penalty": (lambda m, x, y: (m.logits(x) ** 2).sum() + (m.weight**2).sum(), "'add'"),
    "a mean and a sum": (lambda m, x, y: (m.logits(x) ** 2).sum() + (m.logits(x) ** 2).mean(), "of all rows"),
    "how many": (by_length, "something else"),
    "what they are": (branching, "greater"),
    "as many rows of a table": (
        lambda m, x, y: F.cross_entropy(m.logits(x), y) + m.each[np.arange(len(x)) // 2].mean(),
        "how many rows",
    ),
    "the first rows of a table": (
        lambda m, x, y: F.cross_entropy(m.logits(x), y) + m.each[np.arange(len(x))].mean(),
        "how many rows",
    ),
    "which of two by how many": (
        lambda m, x, y: F.cross_entropy([m.logits(x), m.logits(x) * 2][len(x) > 50], y),
        "how many rows",
    ),
    "a weight by how many": (
        lambda m, x, y: F.cross_entropy(x @ [m.weight * 1, m.weight * 2][len(x) > 50], y),
        "how many rows",
    ),
    "columns as rows": (lambda m, x, y: (m.weight.T @ x.T).mean(), "rows"),
    "rows in columns": (lambda m, x, y: (m.logits(x).reshape(CLASSES, -1) ** 2).mean(axis=0).sum(), "'reshape'"),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_rows_that_are_not_apart_stay_together(name: str) -> None:
    loss, why = TOGETHER[name]
    _, _, step, off = raced(loss)
    assert off == 0.0
    assert step.plan is None or str(step.plan) == "", step.report()
    assert "not in blocks of rows: " in step.report() or "not replayed: " in step.report()
    assert why in step.report(), step.report()


def test_a_model_in_blocks_with_clipping_and_adam() -> None:
    data = NameDataset(NAMES, Vocabulary(), 3)

    def made() -> tuple[MLP, Step]:
        model = MLP(context=3, embedding=4, hidden=(8,), rng=0)
        optimizer = optim.AdamW(model.parameters(), lr=1e-2)

        def step(inputs: Any, targets: Any) -> Any:
            optimizer.zero_grad()
            loss = model.loss(inputs, targets)
            if not np.isfinite(loss):
                return loss
            loss.backward(retain_graph=False)
            optim.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
            return loss

        return model, step

    (plain, step), (blocked, other) = made(), made()
    replayed = replay(other, block=8)
    rng = np.random.default_rng(0)
    for _ in range(20):
        batch = data.sample(32, rng)
        assert step(*batch).item() == pytest.approx(replayed(*batch).item(), rel=1e-5)
    assert replayed.shapes[0].replayed == 18
    assert "4 blocks of 8 rows" in replayed.report()
    for p, q in zip(plain.parameters(), blocked.parameters(), strict=True):
        np.testing.assert_allclose(q.data, p.data, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "block", "told"),
    [
        (96, 96, "96 rows are one block"),
        (96, 200, "96 rows are one block"),
        (97, 32, "97 rows are no whole number of blocks of 32"),
        (96, 40, "in 3 blocks of 32 rows"),
        (90, 32, "in 3 blocks of 30 rows"),
        (70, 32, "in 4 blocks"),
    ],
)
def test_blocks_are_of_one_size(rows: int, block: int, told: str) -> None:
    learner = Learner(APART["cross-entropy"])
    step = replay(learner.step, block=block)
    if told == "in 4 blocks":
        told = "in 5 blocks of 14 rows" if 2 * rows // block >= 5 else "no whole number"
    for _ in range(3):
        step(np.resize(X, (rows, 4)), np.resize(Y, rows))
    assert told in step.report()


@pytest.mark.parametrize("block", [0, -1, 1.5, "128", True])
def test_a_block_is_a_number_of_rows(block: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="block is a whole number of rows"):
        replay(lambda x: x, block=block)


def test_what_a_block_cannot_do_is_done_by_the_step() -> None:
    """A loss that is infinite in one block, and an id that no row of the table has."""
    learner = Learner(APART["a table"])
    step = replay(learner.step, block=32)
    for _ in range(3):
        step(X, Y)
    assert step.shapes[0].replayed == 1
    before = learner.weight.data.copy()
    wrong = Y.copy()
    wrong[70] = 99
    with pytest.raises(IndexError):
        step(X, wrong)
    np.testing.assert_array_equal(learner.weight.data, before)


def test_positions_that_are_given_are_not_those_of_all_calls() -> None:
    """In the recorded calls each row picks its own number, later another."""

    def loss(learner: Learner, x: Any, y: Any, positions: Any) -> Any:
        return -F.log_softmax(learner.logits(x), axis=1)[positions, y].mean()

    plain, blocked = Learner(loss), Learner(loss)

    def step_of(learner: Learner) -> Step:
        def step(x: Any, y: Any, positions: Any) -> Any:
            learner.optimizer.zero_grad()
            found = loss(learner, x, y, positions)
            found.backward()
            learner.optimizer.step()
            return found

        return step

    step, replayed = step_of(plain), replay(step_of(blocked), block=32)
    for i in range(5):
        positions = np.arange(ROWS) if i < 3 else np.arange(ROWS) // 3
        assert step(X, Y, positions).item() == replayed(X, Y, positions).item()
    assert replayed.shapes[0].replayed == 3
    assert "'getitem'" in replayed.report()


def told(learner: Learner, x: Any, y: Any, what: Callable[[Any], Any]) -> Any:
    """A step that returns more than its loss."""
    learner.optimizer.zero_grad()
    logits = learner.logits(x)
    loss = F.cross_entropy(logits, y)
    more = what(logits)
    loss.backward()
    learner.optimizer.step()
    return loss.detach(), more


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (lambda z: z.mean().detach(), "in 3 blocks"),
        (lambda z: (z**2).sum().detach(), "in 3 blocks"),
        (len, "what it returns depends on how many rows there are"),
        (lambda z: [z.mean().detach(), z.sum().detach()][len(z) > 50], "depends on how many rows there are"),
        (lambda z: z.mean().detach() * np.ones(3, "f"), "needs more of the rows than such a number"),
    ],
)
def test_what_is_returned_is_of_all_rows(what: Callable[[Any], Any], why: str) -> None:
    plain, blocked = Learner(None), Learner(None)
    replayed = replay(lambda x, y: told(blocked, x, y, what), block=32)
    for _ in range(4):
        (loss, more), (loss_too, more_too) = told(plain, X, Y, what), replayed(X, Y)
        for a, b in ((loss, loss_too), (more, more_too)):
            assert type(a) is type(b)
            np.testing.assert_allclose(np.array(getattr(b, "data", b)), np.array(getattr(a, "data", a)), rtol=1e-5)
    assert replayed.shapes[0].replayed == 2
    assert why in replayed.report()


def test_a_block_that_fails_leaves_the_gradients_that_are_shown() -> None:
    """The third block has no finite loss: the step returns before it comes to the gradients."""
    learner = Learner(None)

    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(learner.logits(x), y)
        if np.isfinite(loss):
            learner.optimizer.zero_grad()
            loss.backward()
            learner.optimizer.step()
        return loss.detach()

    replayed = replay(step, block=32)
    for _ in range(4):
        replayed(X, Y)
    assert replayed.shapes[0].replayed == 2
    before = [(p.grad.copy(), p.data.copy()) for p in parts(learner)]
    x = X.copy()
    x[70] = np.nan
    assert np.isnan(replayed(x, Y).item())
    for p, (gradient, data) in zip(parts(learner), before, strict=True):
        np.testing.assert_array_equal(p.grad, gradient)
        np.testing.assert_array_equal(p.data, data)


def test_gradients_that_are_cleared_outside() -> None:
    learner = Learner(APART["cross-entropy"])

    def step(x: Any, y: Any) -> Any:
        loss = learner.loss(learner, x, y)
        loss.backward()
        return loss.detach()

    replayed = replay(step, block=32)
    for _ in range(4):
        learner.optimizer.zero_grad()
        replayed(X, Y)
        learner.optimizer.step()
    assert replayed.shapes[0].replayed == 2
    assert "in 3 blocks" in replayed.report()


def test_the_generators_stay_where_they_are() -> None:
    """What a step draws is drawn for all rows, and a rehearsal leaves no trace."""
    plain, blocked, step, off = raced(TOGETHER["dropout"][0])
    assert off == 0.0
    assert plain.dropout.rng.bit_generator.state == blocked.dropout.rng.bit_generator.state
    assert step.shapes[0].replayed == 4
