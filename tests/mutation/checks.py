"""What a planted bug is exposed to: the suite's own checks, by a short name, without shrinking."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests import test_graph, test_modes, test_operations, test_programs
from tests.programs import programs
from tests.registry import BY_NAME
from tests.registry.row import SEEDS


@dataclass(frozen=True)
class Mutant:
    """A bug, how it is planted, and the checks that must find it."""

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    checks: tuple[str, ...]


def drawn(count):
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )


def of_row(check, count):
    """A check of ``test_operations`` on a registry row."""

    def run(name):
        row = BY_NAME[name]

        @drawn(count)
        @given(row.cases, SEEDS)
        def on_cases(case, seed):
            check(row, case, seed)

        on_cases()

    return run


def kinks(name):
    for kink in BY_NAME[name].kinks:
        test_operations.check_kink(BY_NAME[name], kink)


def of_programs(check, count):
    """A check of ``test_programs`` on random programs."""

    @drawn(count)
    @given(programs(), SEEDS)
    def run(program, seed):
        check(program, seed)

    return lambda _: run()


def of_graph(name):
    """A test of ``test_graph`` or ``test_modes``, for both engines where it takes one."""
    function = getattr(test_graph, name, None) or getattr(test_modes, name)
    arguments = [mark.args[1] for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
    for combination in itertools.product(*arguments):
        function(*combination)


CHECKS = {
    "row": of_row(test_operations.first_order, 600),
    "twice": of_row(test_operations.repeated_backward, 60),
    "second": of_row(test_operations.second_order, 150),
    "float32": of_row(test_operations.float32, 60),
    "values": of_row(test_operations.on_values, 60),
    "layout": of_row(test_operations.any_layout, 60),
    "kinks": kinks,
    "programs": of_programs(test_programs.check_gradient, 1_500),
    "graph": of_graph,
}


def survives(mutant):
    """Plant the bug: the first check that finds it, or None where it survives."""
    with pytest.MonkeyPatch.context() as patch:
        mutant.plant(patch)
        for check in mutant.checks:
            kind, _, subject = check.partition(" ")
            try:
                CHECKS[kind](subject)
            except Exception:
                return check
    return None
