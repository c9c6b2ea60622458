"""Planted bugs in mixtures: what is averaged, the weights that fit, files of members; in comparisons, and the split."""

from tests.mutation.checks import Mutant
from tests.mutation.source import constant, edited
from tinygrad_lm import comparing
from tinygrad_lm.cli.train import options
from tinygrad_lm.models import loading, mixture
from tinygrad_lm.models.mixture import Mixture
from tinygrad_lm.sampling import memorising

MEAN = "test TestMeanOfModels.test_it_is_the_mean_of_the_probabilities"
LOSSES = "test TestMeanOfModels.test_losses_are_of_the_mean_of_each_token"
NONE = "test TestMeanOfModels.test_what_no_member_can_write_has_no_probability"
WEIGHTS = "test TestWeightsOfMembers.test_what_is_no_weights"
NO_MIXTURE = "test TestWeightsOfMembers.test_what_is_no_mixture"
FLAT = "test TestWeightsOfMembers.test_a_mixture_of_mixtures_is_one"
BY_HAND = "test TestMixingWeights.test_by_hand"
BEST = "test test_no_other_weights_are_better"
UNTOLD = "test TestMixingWeights.test_tokens_that_none_can_write_say_nothing"
SMALL = "test TestMixingWeights.test_improbable_tokens_do_not_vanish"
AGAIN = "test TestMixingWeights.test_it_fits_the_names_it_is_given_and_nothing_before_matters"
OVERFLOW = "test TestMixingWeights.test_numbers_that_overflow"
ROWS = "test TestSamplesOfAMixture.test_states_of_some_of_the_names"
SELECTS = "test TestSamplesOfAMixture.test_it_selects_where_every_member_does"
HELD = "test TestModesOfMembers.test_a_member_that_holds_a_module_too"
DESCRIBED = "test test_what_describes_no_mixture"
ROOM = "test test_many_members_that_would_fit_one_by_one"
MEASURED = "test test_what_is_measured"
NUMBERS = "test test_how_many_numbers"
SPLIT = "test test_the_split_may_have_a_seed_of_its_own"
SUM_OF_CHANCES = "most + np.log(np.exp(shares - most).sum(axis=0))"


def fitted(*pieces):
    return edited(mixture, "best_weights", *pieces)


MIXING_MUTANTS = (
    Mutant(
        "the mean of logarithms in place of probabilities",
        edited(Mixture, "_mean", SUM_OF_CHANCES, "np.tensordot(self.weights, np.maximum(logs, -700), 1)"),
        (MEAN, LOSSES),
    ),
    Mutant("logits are mixed as if they were log-probabilities", edited(Mixture, "step", "log_softmax(", "("), (MEAN,)),
    Mutant("the mean without its weights", edited(Mixture, "_mean", "self.weights)", "self.weights**0)"), (MEAN,)),
    Mutant(
        "-inf less -inf where no member can write a token",
        edited(Mixture, "_mean", "np.where(largest == -np.inf, 0, largest)", "largest"),
        (NONE,),
    ),
    Mutant("responsibilities without the weights", fitted("weights[:, None] * chances", "chances"), (BY_HAND, BEST)),
    Mutant("responsibilities over all tokens", fitted("mixed.sum(axis=0)", "mixed.sum()"), (BY_HAND, BEST)),
    Mutant(
        "weights that are not normalised",
        fitted("mean(axis=1)", "sum(axis=1)", "after /= after.sum()", "pass"),
        (BY_HAND,),
    ),
    Mutant("a single round", constant(mixture, "MOVED", 1e9), (BY_HAND,)),
    Mutant("tokens that none can write count", fitted("largest > -np.inf", "largest == largest"), (UNTOLD,)),
    Mutant("improbable tokens vanish", fitted(" - largest[told]", ""), (SMALL,)),
    Mutant("weights that were there stay", edited(Mixture, "fit", "best_weights(logs)", "self.weights"), (AGAIN,)),
    Mutant("nan is a likelihood", edited(Mixture, "fit", "np.isnan(row).any()", "False"), (OVERFLOW,)),
    Mutant("weights of any sum", constant(mixture, "AWAY", 1e9), (WEIGHTS, DESCRIBED)),
    Mutant("negative weights", edited(mixture, "_checked", "(found >= 0).all()", "True"), (WEIGHTS, DESCRIBED)),
    Mutant("the weight of an inner mixture is lost", edited(Mixture, "__init__", "share * own", "own"), (FLAT,)),
    Mutant(
        "any vocabulary will do",
        edited(Mixture, "__init__", "part.vocabulary != self.vocabulary", "False"),
        (NO_MIXTURE,),
    ),
    Mutant("all names stay in a state", edited(Mixture, "select", "member.select(own, rows)", "own"), (ROWS,)),
    Mutant("every mixture selects", constant(Mixture, "selects_if", lambda model: True), (SELECTS,)),
    Mutant(
        "modules within members are not found", edited(Mixture, "_hold", "isinstance(held", "False and (held"), (HELD,)
    ),
    Mutant(
        "every member has the room of the whole file", edited(loading, "_mixed", "left -= ", "left = left or "), (ROOM,)
    ),
    Mutant(
        "whole numbers are weights",
        edited(mixture, "described", "type(number) is float", "number == number"),
        (DESCRIBED,),
    ),
    Mutant("what is new is old", edited(comparing, "measure", "1 - in_training", "in_training"), (MEASURED,)),
    Mutant(
        "different texts are duplicates",
        edited(memorising, "shares", "1 - len(set(texts)) / len(texts)", "len(set(texts)) / len(texts)"),
        (MEASURED,),
    ),
    Mutant(
        "buffers are parameters",
        edited(comparing, "numbers_of", "isinstance(model, TrainableModel)", "False"),
        (NUMBERS,),
    ),
    Mutant(
        "the split has the seed of all else",
        edited(options.TrainOptions, "seed_of_split", "self.split_seed is None", "True"),
        (SPLIT,),
    ),
)
