"""Planted bugs in the checker of gradients: tolerances, thresholds, and what must hold before it compares."""

from tests.mutation.checks import Mutant
from tests.mutation.source import constant, edited
from tinygrad_lm.autograd import differences as steps
from tinygrad_lm.testing.checker import differences, gradients, measure, preconditions

RTOL = "test TestTolerance.test_rtol"
DIFFERENCE = "test TestTolerance.test_a_difference_is_allowed_its_own_error_and_little_more"
LINEARITY = "test TestPreconditions.test_linearity_is_exact_but_for_round_off"
CANCELS = "test TestPreconditions.test_linearity_where_the_gradient_is_zero_but_for_what_cancels"
BETWEEN = "test TestSubgradients.test_between_the_slopes"
CURVED = "test TestKinks.test_in_the_presence_of_curvature"


def kink(name, old, new, *checks):
    return Mutant(name, edited(differences, "slope", old, new), checks)


CHECKER_MUTANTS = (
    Mutant("rtol is 100 times wider", edited(gradients, "_tolerance", "1e-5 if", "1e-3 if"), (RTOL,)),
    Mutant(
        "atol is 100 times wider",
        edited(gradients, "_tolerance", "1e-7 if", "1e-5 if"),
        ("test TestTolerance.test_atol",),
    ),
    Mutant(
        "errors above the gradient alone count", edited(measure.Measurement, "errors", "np.abs(", "np.add(0, "), (RTOL,)
    ),
    Mutant(
        "the complex step is held to a tenth",
        constant(measure, "COMPLEX_RTOL", 1e-8),
        ("test TestTolerance.test_of_the_complex_step",),
    ),
    Mutant(
        "a difference is allowed four times its drift",
        edited(measure.Tolerance, "of_slope", "1.25", "5"),
        (DIFFERENCE,),
    ),
    Mutant("a difference is allowed no drift", edited(measure.Tolerance, "of_slope", "1.25", "0.9"), (DIFFERENCE,)),
    Mutant(
        "a difference is allowed no round-off",
        edited(measure.Tolerance, "of_slope", "measured.noise", "0"),
        ("test TestTolerance.test_round_off_is_allowed",),
    ),
    Mutant(
        "a subgradient has no lower bound",
        edited(gradients._Check, "_judge", "s.low - slack <= measurement", "measurement"),
        (BETWEEN,),
    ),
    Mutant(
        "a subgradient has no upper bound",
        edited(gradients._Check, "_judge", "measurement.analytic[k] <= s.high + slack", "measurement.analytic[k]"),
        (BETWEEN,),
    ),
    Mutant(
        "the backward pass may be linear to 1e-6",
        edited(preconditions, "consistent_backward", "1e-10 *", "1e-6 *"),
        (LINEARITY,),
    ),
    Mutant(
        "what cancels may be linear to 1e-9",
        edited(preconditions, "consistent_backward", "1e-13 *", "1e-9 *"),
        (CANCELS,),
    ),
    Mutant(
        "2v + w in place of w - 2.5v",
        edited(
            preconditions,
            "consistent_backward",
            "others - 2.5 * cotangent",
            "others + 2 * cotangent",
            "w - 2.5 * v\n",
            "w + 2 * v\n",
        ),
        ("test test_a_cotangent_of_one_hides_no_misuse_of_it",),
    ),
    Mutant(
        "the recorded gradient may be off by 1e-3",
        edited(preconditions, "_same_recorded", "1e-9 *", "1e-3 *"),
        ("test TestPreconditions.test_the_recorded_gradient_is_the_plain_one",),
    ),
    Mutant(
        "a single number has a random weight",
        edited(gradients, "_cotangent", "base.size == 1", "base.size == 0"),
        ("test test_the_numbers_are_those_of_the_function",),
    ),
    Mutant(
        "several numbers have weights of one",
        edited(gradients, "_cotangent", "base.size == 1", "base.size >= 1"),
        ("test test_several_numbers_keep_random_weights",),
    ),
    kink("a kink is where the gap does not shrink at all", "0.5 * gap", "0.99 * gap", CURVED),
    kink(
        "a kink is where the gap shrinks to a third",
        "0.5 * gap",
        "0.3 * gap",
        "test TestKinks.test_a_root_of_the_curvature_is_smooth",
    ),
    kink(
        "a kink is large",
        "1e-4 * scale",
        "4e-4 * scale",
        "test TestKinks.test_a_small_kink_at_the_point",
    ),
    kink(
        "a kink within the step is large",
        "1e-5 * scale",
        "1e-4 * scale",
        "test TestKinks.test_a_small_kink_beside_the_point",
    ),
    kink("round-off is a kink", "16 * _EPS", "0 * _EPS", "test TestKinks.test_round_off_is_no_kink"),
    kink(
        "a jump is as steep as a kink", "NEARER / 2", "NEARER * 2", "test TestKinks.test_a_jump_is_steeper_than_a_kink"
    ),
    Mutant(
        "the step is ten times larger",
        constant(steps, "STEP", 6e-5),
        ("test TestSteps.test_the_difference_is_as_exact_as_such_a_step_allows",),
    ),
)
