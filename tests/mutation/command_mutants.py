"""Planted bugs in what the command line chooses, saves and reports."""

from tests.mutation.checks import Mutant
from tests.mutation.source import constant, edited
from tinygrad_lm.cli.train import fitting, options, plan, showing

KILLED = "test test_a_kill_costs_a_few_seconds_at_most"
COMPARED = "test test_the_comparison_counts_the_training_names_and_is_measured_on_the_validation_names"
STARTS = "test test_what_an_optimizer_starts_with"
STEPS = "test test_as_many_steps_as_the_help_says"
FITTED = "NGram.fitted(order, split.train, split.validation,"


def planned(old, new):
    return edited(plan, "plan_of", old, new)


def comparison(old, new):
    return edited(showing, "show_comparison", old, new)


def starts(changes):
    """Other values that an optimizer starts with."""
    return constant(plan, "STARTS", {**options.STARTS, **changes})


START_OVERRIDES = edited(plan, "_start", "if options.is_given(name)", "if False")
GIVEN = "if options.is_given(name)"
ZERO_IS_DROPPED = edited(plan, "_start", GIVEN, f"{GIVEN} and getattr(options, name)")

COMMAND_MUTANTS = (
    Mutant("a checkpoint every 2,000 s", constant(fitting, "SECONDS_BETWEEN_CHECKPOINTS", 2_000.0), (KILLED,)),
    Mutant("a checkpoint at each report", constant(fitting, "SECONDS_BETWEEN_CHECKPOINTS", 0.0), (KILLED,)),
    Mutant(
        "the first checkpoint alone",
        edited(fitting, "_run", "saved = report.seconds", "saved = 1e9"),
        (KILLED,),
    ),
    Mutant(
        "counts are evaluated on the training names",
        comparison("counted.evaluate(split.validation)", "counted.evaluate(split.train)"),
        (COMPARED,),
    ),
    Mutant("counts of all names", comparison(FITTED, FITTED.replace("train", "train + split.validation")), (COMPARED,)),
    Mutant(
        "Kneser-Ney of all names",
        comparison("strongest_counts(split.train, ", "strongest_counts(split.train + split.test, "),
        (COMPARED,),
    ),
    Mutant(
        "counts smoothed for the training names",
        comparison(FITTED, "NGram.fitted(order, split.train, split.train,"),
        (COMPARED,),
    ),
    Mutant(
        "the model is evaluated on the training names",
        comparison("model.evaluate(split.validation)", "model.evaluate(split.train)"),
        (COMPARED,),
    ),
    Mutant("SGD learns at 0.03", starts({"sgd": {"lr": 0.03, "weight_decay": 0.0}}), (STARTS,)),
    Mutant("SGD's rate for all", starts(dict.fromkeys(("adam", "adamw"), options.STARTS["sgd"])), (STARTS,)),
    Mutant("what an optimizer starts with overrides", START_OVERRIDES, (STARTS,)),
    Mutant("SGD and Adam decay", starts({"sgd": {"lr": 0.3}, "adam": {}}), (STARTS,)),
    Mutant("AdamW does not decay", starts({"adamw": {"weight_decay": 0.0}}), (STARTS,)),
    Mutant("a rate of zero is dropped", ZERO_IS_DROPPED, (STARTS,)),
    Mutant("8,000 steps became 800", constant(options.TrainOptions, "steps", 800), (STEPS,)),
    Mutant("an evaluation at each step", planned("min(Plan.evaluate_every, steps // 8)", "0"), (STEPS,)),
)
