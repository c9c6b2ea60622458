"""What is refused, and in which words."""

import pytest


def refuses(kind, call, *words):
    """The call raises an exception of this kind, and its message holds every word."""
    with pytest.raises(kind) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)
