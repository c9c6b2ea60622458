"""``check_gradients``: the report on gradients that are right, for everything that can be checked."""

import numpy as np
import pytest

from tinygrad_lm import Tensor, Value, nn, no_grad
from tinygrad_lm.autograd import custom, to_values
from tinygrad_lm.testing import check_gradients
from tinygrad_lm.testing.checker.holomorphic import HolomorphicArray, holomorphic
from tinygrad_lm.testing.programs import Program, Step

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 4))
Y = RNG.normal(size=(4, 2))


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


class TestRightGradients:
    def test_report(self):
        report = check_gradients(lambda x, w: np.tanh(x @ w), X, Y, order=2)
        assert report.worst_error < 1e-8
        assert [(row.name, row.order) for row in report.inputs] == [("x", 1), ("w", 1), ("x", 2), ("w", 2)]
        assert report.inputs[0].oracle == "differences, complex step"
        assert report.inputs[0].size == 12
        text = str(report)
        assert "12 of 12 elements" in text
        assert "seed 0" in text

    def test_the_worst_element_is_named(self):
        """Errors of slopes above 1 are relative."""
        factors, off = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1e3]]), np.array([[0, 1e-6, 0], [3e-6, 0, 2e-6]])
        f = custom.operation("f", lambda x: factors * x, lambda g, out, x: g * factors * (1 + off))
        report = check_gradients(f, np.ones((2, 3)), cotangent=np.ones((2, 3)), rtol=1e-5)
        (row,) = report.inputs
        assert row.worst_error == report.worst_error == pytest.approx(3e-6, rel=1e-4)
        assert row.worst_index == (1, 0)
        assert str(report).endswith("3.0e-06 at [1, 0]")
        (row,) = check_gradients(f, np.ones((2, 3)), rtol=1e-5, mode="sample").inputs
        assert row.worst_index is None

    def test_values(self):
        report = check_gradients(lambda a, b: (a * b + a**2).tanh(), Value(2.0), -0.5, order=2)
        assert [row.name for row in report.inputs] == ["a", "b", "a", "b"]
        assert "no complex step" in str(report)
        report = check_gradients(lambda a, b, n: a * b + a**n, Value(2.0), Value(3), 3)
        assert "complex step" in report.inputs[0].oracle

    def test_arrays_of_values(self):
        report = check_gradients(lambda x, w: np.tanh(x @ w), to_values(X), Y, order=2)
        assert report.inputs[0].shape == (3, 4)

    def test_module_with_its_parameters(self):
        model = nn.Sequential(nn.Linear(4, 3, rng=RNG), nn.Tanh(), nn.Linear(3, 2, rng=RNG))
        before = {name: p.data.copy() for name, p in model.named_parameters()}
        report = check_gradients(model, X, order=2)
        names = {row.name for row in report.inputs}
        assert {"0.weight", "0.bias", "2.weight", "2.bias"} < names
        assert "float64 in place of float32" in str(report)
        for name, p in model.named_parameters():
            np.testing.assert_array_equal(p.data, before[name])
            assert p.dtype == np.float32

    def test_function_of_a_module(self):
        model = nn.Linear(4, 3, rng=RNG)
        report = check_gradients(lambda m, x, t: nn.functional.cross_entropy(m(x), t), model, X, np.array([0, 1, 2]))
        assert [row.name for row in report.inputs] == ["x", "m.weight", "m.bias"]
        assert "held fixed, since int64 has no gradient: t" in str(report)

    def test_frozen_parameters_are_left_alone(self):
        model = nn.Linear(4, 3, rng=RNG).requires_grad_(False)
        assert [row.name for row in check_gradients(model, X).inputs] == [
            row.name for row in check_gradients(np.sin, X).inputs
        ]

    def test_a_tied_parameter_is_one_input(self):
        class Tied(nn.Module):
            def __init__(self):
                self.first = nn.Linear(4, 4, rng=RNG)
                self.second = nn.Linear(4, 4, rng=RNG)
                self.second.weight = self.first.weight

            def forward(self, x):
                return self.second(np.tanh(self.first(x)))

        names = [row.name for row in check_gradients(Tied(), X, order=2).inputs]
        assert names.count("first.weight") == 2
        assert "second.weight" not in names

    def test_several_results(self):
        check_gradients(lambda x: (np.sin(x), {"y": [x.sum()]}), X, order=2)
        check_gradients(lambda x: (np.sin(x), x.sum()), X, cotangent=(np.ones((3, 4)), 2.0))

    def test_inside_no_grad(self):
        with no_grad():
            check_gradients(np.sin, X)

    def test_float32_and_lists_and_numbers(self):
        assert "float32" in str(check_gradients(np.sin, X.astype(np.float32)))
        check_gradients(np.sin, Tensor(X, requires_grad=True))
        check_gradients(lambda x, y: x * y, [1.0, 2.0], 3.0)

    def test_empty_input(self):
        report = check_gradients(lambda x: x.sum(), np.zeros((0, 3)))
        assert report.worst_error == 0
        assert check_gradients(lambda x: x[:0], X, order=2).worst_error == 0

    def test_a_constant_has_gradient_zero(self):
        check_gradients(lambda x: Tensor(1.0) + 0 * x.sum(), X)
        check_gradients(lambda x: Tensor(1.0), X)

    def test_sample_says_that_it_is_one(self):
        report = check_gradients(lambda x: np.tanh(x).sum(), RNG.normal(size=5000))
        assert report.inputs[0].method == "sample"
        assert "a sample, not a proof" in str(report)
        assert "3 directions" in str(report)
        assert check_gradients(np.sin, X, mode="sample").inputs[0].probes == 3

    def test_large_results_are_called_blunt(self):
        report = check_gradients(lambda x: 1e9 + x.sin(), X)
        assert "round-off hides errors up to" in str(report)
        # Written in NumPy's words it runs on complex numbers, which have no such trouble.
        assert "round-off" not in str(check_gradients(lambda x: 1e9 + np.sin(x), X))

    def test_the_same_call_gives_the_same_report(self):
        assert str(check_gradients(softmax, X, seed=5)) == str(check_gradients(softmax, X, seed=5))


