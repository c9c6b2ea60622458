"""The suite can fail: each planted bug is found by the checks named for it, which pass without the bug."""

import pytest

from tests.mutation import MUTANTS, findings

LONG = {"one visit a path", "the longest names are never drawn", "programs of any size are nudged"}
"""What takes a second or two to be found; ``python -m tests.mutation`` plants all of them."""


def marked(mutant):
    return pytest.param(mutant, id=mutant.name, marks=[pytest.mark.slow] if mutant.name in LONG else [])


@pytest.mark.parametrize("mutant", [marked(mutant) for mutant in MUTANTS])
def test_planted_bug_is_found(mutant):
    planted, sound = findings(mutant)
    assert planted
    for check in mutant.checks:
        assert planted[check] is not None, f"{check} misses it"
        assert sound[check] is None, f"{check} fails without it: {sound[check]}"
