"""Planted bugs in property testing and in the check of the package itself: margins, orders, elements, domains."""

from tests.mutation.checks import Mutant
from tests.mutation.source import edited
from tinygrad_lm.testing.checker import arguments
from tinygrad_lm.testing.properties import arrays, operations, program
from tinygrad_lm.testing.selfcheck import domains

MARGIN = "test test_the_margin_is_that_of_the_nearest_kink"

PROPERTIES_MUTANTS = (
    Mutant(
        "the margin is that of the first step",
        edited(program.Program, "margin", "(results) for step in self.steps", "(results) for step in self.steps[:1]"),
        (MARGIN,),
    ),
    Mutant(
        "the margin is always that at the program's own leaves",
        edited(program.Program, "margin", "self.leaves if leaves is None else leaves", "self.leaves"),
        (MARGIN,),
    ),
    Mutant(
        "ties are looked for between neighbours alone",
        edited(operations, "_from_ties", "np.sort(x, axis=axis)", "x"),
        ("test test_programs_keep_away_from_ties",),
    ),
    Mutant(
        "a step comes before what it uses",
        edited(program.Program, "reordered", " if all(operand in place for operand in step.operands)", ""),
        ("test test_other_orders_are_found",),
    ),
    Mutant(
        "the other order is always the same",
        edited(program.Program, "reordered", "rng.integers(len(ready))", "0"),
        ("test test_other_orders_are_found",),
    ),
    Mutant(
        "arrays hold few numbers",
        edited(arrays, "_elements", "% len(numbers)", "% 2"),
        ("test test_elements_are_drawn_from_all_that_may_be",),
    ),
    Mutant(
        "operands may meet",
        edited(domains, "_apart", "part + rng", "0 * part + rng"),
        ("test test_the_operands_of_an_operation_never_meet",),
    ),
    Mutant(
        "operands come from anywhere",
        edited(domains, "of_elementwise", "within(rule.domain),)", "anywhere,)"),
        ("test test_operands_come_from_the_intervals_of_the_table",),
    ),
    Mutant(
        "an operation with its attributes has no names",
        edited(arguments, "_without_keywords", "partial if partial.args else partial.func", "partial"),
        ("test TestPlantedMistakes.test_of_an_operation_with_its_attributes",),
    ),
)
