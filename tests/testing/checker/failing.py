"""A check that must fail, and what it says."""

import pytest

from tinygrad_lm.testing import GradientError, check_gradients


def failing(fn, *inputs, **options):
    """The error that the check raises."""
    with pytest.raises(GradientError) as caught:
        check_gradients(fn, *inputs, **options)
    return caught.value
