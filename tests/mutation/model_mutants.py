"""Planted bugs in what follows from a model's few methods, and in its files' limits."""

from tests.mutation.checks import Mutant
from tests.mutation.source import constant, edited
from tinygrad_lm.models import LanguageModel, bounded, config, interface, trainable, ways

CHUNKS = "test test_evaluation_holds_so_many_contexts_at_once"
LAST = "test TestWhatIsWrittenLastCounts"
PREFIXES = "test TestOneWayIsEnough.test_prefixes_likelihoods_and_samples"
SUM = "test TestStepByStep.test_evaluation_is_the_sum_of_the_steps"
SEEN = "test TestContext.test_no_more_tokens_are_seen"
BASES = "test TestWhatIsWrittenLastCounts.test_a_base_is_asked_for_its_own"
SHAPES = "test test_logits_of_another_shape"
HELD = "test test_no_more_is_drawn_than_a_model_may_have"
RANGES = "test test_values_out_of_range"

ORDER = "test TestBases.test_the_wrong_order_is_refused"


def nothing(*_):
    """In place of a function that does something."""


CHUNK = "min(CHUNK, CHUNK_NUMBERS // max(widest, len(self.vocabulary)))"

MODEL_MUTANTS = (
    Mutant("evaluation in one chunk", edited(trainable.TrainableModel, "_chunk", CHUNK, "1 << 40"), (CHUNKS,)),
    Mutant("chunks of any width", edited(trainable.TrainableModel, "_chunk", CHUNK, "CHUNK"), (CHUNKS,)),
    Mutant("chunks of any length", edited(trainable.TrainableModel, "_chunk", CHUNK, CHUNK[11:-1]), (CHUNKS,)),
    Mutant(
        "chunks do not see the hidden layers",
        edited(trainable.TrainableModel, "_chunk", "max(widest, ", "max(1, "),
        (CHUNKS,),
    ),
    Mutant("a base's steps answer for new prefixes", constant(interface, "take", nothing), (f"{LAST}.test_prefixes",)),
    Mutant("a base's prefixes answer for new steps", constant(interface, "take", nothing), (f"{LAST}.test_steps",)),
    Mutant("a base's steps answer for a new forward", constant(trainable, "take", nothing), (f"{LAST}.test_forward",)),
    Mutant("what a base has is what its heir writes", edited(ways, "holder", "owner if", "type(model) if"), (BASES,)),
    Mutant("logits have any shape", edited(ways, "fitting", "logits.shape != shape", "False"), (SHAPES,)),
    Mutant("the bases may stand in any order", constant(interface, "Module", set), (ORDER,)),
    Mutant(
        "windows forget the last token",
        edited(trainable, "step_of_windows", "state[:, 1:], tokens[:, None]", "state, tokens[:, None][:, :0]"),
        (SUM,),
    ),
    Mutant(
        "a model sees beyond its context",
        edited(trainable, "step_by_forward", "seen = seen[:, -most:]", "pass"),
        (SEEN,),
    ),
    Mutant(
        "steps come out of order",
        edited(trainable, "forward_by_steps", "found.append(logits)", "found.insert(0, logits)"),
        ("test TestOneWayIsEnough.test_called_as_a_module",),
    ),
    Mutant(
        "prefixes are read to one length",
        edited(ways, "prefixes_by_steps", "logits[ends == place]", "logits[ends <= place][-(ends == place).sum() :]"),
        (PREFIXES,),
    ),
    Mutant(
        "what is filled counts in evaluations",
        edited(LanguageModel, "log_likelihoods", "rows.T[targets != IGNORE]", "rows.T.ravel()"),
        (SUM,),
    ),
    Mutant("anything may be drawn", constant(bounded, "REDRAWN", 1 << 60), (HELD,)),
    Mutant(
        "numbers have no range",
        edited(config.Setting, "_number", "not low <= cast(float, value) <= high", "False"),
        (RANGES,),
    ),
)
