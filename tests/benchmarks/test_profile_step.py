"""Tests of the profile of a step: all parts are there, the counts are those of the plan."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks import profile_step
from tests.helpers import ROOT


@pytest.fixture(scope="module")
def rows():
    return {what: (eager, replayed) for what, eager, replayed in profile_step.profile(rounds=2)}


def numbers(row):
    return [int(cell.replace(",", "")) for cell in row]


def test_a_replayed_step_calls_and_makes_less(rows):
    for what in ("Python functions entered", "NumPy calls", "arrays made"):
        eager, replayed = numbers(rows[what])
        assert 0 < replayed < eager, what
    assert numbers(rows["arrays made"])[1] == 1


def test_each_part_has_its_time(rows):
    for part in ("forward", "backward", "update", "the rest", "the whole step"):
        assert all(0 <= time < 1e6 for time in numbers(rows[f"{part}, us"])), part


def test_calls_of_a_step_are_counted_before_any_is_saved():
    step = profile_step.Step()
    calls, arrays = profile_step.written_down()
    rule = len(profile_step.updating(step))
    plan = step.replayed().plan
    assert calls - 5 * rule >= len(plan.calls) - 1  # the update is one call there
    assert 10 < arrays < calls


def test_parts_run_from_the_first_call():
    step = profile_step.Step()
    replayed = step.replayed()
    before = [parameter.data.copy() for parameter in step.model.parameters()]
    parts = profile_step.parts_of(replayed)
    parts["forward"]()
    parts["backward"]()
    for parameter, was in zip(step.model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.data, was)
    parts["update"]()
    assert any(not np.array_equal(p.data, was) for p, was in zip(step.model.parameters(), before, strict=True))


def test_python_calls_are_those_within():
    assert profile_step.python_calls(lambda: None) == 0
    assert profile_step.python_calls(lambda: (lambda: None)()) == 1


def test_a_quick_run_prints_both_tables():
    words = [sys.executable, "-m", "benchmarks.profile_step", "--quick"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert printed.count("| the whole step, us |") == 1
    assert (
        printed.count(" rows | ") == 12 and "| AdamW of five parameters, as one vector | 11,897 numbers | " in printed
    )
