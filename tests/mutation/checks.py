"""What a planted bug is exposed to: the suite's own checks, by a short name, without shrinking."""

import functools
import itertools
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test

from tests import test_comparing
from tests.autograd import (
    test_differences,
    test_faults,
    test_grad,
    test_graph,
    test_memory,
    test_modes,
    test_numpy_protocol,
    test_operations,
    test_programs,
    test_slots,
    test_state_machine,
    test_value_arrays,
)
from tests.cli.train import test_choices
from tests.helpers.registry import BY_NAME
from tests.helpers.registry.row import SEEDS
from tests.models import (
    test_bigram,
    test_config,
    test_contract,
    test_counting,
    test_kneser_ney,
    test_mixture,
    test_mixture_files,
    test_model_file_checks,
    test_models,
    test_nets,
    test_pairs_of_letters,
    test_selecting,
    test_ways,
)
from tests.nn import (
    test_attention,
    test_buffers,
    test_containers,
    test_cross_entropy,
    test_normalisation,
    test_pytorch_numbers,
    test_recurrent,
    test_training_mode,
)
from tests.replay import (
    test_around_a_call,
    test_blocks,
    test_equal,
    test_random_numbers,
    test_what_changes_outside,
    test_what_is_given,
    test_what_is_held,
    test_what_is_read,
    test_what_is_seen,
)
from tests.replay import test_gradients as test_replayed_gradients
from tests.runs import test_run_record
from tests.sampling import (
    test_batches,
    test_logits,
    test_memorisation,
    test_search,
    test_wanted,
    test_windows,
    test_writing,
)
from tests.testing.checker import test_mistakes, test_numbers, test_scalars
from tests.testing.properties import test_arrays
from tests.testing.properties import test_programs as test_random_programs
from tests.testing.selfcheck import test_domains
from tests.text import test_sequences, test_targets, test_tokenizers
from tests.training import (
    test_averaged_buffers,
    test_exact_resume,
    test_mean_loss,
    test_optim,
    test_own_optimizer,
    test_plan_options,
    test_schedules,
    test_training,
)
from tests.visualize.backward import test_steps
from tests.visualize.formats import test_text, test_themes
from tests.visualize.graph import (
    test_architecture,
    test_fan_in,
    test_folding,
    test_given,
    test_health,
    test_heat,
    test_naming,
)
from tests.visualize.graph import test_graph as test_pictures
from tinygrad_lm.testing.strategies import programs


@dataclass(frozen=True)
class Mutant:
    """A bug, how it is planted, and the checks that must find it."""

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    checks: tuple[str, ...]


FILES = (
    test_around_a_call,
    test_blocks,
    test_equal,
    test_replayed_gradients,
    test_random_numbers,
    test_what_changes_outside,
    test_what_is_given,
    test_what_is_held,
    test_what_is_read,
    test_what_is_seen,
    test_graph,
    test_grad,
    test_slots,
    test_value_arrays,
    test_memory,
    test_modes,
    test_faults,
    test_numpy_protocol,
    test_training,
    test_mean_loss,
    test_plan_options,
    test_averaged_buffers,
    test_own_optimizer,
    test_exact_resume,
    test_training_mode,
    test_buffers,
    test_containers,
    test_cross_entropy,
    test_recurrent,
    test_attention,
    test_normalisation,
    test_pytorch_numbers,
    test_nets,
    test_batches,
    test_logits,
    test_search,
    test_wanted,
    test_windows,
    test_writing,
    test_memorisation,
    test_selecting,
    test_schedules,
    test_optim,
    test_models,
    test_bigram,
    test_counting,
    test_kneser_ney,
    test_config,
    test_contract,
    test_mixture,
    test_mixture_files,
    test_model_file_checks,
    test_pairs_of_letters,
    test_ways,
    test_sequences,
    test_targets,
    test_tokenizers,
    test_run_record,
    test_choices,
    test_comparing,
    test_numbers,
    test_scalars,
    test_differences,
    test_mistakes,
    test_arrays,
    test_random_programs,
    test_domains,
    test_architecture,
    test_fan_in,
    test_folding,
    test_given,
    test_health,
    test_heat,
    test_naming,
    test_pictures,
    test_steps,
    test_text,
    test_themes,
)


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

    def run(name, most):
        row = BY_NAME[name]

        @drawn(min(count, most))
        @given(row.cases, SEEDS)
        def on_cases(case, seed):
            check(row, case, seed)

        on_cases()

    return run


def kinks(name, _):
    for kink in BY_NAME[name].kinks:
        test_operations.check_kink(BY_NAME[name], kink)


def of_programs(check, count):
    """A check of ``test_programs`` on random programs."""

    def run(_, most):
        @drawn(min(count, most))
        @given(programs(), SEEDS)
        def on_programs(program, seed):
            check(program, seed)

        on_programs()

    return run


MARKED = type(pytest.param())
"""What a test is parametrized with where it is marked, as slow."""


def named(name, _):
    """A test by its name (``test_x`` or ``TestY.test_x``), with each of its parameters."""
    group, _, method = name.rpartition(".")
    (found,) = [vars(file)[group or name] for file in FILES if (group or name) in vars(file)]
    function = getattr(found(), method) if group else found
    choices = []
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == "parametrize":
            names, values = mark.args[0], mark.args[1]
            if isinstance(names, str):
                names, values = [names], [x if isinstance(x, MARKED) else pytest.param(x) for x in values]
            each = [x.values if isinstance(x, MARKED) else x for x in values]
            choices.append([dict(zip(names, x, strict=True)) for x in each])
    for combination in itertools.product(*choices):
        function(**{key: value for part in combination for key, value in part.items()})


def machine(name, most):
    """The state machine on an engine."""
    found = {"Tensor": test_state_machine.Machine, "Value": test_state_machine.ValueMachine}[name]
    run_state_machine_as_test(found, settings=settings(drawn(min(400, most)), stateful_step_count=30))


CHECKS = {
    "machine": machine,
    "row": of_row(test_operations.first_order, 600),
    "twice": of_row(test_operations.repeated_backward, 60),
    "second": of_row(test_operations.second_order, 150),
    "float32": of_row(test_operations.float32, 60),
    "values": of_row(test_operations.on_values, 60),
    "layout": of_row(test_operations.any_layout, 60),
    "kinks": kinks,
    "programs": of_programs(test_programs.check_gradient, 500),
    "test": named,
}


def finds(check, most=10_000):
    """What a check raises now, in a context of its own so that no mode leaks out; None where all is well."""
    kind, _, subject = check.partition(" ")
    try:
        copy_context().run(CHECKS[kind], subject, most)
    except (Exception, pytest.fail.Exception) as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:90]}"
    return None


def findings(mutant):
    """What each of its checks says of a planted bug."""
    with pytest.MonkeyPatch.context() as patch:
        mutant.plant(patch)
        return {check: finds(check) for check in mutant.checks}


@functools.cache
def unplanted(check):
    """What a check raises where no bug is planted: a few cases will do, and once for all bugs that it is to find."""
    return finds(check, 10)
