"""Tests of what the benchmark of scale measures: the same steps on one rank and on two, and a row for each size."""

import pytest

from benchmarks import scale
from tests.helpers.ranks import needs_mpi, on_ranks
from tinygrad_lm.training import Alone


def test_both_ways_make_the_same_steps():
    case = scale.Case("mlp", 8, 4)
    assert case.steps() == 400 and scale.Case("lstm", 512, 256).steps() == 12
    time, weights = scale.milliseconds(case, Alone())
    assert 0 < time < 1000
    assert [found[1] for found in on_ranks(2, lambda ranks: scale.milliseconds(case, ranks))] == [weights] * 2
    assert scale.milliseconds(case, None)[1] != weights


def test_what_a_gather_costs_is_measured():
    assert all(0 < found < 10 for found in on_ranks(2, lambda ranks: scale.gathered(ranks, 1000)))
    assert scale.operations() > 1e8


@needs_mpi
@pytest.mark.slow
def test_a_quick_run_prints_both_tables(capsys):
    scale.main(quick=True)
    printed = capsys.readouterr().out
    assert printed.count("| mlp | 64 | 64 | 19,067 |") == printed.count("| lstm | 64 | 64 | 27,707 |") == 1
    assert "two ranks gain from about " in printed
