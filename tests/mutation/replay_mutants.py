"""Planted bugs in replay: what a step can see, what is lent, what is the same, rows and blocks, plans."""

from tests.mutation.checks import Mutant
from tests.mutation.source import edited
from tinygrad_lm.nn import module
from tinygrad_lm.replay import joined, optimising
from tinygrad_lm.replay.blocks import InBlocks
from tinygrad_lm.replay.comparing import Summary
from tinygrad_lm.replay.joined import Joined
from tinygrad_lm.replay.lending import Gradients
from tinygrad_lm.replay.lowering import Lowering
from tinygrad_lm.replay.plan import Plan
from tinygrad_lm.replay.reach import Reached
from tinygrad_lm.replay.replayed import Replayed
from tinygrad_lm.replay.rows import Rows

APART = "test test_blocks_agree_with_the_step"
TOGETHER = "test test_rows_that_are_not_apart_stay_together"
KEPT = "test test_gradients_that_somebody_keeps_stay_what_they_are"
HELD = "test test_an_array_that_somebody_holds_shows_what_it_would_in_eager_mode"

REPLAY_MUTANTS = (
    Mutant(
        "what the step can see may be another object",
        edited(Reached, "_contents", "*self._views, ", ""),
        ("test test_a_number_that_something_holds_and_that_changes",),
    ),
    Mutant(
        "a global that the step reads may change",
        edited(Reached, "_contents", "*single, ", ""),
        ("test test_a_global_number_that_changes",),
    ),
    Mutant(
        "arrays that the step can see may change",
        edited(Reached, "_compares", "return not self._arrays or", "return True or"),
        ("test test_an_array_that_a_module_computes_with_and_that_is_changed_in_place",),
    ),
    Mutant(
        "a library's code is looked at, and a user's is not",
        edited(Reached, "_of_function", "_of_library(function.__module__)", "not _of_library(function.__module__)"),
        ("test test_a_global_number_that_changes",),
    ),
    Mutant(
        "two recordings are always alike",
        edited(Summary, "difference", "if not _same(one, another)", "if False"),
        ("test test_a_number_from_where_nothing_can_be_seen",),
    ),
    Mutant(
        "the two zeros are one",
        edited(optimising, "_key", "isinstance(x, np.generic)", "False"),
        ("test test_the_two_zeros_are_not_one",),
    ),
    Mutant(
        "what was changed in place is as it was",
        edited(optimising, "_key", "versions.get(id(owner), 0)", "0"),
        ("test test_an_array_that_was_changed_is_another",),
    ),
    Mutant(
        "a gradient that is kept is written again",
        edited(Gradients, "leave", "count > LISTED + one", "False"),
        (KEPT,),
    ),
    Mutant("gradients are always lent", edited(Gradients, "show", "if self.times", "if False"), (KEPT,)),
    Mutant(
        "data that somebody keeps are written again",
        edited(Joined, "is_left", "kept and parameter.data is not shown", "False"),
        (HELD,),
    ),
    Mutant(
        "moments begin at 0 where a plan takes over",
        edited(Joined, "_take_moments", "held.get(name, 0)", "0"),
        ("test test_two_replayed_steps_taking_turns", "test test_what_changes_between_two_calls_counts"),
    ),
    Mutant(
        "a plan takes no parameters back in",
        edited(Joined, "take", "np.copyto(place, data)", "pass"),
        ("test test_what_changes_between_two_calls_counts",),
    ),
    Mutant(
        "a plan draws twice where it broke off",
        edited(Plan, "run", "generator.bit_generator.state = state", "pass"),
        ("test test_a_branch_behind_a_mask_draws_it_once",),
    ),
    Mutant(
        "gradients from before are overwritten",
        edited(Plan, "ready", "self._without and any(", "False and any("),
        ("test test_gradients_that_are_accumulated_over_calls",),
    ),
    Mutant(
        "a branch always goes the way it went",
        edited(Lowering, "_branch", "self.instructions.append(Check(condition, event.outcome))", "pass"),
        ("test test_a_branch_goes_each_way_when_it_is_to",),
    ),
    Mutant(
        "a number for each row may stand outside of the inputs",
        edited(Rows, "_fits", "(self.count if rows else 1)", "shape[0]"),
        (TOGETHER,),
    ),
    Mutant(
        "any function of rows gives rows",
        edited(Rows, "_plain", "function in COPIES or isinstance(function, np.ufunc)", "True"),
        (TOGETHER,),
    ),
    Mutant(
        "a mean of blocks is their sum",
        edited(InBlocks, "_compute_all", "if self._scale != 1", "if False"),
        (APART,),
    ),
    Mutant(
        "the gradients of one block count",
        edited(InBlocks, "_compute_all", "np.add(total, gradient, total)", "np.copyto(total, gradient)"),
        (APART,),
    ),
    Mutant(
        "a block that fails leaves its gradients",
        edited(InBlocks, "_compute", "np.copyto(gradient, before)", "pass"),
        ("test test_a_block_that_fails_leaves_the_gradients_that_are_shown",),
    ),
    Mutant(
        "data that are given anew are those of before",
        edited(Plan, "_compute", "np.copyto(place, leaf.data)", "pass"),
        ("test test_data_that_are_new_at_each_call_make_no_plan_anew",),
    ),
    Mutant(
        "data of another dtype are rounded",
        edited(joined, "are_alike", "one.dtype == other.dtype and ", ""),
        ("test test_a_number_of_another_dtype",),
    ),
    Mutant(
        "data of another order are as good",
        edited(joined, "are_alike", "one.strides == other.strides or not one.size", "True"),
        ("test test_data_that_are_new_at_each_call_make_no_plan_anew",),
    ),
    Mutant(
        "what is new once is new for ever",
        edited(Plan, "ready", "self._brought |= {id(leaf): np.empty_like(array) for leaf, array in replaced}", "pass"),
        ("test test_data_that_are_new_at_each_call_make_no_plan_anew",),
    ),
    Mutant(
        "plans are made though none is right",
        edited(Replayed, "_plan", "shape.made > shape.replayed + MOST_PLANS", "False"),
        ("test test_plans_that_are_never_right_come_to_an_end",),
    ),
    Mutant(
        "no shape waits until a plan pays",
        edited(Replayed, "_run", "shape.calls <= self.after and ", "False and "),
        ("test test_where_there_are_several_shapes_they_may_wait_until_a_plan_pays",),
    ),
    Mutant(
        "a shape waits where there is no other",
        edited(Replayed, "_run", "len(self._shapes) > 1 and ", ""),
        ("test test_a_shape_that_comes_alone_does_not_wait",),
    ),
    Mutant(
        "an evaluation leaves its mark",
        edited(module, "switch", "del module.training", "module.training = mode"),
        ("test test_evaluation_between_two_calls_makes_no_plan_anew",),
    ),
)
