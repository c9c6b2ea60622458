"""Planted bugs in pictures: what is drawn as one, what is counted, what stands in line."""

from tests.mutation.checks import Mutant
from tests.mutation.source import constant, edited
from tinygrad_lm.autograd import differences
from visualize.backward import frames
from visualize.formats import text, themes
from visualize.graph import contract, folding, naming

WIRING = "test TestWiring.test_without_repetition"
PARTLY = "test TestSharedWeights.test_one_is_shared_and_one_is_not"
AGAIN = "test test_uses_add_up_when_what_was_put_together_is_put_together_again"
LEAVES = "test test_leaves_that_nothing_else_uses_go_along"
SORTED = "test test_the_order_stays_topological"

PICTURE_MUTANTS = (
    Mutant(
        "programs of any size are nudged",
        constant(frames, "WORK", 10**12),
        ("test test_a_program_that_takes_long_to_nudge_is_left_alone",),
    ),
    Mutant(
        "repeats may be wired in any way",
        edited(folding, "_alike", "a - b != period", "a - b > 0 and False"),
        (WIRING,),
    ),
    Mutant(
        "a leaf and an operation are wired alike",
        edited(folding, "_alike", "(a is None) != (b is None)", "False"),
        (WIRING, "test TestWiring.test_one_step_that_differs_stays_apart"),
    ),
    Mutant(
        "any operation repeats any other",
        edited(folding, "_runs", "node.op, node", '"", node'),
        ("test TestWiring.test_other_operations",),
    ),
    Mutant(
        "one shared weight is enough",
        edited(folding, "_shares_weights", " and not ((second ^ third) & named)", ""),
        (PARTLY,),
    ),
    Mutant(
        "weights need not be shared",
        edited(folding, "_shares_weights", "bool(second & third) and", ""),
        ("test TestSharedWeights.test_none_at_all",),
    ),
    Mutant(
        "what is fed in must be the same",
        edited(folding, "_shares_weights", "& named)", ")"),
        ("test TestSharedWeights.test_what_is_fed_in_may_differ",),
    ),
    Mutant(
        "uses are not added up",
        edited(contract, "_edges", "edge.uses + (earlier.uses if earlier else 0)", "edge.uses"),
        (AGAIN,),
    ),
    Mutant(
        "an edge counts once when it is put together again",
        edited(contract, "_edges", "edge.uses + (", "1 + ("),
        (AGAIN,),
    ),
    Mutant(
        "a leaf that others use goes along",
        edited(contract, "_absorb_leaves", "len(keys) == 1 and key", "key"),
        (LEAVES,),
    ),
    Mutant(
        "leaves go along unasked",
        edited(contract, "_absorb_leaves", " and made[key].with_leaves", ""),
        (LEAVES,),
    ),
    Mutant("what is left is not sorted", edited(contract, "_sorted", "waiting[edge.target] += 1", "pass"), (SORTED,)),
    Mutant(
        "what a model learns is an input",
        edited(naming.Naming, "is_parameter", " or node in self.learned", ""),
        ("test TestParameters.test_values_that_a_module_learns",),
    ),
    Mutant(
        "half a theme will do",
        edited(themes.Theme, "__post_init__", "if lacking", "if False"),
        ("test TestNoTheme.test_one_that_lacks_a_kind",),
    ),
    Mutant(
        "the points of a difference are where they were meant to be",
        edited(differences, "both_sides", "ahead - behind", "2 * step"),
        ("test test_what_counts_is_how_far_apart_the_points_are",),
    ),
    Mutant("marks take a column", edited(text, "columns", '("Mn", "Me")', "()"), ("test test_columns",)),
    Mutant("wide letters take one column", edited(text, "columns", '"WF"', '"F"'), ("test test_columns",)),
)
