"""The domains keep what they promise, and the table of samples is complete and draws from them."""

import numpy as np
import pytest

from tinygrad_lm import Value
from tinygrad_lm.autograd import rules
from tinygrad_lm.testing.selfcheck import domains
from tinygrad_lm.testing.selfcheck.cases import cases, operations
from tinygrad_lm.testing.selfcheck.samples import TABLE, domains_of

SEVERAL = [name for name, rule in rules.TABLE.items() if len(rule.derivatives) > 1]


def drawn(domain, size=2_000):
    return domain(np.random.default_rng(0), (size,))


@pytest.mark.parametrize(
    ("domain", "low", "high"),
    [(domains.away_from_0, 0.1, 3.0), (domains.factors, 0.2, 2.0), (domains.distinct, 0.15, 600)],
)
def test_numbers_of_either_sign_away_from_zero(domain, low, high):
    x = drawn(domain)
    assert 0.4 < np.mean(x < 0) < 0.6
    assert low <= np.abs(x).min() < 1.2 * low
    assert np.abs(x).max() <= high


def test_distinct_numbers_are_apart():
    assert np.diff(np.sort(drawn(domains.distinct, 27))).min() > 0.299


def test_one_of_the_factors_is_zero():
    x = domains.with_a_zero(np.random.default_rng(0), (2, 3))
    assert np.argwhere(x == 0).tolist() == [[1, 2]]


def nearest(x, y):
    """The distance of the two elements, one of each array, that are nearest to each other."""
    x = np.sort(x)
    above = np.searchsorted(x, y).clip(1, x.size - 1)
    return min(np.abs(x[above] - y).min(), np.abs(x[above - 1] - y).min())


@pytest.mark.parametrize("name", SEVERAL)
def test_the_operands_of_an_operation_never_meet(name):
    """Not even where a step is added to one of them, or where one is compared with all of another."""
    x, *others = (drawn(domain) for domain in domains.of_elementwise(rules.TABLE[name]))
    for y in others:
        assert nearest(x, y) > 1e-3


@pytest.mark.parametrize("name", rules.TABLE)
def test_operands_come_from_the_intervals_of_the_table(name):
    rule = rules.TABLE[name]
    moved = 1 / 64 if name in SEVERAL else 0
    for part, domain in enumerate(domains.of_elementwise(rule)):
        x, inside = drawn(domain), False
        for low, high in rule.others if part else rule.domain:
            here = (x >= low - moved) & (x <= high + moved)
            assert x[here].min() < low + 0.1 and x[here].max() > high - 0.1
            inside |= here
        assert np.all(inside)


def test_anywhere_is_near_zero_too():
    x = drawn(domains.anywhere)
    assert np.abs(x).min() < 0.01 and np.abs(x).max() > 2.9


def test_ends_of_a_domain():
    rng = np.random.default_rng(0)
    low, high = ([f(domains.anywhere)(rng, ()).item() for _ in range(50)] for f in (domains.least, domains.greatest))
    assert max(low) < min(0, *high)


def test_every_operation_has_samples():
    assert {samples.operation for samples in TABLE} == operations()
    assert set(rules.TABLE) <= operations()


def test_domains_of_an_operation():
    assert domains_of("var") == (domains.distinct,)
    with pytest.raises(KeyError, match="nothing"):
        domains_of("nothing")


def test_cases_are_drawn_from_the_seed():
    one, again, other = (list(cases(seed)) for seed in (3, 3, 4))
    assert [case.operation for case in one] == [case.operation for case in other]
    for case, same in zip(one, again, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(case.inputs, same.inputs, strict=True))
    first, second = (next(case.inputs[0] for case in found if case.operation == "exp") for found in (one, other))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("name", ["relu", "abs", "clip"])
def test_values_are_checked_on_either_side_of_zero(name):
    numbers = [x.data for case in cases() if case.operation == name for x in case.inputs[:1] if isinstance(x, Value)]
    assert min(numbers) < 0 < max(numbers)
