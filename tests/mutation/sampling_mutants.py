"""Planted bugs in sampling: the filters, names side by side, what is drawn again, exact search, distances."""

from tests.mutation.checks import Mutant
from tests.mutation.source import constant, edited
from tinygrad_lm.models import ways
from tinygrad_lm.sampling import logits, memorising, search, tree, wanted, writing
from tinygrad_lm.sampling import settings as distributions

ROLL = "test test_a_roll_falls_on_the_options_in_their_order"
ANY_BATCH = "test test_a_name_is_the_same_in_any_batch"
ROWS = "test test_rows_are_chosen_as_each_would_be_alone"
ENDED = "test test_names_that_end_leave_the_others_alone"
ROLLS = "test test_rolls_are_even_and_those_of_two_texts_or_places_have_nothing_in_common"
DISTANCES = "test test_distances_are_the_least_of_all"
PATHS = "test test_probabilities_of_a_tree_multiply_along_its_paths"
ANEW = "test test_what_windows_say_once_is_what_is_read_anew"
CUT = "test TestLengths.test_the_greatest_length_only_cuts"
STOPS = "test TestCounts.test_a_letter_that_must_not_occur_ends_a_text_at_once"
EXHAUSTED = "test TestCounts.test_a_space_that_is_exhausted"
GIVEN = "test TestLetters.test_what_is_kept_is_what_is_drawn_given_that_it_is_wanted"
ENUMERATED = "test test_the_most_probable_are_those_of_all_texts"
SELECTED = "test test_it_is_the_state_of_those_names_in_that_order"
OWN_STEP = "test test_a_step_of_ones_own_inherits_no_select"


def batch(old, new):
    return edited(writing._Batch, "_write", old, new)


def by_windows(old, new):
    return edited(writing._Batch, "_write_by_windows", old, new)


def windows(function, old, new):
    return edited(writing.Windows, function, old, new)


