"""``detect_anomaly``: the first bad operation is named with the user's line; outside nothing is paid."""

import threading

import numpy as np
import pytest

from tinygrad_lm import Tensor, Value, grad, nn
from tinygrad_lm.autograd import custom, observers, to_values
from tinygrad_lm.testing import detect_anomaly


@pytest.fixture(autouse=True)
def _nothing_left():
    yield
    assert observers.active() == ()


def raised(function):
    with pytest.raises(FloatingPointError) as caught, detect_anomaly():
        function()
    return str(caught.value)


def test_forward_names_operation_line_index_and_ranges():
    x = Tensor([[4.0, 1.0], [0.0, 2.0]], requires_grad=True, label="x")

    def run():
        y = x * 2
        z = np.log(y)  # the guilty line
        return z.sum()

    message = raised(run)
    assert message.startswith("'log' gave -inf at index (1, 0) (1 of 4 elements are)")
    assert __file__ in message
    assert "z = np.log(y)  # the guilty line" in message
    assert "operand 0: shape (2, 2), from 0 to 8" in message


def test_labels_and_two_operands():
    x, y = Tensor([1.0, 0.0], label="x"), Tensor([1.0, 0.0], label="y")
    message = raised(lambda: x / y)
    assert "'div' gave nan at index (1,)" in message
    assert "operand 0 'x': shape (2,), from 0 to 1" in message
    assert "operand 1 'y'" in message


def test_backward_names_the_line_of_the_forward_pass():
    x = Tensor([4.0, 0.0], requires_grad=True)

    def run():
        root = x.sqrt()  # here
        total = root.sum()
        total.backward()

    message = raised(run)
    assert (
        "the backward pass of 'sqrt' gave inf at index (1,) (1 of 2 elements are) of the gradient to operand 0"
        in message
    )
    assert "root = x.sqrt()  # here" in message
    assert "its own gradient: shape (2,), from 1 to 1" in message


def test_backward_through_a_graph_from_outside():
    x = Tensor([0.0], requires_grad=True)
    y = x.sqrt().sum()
    assert "made outside detect_anomaly(): its line is not known" in raised(y.backward)


def test_grad_and_create_graph():
    x = Tensor([0.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        y = x.sqrt().sum()
        assert "gave inf" in raised(lambda: grad(y, x, create_graph=True))


def test_scalar_engine():
    x = Value(0.0, label="x")

    def run():
        return (x * 3).log()

    message = raised(run)
    assert message.startswith("'log' gave -inf\n")
    assert "return (x * 3).log()" in message
    assert "operand 0: 0.0" in message
    root = raised(lambda: x.sqrt().backward())
    assert "the backward pass of 'sqrt' gave inf" in root
    assert "gave -inf" in raised(lambda: np.log(to_values([1.0, 0.0])))


@pytest.mark.parametrize("number", [np.array(3.0), np.float32(3), np.int64(3), 3])
def test_scalar_engine_with_numbers_of_numpy(number):
    x = Value(2.0)
    with detect_anomaly():
        (x * number).backward()
    assert x.grad == 3.0


def test_a_nan_in_an_operand_is_named_there():
    message = raised(lambda: Tensor([np.nan, 1.0]) + 1)
    assert "operand 0: shape (2,), from 1 to 1, and 1 nan" in message


def test_infinities_that_are_given_may_be_passed_on():
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    with detect_anomaly():
        masked = np.where(np.array([True, True, False]), x, -np.inf)
        masked.softmax().sum().backward()
    assert x.grad is not None
    assert np.isfinite(x.grad).all()


def test_the_module_is_named():
    model = nn.Sequential(nn.Linear(2, 2, rng=np.random.default_rng(0)), nn.ReLU())
    model.requires_grad_(True)
    message = raised(
        lambda: model(Tensor([[np.inf, -np.inf]]) * 0 + 1e308 * 1e10) if False else model(Tensor([[np.nan, 1.0]]))
    )
    assert "in module Sequential.0" in message


def test_custom_operations_too():
    f = custom.elementwise("f", np.sin, lambda x, out: 1 / x)
    x = Tensor([0.0], requires_grad=True)
    assert "the backward pass of 'f' gave inf" in raised(lambda: f(x).sum().backward())


def test_good_programs_are_left_alone():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with detect_anomaly():
        (np.tanh(x) @ x).backward()
    expected = x.grad
    x.grad = None
    (np.tanh(x) @ x).backward()
    np.testing.assert_array_equal(x.grad, expected)


def test_nested_and_after_an_exception():
    with detect_anomaly():
        with detect_anomaly():
            Tensor([1.0]) + 1
        with pytest.raises(FloatingPointError):
            Tensor([0.0]).log()
    with pytest.raises(KeyError), detect_anomaly():
        raise KeyError
    with np.errstate(divide="ignore"):
        assert Tensor([0.0]).log().item() == -np.inf


def test_nothing_is_paid_outside():
    assert observers.active() == ()
    with detect_anomaly():
        assert len(observers.active()) == 1
    assert observers.active() == ()


def test_other_threads_are_not_checked():
    entered, done = threading.Event(), threading.Event()
    outcome = []

    def other():
        entered.wait()
        with np.errstate(divide="ignore"):
            outcome.append(Tensor([0.0]).log().item())
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with detect_anomaly():
        entered.set()
        done.wait()
    thread.join()
    assert outcome == [-np.inf]


def test_lines_of_dead_nodes_are_forgotten():
    from tinygrad_lm.autograd import observers

    with detect_anomaly():
        x = Tensor([1.0], requires_grad=True)
        for _ in range(100):
            x * 2
        (watch,) = observers.active()
        assert len(watch._lines) <= 1