class TestComplexStep:
    """The second oracle is used where it is right, and only there."""

    @pytest.mark.parametrize(
        ("fn", "name"),
        [
            (abs, "absolute"),
            (lambda x: x * x.conj() if isinstance(x, np.ndarray) else x * x, "conjugate"),
            (np.sign, "sign"),
            (lambda x: np.var(x), "var"),
            (lambda x: x.std(), "std"),
            (np.linalg.norm, "norm"),
            (lambda x: np.sum(np.abs(x) ** 2), "absolute"),
        ],
    )
    def test_refused(self, fn, name):
        report = check_gradients(fn, X[0])
        assert report.inputs[0].oracle == "differences"
        assert f"np.{name} is not holomorphic" in str(report)

    @pytest.mark.parametrize(
        "selected",
        [
            lambda x: np.where(x > 0, x, 2 * x),
            lambda x: np.concatenate([x, x]),
            lambda x: np.split(x, 2)[1],
            lambda x: x[1:],
            lambda x: np.sum(x),
        ],
    )
    def test_refused_of_what_a_function_returned(self, selected):
        assert "np.absolute is not holomorphic" in str(check_gradients(lambda x: np.abs(selected(x)), X[0]))

    def test_tuples_keep_their_names(self):
        found = np.linalg.eigh(holomorphic(np.eye(2)))
        assert isinstance(found.eigenvectors, HolomorphicArray)
        assert isinstance(np.split(holomorphic(X), 3), list)

    def test_small_contribution_of_an_absolute_value(self):
        """Too small for differences to tell, it must not pass as an error of the gradient."""
        softsign = custom.elementwise("f", lambda x: x / (1 + np.abs(x)), lambda x, out: 1 / (1 + np.abs(x)) ** 2)
        check_gradients(lambda x, y: softsign(x * y), np.array(1e-3), np.array(1.1e-3))
        square = Program((np.array(1 / 1024),), (Step("mul", (0, 0)),), 1)
        check_gradients(lambda *leaves: softsign(square.evaluate(leaves)), *square.leaves)

    @pytest.mark.parametrize(
        "fn", [np.tanh, softmax, lambda x: np.maximum(x, 0.1), lambda x: np.where(x > 0, x, 2 * x)]
    )
    def test_used(self, fn):
        assert "complex step" in check_gradients(fn, X).inputs[0].oracle

    def test_other_values(self):
        report = check_gradients(lambda x: x * 2 if isinstance(x, Tensor) else x * 3, X)
        assert "its values on complex numbers are others" in str(report)

    def test_other_slopes(self):
        report = check_gradients(lambda x: x * 2 if isinstance(x, Tensor) else x.real * 2 + 0j, X)
        assert "on complex numbers its slopes are others" in str(report)


def test_results_without_a_graph_have_second_derivative_zero():
    for function in (lambda x: Tensor(5.0), lambda x: (x * 2).sum(), lambda x: np.sign(x).sum()):
        assert check_gradients(function, np.array([1.0, 2.0]), order=2).worst_error == 0.0
