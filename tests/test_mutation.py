"""The suite can fail: each planted bug is found by the checks named for it, which pass without the bug."""

import pytest

from tests.mutation import MUTANTS, findings, unplanted
from tests.mutation.replay_mutants import REPLAY_MUTANTS

LONG = {
    *("one visit a path", "the longest names are never drawn", "programs of any size are nudged"),
    *("the end of a text is free", "responsibilities over all tokens", "the first texts found are the most probable"),
    *("a tree forgets what it leaves out", "a path is its last branch", "resuming forgets averaged buffers"),
    *(mutant.name for mutant in REPLAY_MUTANTS),
}
"""What takes a second or two to be found; ``python -m tests.mutation`` plants all of them."""


def marked(mutant):
    return pytest.param(mutant, id=mutant.name, marks=[pytest.mark.slow] if mutant.name in LONG else [])


def stands_in_the_suite(check, finding):
    """Whether the suite itself says that the check passes without the bug: a test of its own, in an assertion."""
    return check.startswith("test ") and finding.startswith(("AssertionError", "Failed"))


@pytest.mark.parametrize("mutant", [marked(mutant) for mutant in MUTANTS])
def test_planted_bug_is_found(mutant):
    planted = findings(mutant)
    assert planted
    for check, finding in planted.items():
        assert finding is not None, f"{check} misses it"
        if not stands_in_the_suite(check, finding):
            assert unplanted(check) is None, f"{check} fails without it: {unplanted(check)}"