SAMPLING_MUTANTS = (
    Mutant(
        "the roll is told as it was drawn",
        edited(writing._Batch, "_step", "np.clip(low + share * ranked[place], low, high)", "roll"),
        (ROLL,),
    ),
    Mutant(
        "the options of a trace stand in the order of the vocabulary",
        edited(writing._Batch, "_step", "np.argsort(-options", "np.argsort(0 * options"),
        (ROLL,),
    ),
    Mutant(
        "a batch shares its rolls", batch("_rolls(seeds[rows], place)", "_rolls(seeds[rows * 0], place)"), (ANY_BATCH,)
    ),
    Mutant("rolls go by the rows that are left", batch("seeds[rows]", "seeds[: len(rows)]"), (ANY_BATCH,)),
    Mutant(
        "rolls hang on the greatest length",
        batch("_rolls(seeds[rows], place)", "_rolls(seeds[rows], room - place)"),
        (CUT,),
    ),
    Mutant("windows share their rolls", by_windows("_rolls(seeds, place)", "_rolls(seeds[:1], place)"), (ANY_BATCH,)),
    Mutant("windows go on with others' seeds", by_windows("seeds[going]", "seeds[: going.sum()]"), (ANY_BATCH,)),
    Mutant(
        "rolls of windows hang on the greatest length", by_windows("(seeds, place)", "(seeds, room - place)"), (CUT,)
    ),
    Mutant("windows go on with others' letters", by_windows("codes[going]", "codes[: going.sum()]"), (ANEW,)),
    Mutant("windows do not read the prefix", by_windows("in self.ids", "in ()"), (ANEW,)),
    Mutant("windows hold the wrong chances", by_windows("options[found, chosen]", "options[found, 0]"), (ANEW,)),
    Mutant("a window is one letter short", windows("moved", "% self.count", "% (self.count // self.size)"), (ANEW,)),
    Mutant("windows turned around", windows("_compute", "digits[:, :-1]]", "digits[:, :0:-1]]"), (ANEW,)),
    Mutant(
        "before the least length as after it",
        windows("rows", "bounded != self.bounded", "self.bounded is None"),
        (ANEW,),
    ),
    Mutant("each place has the roll of the first", edited(writing, "_rolls", "(place + 1)", "1"), (ROLLS,)),
    Mutant("states of the wrong names", batch("np.flatnonzero(going)", "np.arange(going.sum())"), (ANY_BATCH,)),
    Mutant("ended names go on", batch("& ~complete[rows]", ""), (ENDED,)),
    Mutant(
        "the start of a name is not read",
        edited(writing._Batch, "_begin", "[self.end, *self.ids]", "[*self.ids] or [self.end]"),
        ("test test_the_prefix_is_read_first",),
    ),
    Mutant(
        "rows share the last row's end",
        edited(logits, "choose", "ends[-1]", "ends[-1] / ends[-1]"),
        (ROWS,),
    ),
    Mutant(
        "a step past the last chance",
        edited(logits, "choose", "np.minimum(index, last)", "index"),
        ("test TestChoose.test_at_the_edges",),
    ),
    Mutant(
        "min-p is a probability",
        edited(logits, "min_p", "np.exp(scores - largest) >= p", "probabilities(scores) >= p"),
        ("test TestMinP.test_what_has_less_than_p_of_the_largest_goes",),
    ),
    Mutant(
        "min-p loses ties",
        edited(logits, "min_p", ">= p)", "> p)"),
        ("test TestMinP.test_what_reaches_it_just_so_stays_and_ties_stay_together",),
    ),
    Mutant(
        "the end is as likely as ever",
        edited(distributions, "next_chances", "length < settings.min_length", "False"),
        ("test TestLengths.test_the_end_is_not_drawn_before",),
    ),
    Mutant(
        "a text that cannot go on is a text",
        edited(
            distributions,
            "next_chances",
            "return settings.distribution(logits), stuck",
            "return settings.distribution(logits), stuck & False",
        ),
        ("test TestLengths.test_a_text_that_can_only_end_too_early_is_drawn_again",),
    ),
    Mutant(
        "names that are not new are",
        edited(wanted.Wanted, "accepts", "text in self.not_in", "False"),
        ("test TestCounts.test_only_new_ones",),
    ),
    Mutant(
        "letters that must occur need not all",
        edited(wanted.Wanted, "accepts", ".issubset(letters)", " & set(letters)"),
        ("test TestLetters.test_what_must_and_must_not_occur",),
    ),
    Mutant(
        "a text goes on after a forbidden letter",
        batch("~stuck & ~self.forbidden[chosen]", "~stuck"),
        (STOPS,),
    ),
    Mutant(
        "a text counts each time it is drawn",
        edited(writing, "_as_wanted", "if tokens not in seen:", "if True:"),
        (EXHAUSTED,),
    ),
    Mutant(
        "what comes again is waited for",
        edited(writing, "_as_wanted", "(wanted.unique or not found)", "True"),
        ("test TestCounts.test_a_rare_text_is_not_given_up_while_some_come",),
    ),
    Mutant(
        "patience is for all draws together",
        edited(writing, "_as_wanted", "idle = 0\n                found", "found"),
        ("test TestCounts.test_patience_is_for_draws_in_a_row",),
    ),
    Mutant(
        "the first texts found are the most probable",
        edited(search._Search, "goes_on", "self.open[0][0] <= self._worst()", "len(self.best) < self.count"),
        (ENUMERATED,),
    ),
    Mutant(
        "the end of a text is free",
        edited(search._Search, "expand", "self._found(cost, ids)", "self._found(0 * cost, ids)"),
        (ENUMERATED,),
    ),
    Mutant(
        "a text comes once for each way to cut it",
        edited(search._Search, "_found", "tuple(self.model.vocabulary.encode(text)) == ids", "True"),
        ("test TestMostProbable.test_a_text_that_is_cut_in_several_ways_comes_once",),
    ),
    Mutant(
        "a path is its last branch",
        edited(tree, "_grow", "chance, chance * node.path_probability,", "chance, chance,"),
        (PATHS,),
    ),
    Mutant(
        "a tree forgets what it leaves out",
        edited(tree, "_grow", "chances.sum() - chances[kept].sum()", "0"),
        (PATHS,),
    ),
    Mutant(
        "names of other lengths are left out once one is found",
        edited(memorising, "_nearest", ">= least", ">= 1"),
        (DISTANCES,),
    ),
    Mutant(
        "no carry past a letter",
        edited(memorising, "_by_bits", "((same & plus) + plus)", "((same & plus) | plus)"),
        (DISTANCES,),
    ),
    Mutant("long texts are compared by bits", constant(memorising, "WORD", 1 << 30), (DISTANCES,)),
    Mutant("the state of any step is selected", constant(ways, "selects", lambda model: True), (OWN_STEP,)),
    Mutant(
        "rows are selected in their own order",
        edited(ways, "select_rows", "state[rows]", "state[np.sort(rows)]"),
        (SELECTED,),
    ),
)
