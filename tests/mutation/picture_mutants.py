"""Planted bugs in pictures: what is drawn as one, what is counted, what stands in line."""

from tests.mutation.checks import Mutant
from tests.mutation.source import constant, edited
from tinygrad_lm.autograd import differences
from visualize.backward import frames
from visualize.formats import text, themes
from visualize.graph import (
    clusters,
    contract,
    edges,
    fan_in,
    folding,
    health,
    heat,
    naming,
    scalars,
    source_lines,
)

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
        edited(folding, "_runs", "else node.op", 'else ""'),
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
        edited(contract, "_edges", "earlier.uses + edge.uses", "edge.uses"),
        (AGAIN,),
    ),
    Mutant(
        "an edge counts once when it is put together again",
        edited(contract, "_edges", "argument, uses=edge.uses", "argument, uses=1"),
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
    Mutant(
        "the name of another node will do",
        edited(edges, "words_of", "count[entry.label] == 1 and ", ""),
        ("test test_two_nodes_of_one_name_and_names_like_numbers_are_told_apart",),
    ),
    Mutant(
        "numbers take the names of labels",
        edited(edges, "words_of", "if name not in taken", ""),
        ("test test_two_nodes_of_one_name_and_names_like_numbers_are_told_apart",),
    ),
    Mutant(
        "a mask alarms",
        edited(health.Health, "_look_at", "is_given or any(key in self._masked for key in operands)", "False"),
        ("test test_a_mask_is_no_error",),
    ),
    Mutant(
        "an infinity of one's own is a mask",
        edited(health.Health, "_look_at", "is_given or any(key in self._masked for key in operands)", "True"),
        ("test test_an_infinity_that_no_mask_put_there_is_one",),
    ),
    Mutant(
        "a number that was changed is fresh",
        edited(health, "_is_stale", "return again != node.data", "return False"),
        ("test TestStale.test_a_number",),
    ),
    Mutant(
        "a closed module hides its nan",
        edited(health.Health, "told", "alert=bool(ill)", 'alert=bool(ill) and entry.kind != "group"'),
        ("test test_a_collapsed_group_does_not_hide_a_nan_of_its_own",),
    ),
    Mutant(
        "what is used elsewhere is folded",
        edited(fan_in, "_with_own", " and own.issuperset(users[key])", ""),
        ("test test_what_is_computed_for_a_folded_operand_and_used_elsewhere_stays",),
    ),
    Mutant(
        "the ends of a row are one",
        constant(fan_in, "ENDS", 1),
        ("test test_of_many_operands_the_first_and_the_last_are_drawn",),
    ),
    Mutant(
        "a loop's weights stand in the last call",
        edited(clusters, "homes_of", "key=lambda calls:", "reverse=True, key=lambda calls:"),
        ("test test_the_weights_of_a_loops_cell_stand_in_its_first_call",),
    ),
    Mutant(
        "weights taken apart stand where they are used",
        edited(scalars, "_leaf", "value.scope = home", "pass"),
        ("test test_numbers_of_an_embedding_stand_in_its_frame",),
    ),
    Mutant(
        "averages are sums",
        edited(heat, "_averaged", "return sums / (counts[:, None] if axis == 0 else counts)", "return sums"),
        ("test test_averages_are_those_of_numpy",),
    ),
    Mutant(
        "the caller's variable names the result",
        edited(source_lines, "_users", "if name == _ASKING", "if False"),
        ("test TestNamesFromLines.test_what_the_picture_is_assigned_to_is_no_name_of_the_result",),
    ),
    Mutant(
        "all nodes of a call have its name",
        edited(source_lines, "_settle", "held is not record.node()", "False"),
        ("test TestNamesFromLines.test_of_the_nodes_of_one_call_only_the_result_is_called_so",),
    ),
    Mutant("marks take a column", edited(text, "columns", '("Mn", "Me")', "()"), ("test test_columns",)),
    Mutant("wide letters take one column", edited(text, "columns", '"WF"', '"F"'), ("test test_columns",)),
)
