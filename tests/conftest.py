"""Hypothesis profiles: ``dev`` by default, ``ci`` where CI=true, ``explore`` by HYPOTHESIS_PROFILE=explore."""

import gc
import os
import random
import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers.families import kept

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile("dev", max_examples=50, deadline=None, database=None, suppress_health_check=SLOW)
settings.register_profile(
    "ci", max_examples=300, deadline=None, database=None, suppress_health_check=SLOW, derandomize=True
)
settings.register_profile(
    "explore", max_examples=2_000, deadline=None, database=None, suppress_health_check=SLOW, print_blob=True
)

PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI", "").lower() == "true" else "dev")
settings.load_profile(PROFILE)


# A shell starts a job in the background with Ctrl-C ignored, and so would be what the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Exploring draws a new seed each time and prints it, so that a find can be repeated."""
    if PROFILE == "explore" and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.SystemRandom().randrange(2**32))


def pytest_report_header(config):
    """Say which profile ran, and how to repeat a run that explored."""
    if PROFILE == "explore":
        return f"hypothesis profile explore; repeat with --hypothesis-seed={config.option.hypothesis_seed}"
    return f"hypothesis profile {PROFILE}"


@pytest.fixture
def families():
    """The table of model families, which is afterwards what it was."""
    with kept() as table:
        yield table


def pytest_collection_finish():
    """What six thousand tests consist of stays to the end: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()
