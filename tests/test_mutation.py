"""The suite can fail: each planted bug is found by the checks named for it, which pass without the bug."""

import pytest

from tests.mutation import MUTANTS, findings


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_planted_bug_is_found(mutant):
    planted, sound = findings(mutant)
    assert planted
    for check in mutant.checks:
        assert planted[check] is not None, f"{check} misses it"
        assert sound[check] is None, f"{check} fails without it: {sound[check]}"
