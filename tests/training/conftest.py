"""Fixtures of the tests of training."""

import pytest

from tinygrad_lm.training import pieces, trainer


@pytest.fixture
def plans_at_once(monkeypatch):
    """Batches of every shape are recorded at once: in a short training most would be computed as written."""
    for module in (trainer, pieces):
        monkeypatch.setattr(module, "AFTER", 0)
