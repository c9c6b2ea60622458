"""Planted bugs in what is counted: Kneser-Ney's discounts and continuation counts, orders, and the learned bigram."""

from tests.mutation.checks import Mutant
from tests.mutation.source import edited
from tinygrad_lm.models import bigram, contexts, counting, kneser_ney

BY_HAND = "test TestByHand.test_a_bigram"
STARTS = "test TestByHand.test_the_start_of_a_name_keeps_its_counts_in_a_trigram"
PADDING = "test TestByHand.test_the_padding_says_nothing"
FRANCISCO = "test TestByHand.test_what_follows_only_one_context_is_no_news_elsewhere"
UNSEEN = "test TestByHand.test_an_unseen_context_says_what_the_shorter_one_says"
NONE = "test test_discounts_where_the_counts_give_none"
HIGHEST = "test test_the_highest_order_counts_and_a_higher_one_is_refused"
CONVERGES = "test test_it_converges_to_the_counted_bigram"


def prepared(old, new):
    return edited(kneser_ney.KneserNey, "_prepare", old, new)


def mixed(old, new):
    return edited(kneser_ney.KneserNey, "_probabilities", old, new)


def discounted(old, new):
    return edited(kneser_ney, "_discounts", old, new)


CONTINUED = "counts = np.where(past, counts, 1)"

COUNTING_MUTANTS = (
    Mutant(
        "counts of three have the discount of two",
        edited(kneser_ney, "_level", "np.minimum(counts, 3)", "np.minimum(counts, 2)"),
        (BY_HAND,),
    ),
    Mutant("raw counts of shorter contexts", prepared(CONTINUED, "pass"), (BY_HAND, FRANCISCO)),
    Mutant("starts are counted by what precedes them", prepared(CONTINUED, "counts = counts * 0 + 1"), (STARTS,)),
    Mutant("the padding is counted", prepared("if length < 2 else", "if length < 99 else"), (PADDING,)),
    Mutant("discounts of all orders alike", prepared("self.discounts[length] =", "self.discounts[:] ="), (BY_HAND,)),
    Mutant(
        "the longest context last", prepared("self._levels.insert(0, _level", "self._levels.append(_level"), (BY_HAND,)
    ),
    Mutant(
        "the weight of the shorter context is forgotten", mixed("level.backoff[rows] * chances", "chances"), (BY_HAND,)
    ),
    Mutant("no uniform distribution below", mixed("1 / size)", "0.0)"), (BY_HAND,)),
    Mutant("nothing is passed on by an unseen context", mixed(", 0), chances)", ", 0), 0)"), (UNSEEN,)),
    Mutant(
        "what never followed has the share of another",
        mixed("np.where(followed, level.shares[places], 0)", "level.shares[places]"),
        (BY_HAND,),
    ),
    Mutant("D2 and D3 take off too little", discounted("(n + 1) * share", "n * share"), (BY_HAND,)),
    Mutant("Y of n1 + n2", discounted("2 * two", "two"), (BY_HAND, STARTS)),
    Mutant("discounts without bounds", discounted("(found > 0) & (found < [1, 2, 3])", "found == found"), (NONE,)),
    Mutant("Y without a count of two", discounted("if one and two else", "if one else"), (NONE,)),
    Mutant("a highest order that is too low", edited(counting, "highest_order", "(order - 1)", "order"), (HIGHEST,)),
    Mutant(
        "contexts of another length",
        edited(contexts, "context_sizes", "contexts % size**shorter", "contexts // size ** (length - shorter)"),
        ("test TestSizes.test_by_hand",),
    ),
    Mutant("columns of the table sum to 1", edited(bigram.NeuralBigram, "table", "dim=-1", "dim=0"), (CONVERGES,)),
)
