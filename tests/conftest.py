"""Hypothesis profiles: ``dev`` by default, ``ci`` where CI=true, ``explore`` by HYPOTHESIS_PROFILE=explore."""

import gc
import os
import random
import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers.browser import NO_BROWSER, Browser
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


def pytest_collection_modifyitems(items):
    """Tests in the browser come first: xdist gives the first tests to one worker, so that one browser serves all."""
    items.sort(key=lambda item: "browser" not in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def browser():
    """The one browser of all tests."""
    if NO_BROWSER:
        pytest.skip(NO_BROWSER)
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def open_page(browser, tmp_path):
    """A function that opens HTML (a text) or an address; by the end of the test no page may have had a problem."""
    opened = []

    def open_page(content, *allowed, **view):
        page = browser.page(**view)
        opened.append((page, allowed))
        if not content.startswith("http://127.0.0.1:"):
            file = tmp_path / f"page{len(opened)}.html"
            file.write_text(content, encoding="utf-8")
            content = file
        page.open(content)
        return page

    yield open_page
    problems = [problem for page, allowed in opened for problem in page.problems(*allowed)]
    for page, _ in opened:
        page.close()
    assert problems == []


@pytest.fixture
def families():
    """The table of model families, which is afterwards what it was."""
    with kept() as table:
        yield table


def pytest_collection_finish():
    """What six thousand tests consist of stays to the end: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()
