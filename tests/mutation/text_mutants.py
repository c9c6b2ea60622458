"""Planted bugs in the text room: what is drawn, what is filled up, and what a loss is divided by."""

from tests.mutation.checks import Mutant
from tests.mutation.source import edited
from tinygrad_lm.models import LanguageModel
from tinygrad_lm.text import SequenceDataset, names, targets

EXAMPLE = "test TestSequences.test_the_example"
LONG = "test TestSequences.test_a_name_that_does_not_fit"
LIKELY = "test TestDrawing.test_names_of_all_lengths_are_equally_likely"
FILLED = "test TestDrawing.test_little_is_filled"
MIXED = "test TestEpoch.test_what_comes_together_and_when_changes"
FAIRLY = "test TestLoss.test_vocabularies_are_compared_fairly"
EPOCH = "test test_the_losses_of_the_batches_of_an_epoch_are_the_loss_of_an_evaluation"
CASE = "test test_the_case_is_that_of_the_tokens_wherever_the_boundary_stands"

TEXT_MUTANTS = (
    Mutant("the longest names are never drawn", edited(SequenceDataset, "sample", "(POOL)", "(POOL - 1)"), (LIKELY,)),
    Mutant(
        "a batch is of any lengths",
        edited(SequenceDataset, "_by_length", "self._lengths.take(chosen)", "0 * chosen"),
        (FILLED,),
    ),
    Mutant(
        "an epoch begins with the short names",
        edited(SequenceDataset, "batches", "rng.shuffle(full)", "pass"),
        (MIXED,),
    ),
    Mutant(
        "what is filled up counts", edited(SequenceDataset, "take", "[filling] = IGNORE", "[filling] = 0"), (EXAMPLE,)
    ),
    Mutant(
        "targets of long names count again", edited(SequenceDataset, "take", "[goes_on, :-1]", "[goes_on, :0]"), (LONG,)
    ),
    Mutant(
        "losses are means over tokens",
        edited(LanguageModel, "evaluate", "/ characters)", "/ len(likelihoods))"),
        (FAIRLY, EPOCH),
    ),
    Mutant("the end of a name is no character", edited(targets, "token_lengths", "= 1", "= 0"), (EPOCH,)),
    Mutant(
        "a batch counts what is ignored",
        edited(targets, "count_targets", "targets != IGNORE", "targets == targets"),
        (FILLED,),
    ),
    Mutant(
        "the case of the boundary is that of the names",
        edited(names, "in_lower_case", "if index != vocabulary.boundary_id", "if index >= 0"),
        (CASE,),
    ),
)
