"""Functions that bend sharply are smooth to the checker; their wrong gradients are found whatever ``kinks`` says."""

import numpy as np
import pytest

from tinygrad_lm.autograd import custom
from tinygrad_lm.testing import GradientError, check_gradients


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (np.log, 1e-3),
        (np.sqrt, 1e-4),
        (lambda x: 1 / x, 1e-3),
        (lambda x: np.sin(1e4 * x), 0.3),
        (lambda x: np.tanh(1e4 * x), 2e-5),
    ],
)
def test_no_kink_is_seen_in_a_sharp_bend(function, at):
    check_gradients(function, np.array([at]))


@pytest.mark.parametrize("kinks", ["raise", "skip", "subgradient"])
def test_a_wrong_gradient_at_a_sharp_bend_is_found(kinks):
    wrong = custom.elementwise("wrong", np.log, [lambda x, out: 1003.0 + 0 * x])
    with pytest.raises(GradientError, match="wrong"):
        check_gradients(wrong, np.array([1e-3]), kinks=kinks)


def test_the_complex_step_does_not_loosen_the_check():
    dropped = custom.operation(
        "dropped", lambda x: x * np.array([1e9, 1e-1]), lambda g, out, x: g * np.array([1e9, 0.0])
    )
    with pytest.raises(GradientError, match=r"index \(1,\)"):
        check_gradients(dropped, np.array([1.0, 2.0]))
