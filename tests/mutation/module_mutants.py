"""Planted bugs in modules: buffers, containers, what a sequence hands on, and the options of the cross-entropy."""

from tests.mutation.checks import Mutant
from tests.mutation.source import edited
from tinygrad_lm.autograd import kernels
from tinygrad_lm.nn import containers, functional, module, state, stateless

SHARED = "test TestBufferState.test_one_that_is_shared_stays_shared"
CHANGES = "test TestLikeAList.test_changes"
HANDS_ON = "test TestWhatASequenceHandsOn."
CROSS_ENTROPY = "row cross_entropy"

MODULE_MUTANTS = (
    Mutant(
        "loading unties buffers",
        edited(state, "load", "_put(slot, ready[id(slot.held)])", "_put(slot, ready[id(slot.held)].copy())"),
        (SHARED,),
    ),
    Mutant(
        "loading writes into the array of others",
        edited(state, "_put", "object.__setattr__(slot.owner, slot.key, array)", "slot.held[...] = array"),
        (SHARED,),
    ),
    Mutant(
        "floats are loaded as integers",
        edited(state, "_needed", "else str(own)", "else None"),
        ("test TestBufferState.test_no_kind_of_number_stands_for_another",),
    ),
    Mutant(
        "what is not persistent is saved",
        edited(state, "copies", " if slot.saved", ""),
        ("test TestBufferState.test_its_order_its_dtypes_and_that_it_is_a_copy",),
    ),
    Mutant(
        "integer buffers become floats",
        edited(module.Module, "to", ' and slot.held.dtype.kind == "f"', ""),
        ("test TestBufferDtypes.test_floating_point_buffers_follow_the_parameters",),
    ),
    Mutant(
        "a running mean is set back after a functional call",
        edited(
            stateless,
            "functional_call",
            " if id(slot.held) in replacement or not isinstance(slot.held, np.ndarray)",
            "",
        ),
        ("test TestBuffersInFunctionalCall.test_what_the_call_itself_renews_stays_unless_it_was_replaced",),
    ),
    Mutant(
        "a shared generator is named twice",
        edited(module.Module, "named_generators", "if id(generator) not in seen:", "if True:"),
        ("test TestGenerators.test_each_once_with_its_dotted_name",),
    ),
    Mutant(
        "a list that shrinks counts from one",
        edited(containers._Numbered, "_renumber", "enumerate(members)", "enumerate(members, 1)"),
        (CHANGES,),
    ),
    Mutant(
        "a list that grows counts from the start",
        edited(containers._Numbered, "extend", "enumerate(new, len(self))", "enumerate(new)"),
        (CHANGES,),
    ),
    Mutant(
        "a slice renames what it holds",
        edited(
            containers,
            "_filled",
            "vars(container).update({str(i): module for i, module in enumerate(modules)})",
            "container.extend(modules)",
        ),
        ("test TestLikeAList.test_a_slice_holds_the_same_modules_which_keep_their_names",),
    ),
    Mutant(
        "a sequence takes every tuple apart",
        edited(containers.Sequential, "forward", " and _takes_several(module)", ""),
        (HANDS_ON + "test_and_one_where_one_is_taken_as_in_pytorch",),
    ),
    Mutant(
        "a sequence takes no tuple apart",
        edited(containers.Sequential, "forward", " and _takes_several(module)", " and False"),
        (HANDS_ON + "test_a_tuple_is_several_inputs_where_several_are_taken",),
    ),
    Mutant(
        "a sequence takes named tuples apart",
        edited(containers.Sequential, "forward", "type(out) is tuple", "isinstance(out, tuple)"),
        (HANDS_ON + "test_only_a_plain_tuple_is_taken_apart",),
    ),
    Mutant(
        "ignored targets count in the mean",
        edited(kernels, "_cross_entropy_forward", "(1 / len(ids) if share is None else share)", "(1 / len(ids))"),
        (CROSS_ENTROPY,),
    ),
    Mutant(
        "ignored targets count in the gradient",
        edited(
            kernels, "_cross_entropy_backward", "(1 / len(places) if share is None else share)", "(1 / len(places))"
        ),
        (CROSS_ENTROPY,),
    ),
    Mutant(
        "smoothing leaves the target whole",
        edited(kernels, "_cross_entropy_backward", "scale = scale * (1 - label_smoothing)", "pass"),
        (CROSS_ENTROPY,),
    ),
    Mutant(
        "a class that is ignored still counts",
        edited(functional, "cross_entropy", "if 0 <= ignore_index < shape[-1]:", "if False:"),
        ("test test_numbers_by_hand",),
    ),
    Mutant(
        "what is no class is ignored",
        edited(functional, "_masked", "np.equal(array, ignore_index)", "np.less(array, 0)"),
        ("test TestIgnoring.test_without_it_minus_one_is_no_class",),
    ),
)
