"""Tests of tinygrad_lm.optim, continued: learning-rate schedules, gradient clipping, and what optimizers refuse."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.refusing import refuses
from tinygrad_lm import Tensor, nn, optim

RULES = [optim.SGD, optim.Adam, optim.AdamW]
every_rule = pytest.mark.parametrize("rule", RULES)
LENGTHS = st.integers(1, 1000)
ENDS = st.floats(0, 1)


class TestSchedules:
    @pytest.mark.parametrize(
        ("schedule", "numbers"),
        [
            # Written down from PyTorch 2.13.0: get_last_lr() at each step for lr = 1.
            # LinearLR(1.0, 0.1, total_iters=5)
            (optim.linear(5, 0.1), [1.0, 0.82, 0.64, 0.46, 0.28, 0.1, 0.1, 0.1]),
            # CosineAnnealingLR(6, eta_min=0.1), up to its first minimum: there ours stays, and PyTorch's rises again
            (optim.cosine(6, 0.1), [1.0, 0.9397114317029974, 0.775, 0.55, 0.325, 0.1602885682970026, 0.1]),
            # StepLR(3, 0.5)
            (optim.step(3, 0.5), [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]),
            # SequentialLR([LinearLR(1/4, 1.0, total_iters=3), CosineAnnealingLR(5)], milestones=[4])
            (
                optim.warmup(4, optim.cosine(5)),
                [
                    0.25,
                    0.5,
                    0.75,
                    1.0,
                    1.0,
                    0.90450849718747,
                    0.65450849718747,
                    0.34549150281253,
                    0.09549150281253,
                    0.0,
                ],
            ),
            (optim.constant(), [1.0] * 5),
            (optim.warmup(2), [0.5, 1.0, 1.0, 1.0]),
            (optim.warmup(0, optim.linear(2)), [1.0, 0.5, 0.0, 0.0]),
        ],
    )
    def test_numbers(self, schedule, numbers):
        np.testing.assert_allclose([schedule(t) for t in range(len(numbers))], numbers, rtol=0, atol=1e-13)

    @given(LENGTHS, ENDS, st.integers(0, 3000))
    def test_formulas(self, total, end, t):
        done = min(t / total, 1)
        close = {"rel": 1e-12, "abs": 1e-12}
        assert optim.linear(total, end)(t) == pytest.approx((1 - done) * 1 + done * end, **close)
        half = math.cos(math.pi * done / 2) ** 2  # (1 + cos(x)) / 2 = cos(x / 2)^2
        assert optim.cosine(total, end)(t) == pytest.approx(end + (1 - end) * half, **close)
        assert optim.step(total, end)(t) == pytest.approx(math.prod([end] * (t // total)), **close)

    @given(LENGTHS, st.integers(0, 20), ENDS, st.sampled_from(["linear", "cosine", "step", "constant"]))
    def test_a_warmup_rises_to_one_and_then_the_schedule_falls(self, total, steps, end, name):
        after = optim.SCHEDULES[name](total)
        schedule = optim.warmup(steps, after)
        rise = [schedule(t) for t in range(steps)]
        assert all(0 < a < b for a, b in itertools.pairwise(rise))
        assert steps == 0 or rise[-1] == 1
        fall = [schedule(t) for t in range(steps, steps + total + 5)]
        assert fall == [after(t) for t in range(total + 5)]
        assert fall[0] == 1
        assert all(0 <= b <= a for a, b in itertools.pairwise(fall))

    @pytest.mark.parametrize("make", [optim.linear, optim.cosine, optim.step, optim.warmup])
    @pytest.mark.parametrize("length", [-1, 2.5, True, math.nan, "3", None])
    def test_a_wrong_length_is_refused_at_once(self, make, length):
        refuses(ValueError, lambda: make(length), "a schedule's length is a whole number of steps", repr(length))

    @pytest.mark.parametrize("make", [optim.linear, optim.cosine, optim.step])
    def test_a_schedule_of_no_steps_is_refused(self, make):
        refuses(ValueError, lambda: make(0), "from 1, not 0")

    @every_rule
    def test_scale_multiplies_the_rate_of_every_group(self, rule):
        schedule = optim.linear(4)

        def run(lr, scaled):
            p, q = nn.Parameter([1.0]), nn.Parameter([1.0])
            for t in range(4):
                rate = 1.0 if scaled else schedule(t)
                optimizer = rule([{"params": [p]}, {"params": [q], "lr": 2 * lr * rate}], lr=lr * rate)
                optimizer.scale = schedule(t) if scaled else 1.0
                p.grad, q.grad = np.array([1.0 + t]), np.array([2.0])
                optimizer.step()
            return [*p.data, *q.data]

        np.testing.assert_allclose(run(0.1, True), run(0.1, False), rtol=1e-14)


@pytest.mark.parametrize("total", [10, 11, 1000])
def test_schedules_by_name_are_those_of_a_whole_training(total):
    half = total // 2
    after = {
        "constant": lambda t: 1.0,
        "linear": lambda t: 1 - t / total,
        "cosine": lambda t: math.cos(math.pi * t / total / 2) ** 2,
        "step": lambda t: 0.1 ** (t // half),
    }
    assert set(after) == set(optim.SCHEDULES)
    for name, expected in after.items():
        schedule = optim.SCHEDULES[name](total)
        for t in (0, 1, total // 3, half - 1, half, half + 1, total - 1):
            assert schedule(t) == pytest.approx(expected(t), rel=1e-12, abs=1e-15), (name, t)
    assert [optim.SCHEDULES["step"](total)(t) for t in (half - 1, half)] == [1, 0.1]


class TestClipping:
    def members(self):
        a, b, c = nn.Parameter([0.0, 0.0]), nn.Parameter([[0.0]]), nn.Parameter([1.0])
        a.grad, b.grad = np.array([3.0, -4.0]), np.array([[12.0]])
        return a, b, c

    @pytest.mark.parametrize(
        ("limit", "first", "second"),
        [
            # Written down from PyTorch 2.13.0: torch.nn.utils.clip_grad_norm_, g * limit / (norm + 1e-6)
            (1.0, [0.23076921301775288, -0.3076922840236705], 0.9230768520710115),
            (6.5, [1.4999998846153937, -1.9999998461538582], 5.999999538461575),
            (0.0, [0.0, 0.0], 0.0),
            (20.0, [3.0, -4.0], 12.0),
            (math.inf, [3.0, -4.0], 12.0),
            # Where the norm is the limit nothing is scaled (PyTorch shrinks by 1e-6 / norm)
            (13.0, [3.0, -4.0], 12.0),
        ],
    )
    def test_numbers_with_a_tied_and_an_unused_parameter(self, limit, first, second):
        """Fault 45: a tied parameter, given twice, counts once in the norm and is scaled once."""
        a, b, c = self.members()
        norm = optim.clip_grad_norm_(iter([a, b, c, a]), limit)
        assert norm == 13.0
        np.testing.assert_allclose(a.grad, first, rtol=0, atol=1e-15)
        np.testing.assert_allclose(b.grad, [[second]], rtol=0, atol=1e-15)
        assert c.grad is None

    @given(st.integers(0, 2**32), st.floats(0.01, 100))
    def test_the_norm_is_at_most_the_limit_and_the_direction_stays(self, seed, limit):
        rng = np.random.default_rng(seed)
        p = nn.Parameter(rng.normal(size=(3, 4)), dtype=np.float32)
        p.grad = rng.normal(size=(3, 4)).astype(np.float32) * np.float32(10.0 ** rng.integers(-3, 4))
        before = p.grad.copy()
        norm = optim.clip_grad_norm_(p, limit)
        exact = np.sqrt(np.sum(before.astype(float) ** 2))
        np.testing.assert_allclose(norm, exact, rtol=1e-5)
        assert np.linalg.norm(p.grad.astype(float)) <= limit * (1 + 1e-5)
        np.testing.assert_allclose(p.grad, before * min(1.0, limit / exact), rtol=2e-4, atol=1e-7 * limit)
        assert p.grad.dtype == np.float32

    @pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 3e38), (np.float64, 1e300)])
    def test_gradients_whose_squares_overflow_are_clipped(self, dtype, huge):
        p = nn.Parameter(np.zeros(4), dtype=dtype)
        p.grad = np.array([huge, 0, -huge, 0], dtype) / 2
        assert optim.clip_grad_norm_([p], 1.0) == pytest.approx(huge / math.sqrt(2), rel=1e-6)
        np.testing.assert_allclose(p.grad, [math.sqrt(0.5), 0, -math.sqrt(0.5), 0], rtol=1e-6)

    @pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
    def test_a_norm_that_is_no_number_scales_nothing_and_is_returned(self, bad):
        a, b, _ = self.members()
        a.grad[0] = bad
        norm = optim.clip_grad_norm_([a, b], 1.0)
        assert norm == abs(bad) or (math.isnan(bad) and math.isnan(norm))
        np.testing.assert_array_equal(b.grad, [[12.0]])

    def test_nothing_to_clip(self):
        empty = nn.Parameter(np.zeros((0, 2)))
        empty.grad = np.zeros((0, 2))
        assert optim.clip_grad_norm_([], 1.0) == optim.clip_grad_norm_([empty, nn.Parameter([1.0])], 1.0) == 0.0

    def test_an_array_that_others_hold_is_not_written(self):
        a, _, _ = self.members()
        held = a.grad
        optim.clip_grad_norm_([a], 1.0)
        np.testing.assert_array_equal(held, [3.0, -4.0])

    @pytest.mark.parametrize(("limit", "kind"), [(-1, ValueError), (math.nan, ValueError), ("1", TypeError)])
    def test_a_wrong_limit_is_refused(self, limit, kind):
        refuses(kind, lambda: optim.clip_grad_norm_([], limit), "max_norm must be a", repr(limit))


class TestRefusals:
    @every_rule
    @pytest.mark.parametrize("option", ["lr", "weight_decay"])
    @pytest.mark.parametrize("value", [-1e-3, math.nan, math.inf, -math.inf])
    def test_numbers_out_of_range(self, rule, option, value):
        """Fault 43: a learning rate below 0, nan or inf is refused, alone and in a group."""
        p = nn.Parameter([1.0])
        words = (f"{option} must be a finite number from 0", repr(value))
        refuses(ValueError, lambda: rule([p], **{option: value}), *words)
        refuses(ValueError, lambda: rule([{"params": [p], option: value}]), *words)

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda p: optim.SGD([p], momentum=1.0), "momentum must be a finite number from 0 to below 1, not 1.0"),
            (lambda p: optim.SGD([p], nesterov=True), "nesterov looks ahead along the momentum"),
            (lambda p: optim.Adam([p], betas=(1.0, 0.9)), "beta1 must be a finite number from 0 to below 1"),
            (lambda p: optim.AdamW([p], betas=(0.9, -0.1)), "beta2 must be a finite number from 0 to below 1"),
            (lambda p: optim.Adam([p], eps=-1), "eps must be a finite number from 0, not -1"),
            (lambda p: optim.SGD([{"params": [p], "betas": 1}]), "SGD has no option 'betas'; it has lr, momentum"),
            (lambda p: optim.Adam([{"params": [p], "learning_rate": 1}]), "Adam has no option 'learning_rate'"),
            (lambda p: optim.Adam([]), "Adam was given no parameters; pass module.parameters()"),
            (lambda p: optim.AdamW(iter(())), "AdamW was given no parameters"),
            (lambda p: optim.SGD([{"params": []}]), "SGD was given no parameters"),
            (lambda p: optim.SGD([{"params": [p]}, {"params": [p], "lr": 1}]), "stands in two groups"),
        ],
    )
    def test_values(self, call, words):
        refuses(ValueError, lambda: call(nn.Parameter([1.0])), words)

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda p: optim.SGD([p * 2]), "leaf tensors (parameters), not Tensor"),
            (lambda p: optim.SGD([np.ones(2)]), "leaf tensors (parameters), not array"),
            (lambda p: optim.SGD([p, {"params": [p]}]), "groups are dictionaries with 'params'"),
            (lambda p: optim.SGD([{"params": [p]}, p]), "groups are dictionaries with 'params'"),
            (lambda p: optim.SGD([{"lr": 0.1}]), "groups are dictionaries with 'params'"),
            (lambda p: optim.SGD([p], lr=None), "lr must be a number, not None"),
            (lambda p: optim.SGD([p], lr="0.1"), "lr must be a number, not '0.1'"),
            (lambda p: optim.Adam([p], betas=0.9), "betas are two numbers, such as (0.9, 0.999), not 0.9"),
            (lambda p: optim.Adam([p], betas=(0.9,)), "betas are two numbers"),
        ],
    )
    def test_types(self, call, words):
        refuses(TypeError, lambda: call(nn.Parameter([1.0])), words)

    def test_numpy_numbers_and_a_single_tensor_are_welcome(self):
        p = Tensor([1.0], requires_grad=True)
        p.grad = np.array([1.0])
        optim.SGD(p, lr=np.float32(0.5)).step()
        np.testing.assert_array_equal(p.data, [0.5])

    def test_optimizers_by_name(self):
        assert list(optim.OPTIMIZERS.values()) == RULES
        assert list(optim.OPTIMIZERS) == ["sgd", "adam", "adamw"]

    def test_an_optimizer_without_a_rule(self):
        p = nn.Parameter([1.0])
        p.grad = np.array([1.0])
        with pytest.raises(NotImplementedError):
            optim.Optimizer([p], {}).step()
