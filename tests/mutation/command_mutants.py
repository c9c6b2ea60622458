"""Planted bugs in what the command line chooses, saves and reports."""

from tests.mutation.checks import Mutant
from tests.mutation.source import constant, edited
from tinygrad_lm.cli import commands

KILLED = "test test_a_kill_costs_a_few_seconds_at_most"
COMPARED = "test test_the_comparison_counts_the_training_names_and_is_measured_on_the_validation_names"
STARTS = "test test_what_an_optimizer_starts_with"
STEPS = "test test_as_many_steps_as_the_help_says"
FITTED = "NGram.fitted(order, split.train, split.validation,"


def plan(old, new):
    return edited(commands, "_plan", old, new)


def comparison(old, new):
    return edited(commands, "_show_comparison", old, new)


COMMAND_MUTANTS = (
    Mutant("a checkpoint every 2,000 s", constant(commands, "SECONDS_BETWEEN_CHECKPOINTS", 2_000.0), (KILLED,)),
    Mutant("a checkpoint at each report", constant(commands, "SECONDS_BETWEEN_CHECKPOINTS", 0.0), (KILLED,)),
    Mutant(
        "the first checkpoint alone",
        edited(commands, "_progress", "saved[0] = report.seconds", "saved[0] = 1e9"),
        (KILLED,),
    ),
    Mutant(
        "counts are evaluated on the training names",
        comparison("counted.evaluate(split.validation)", "counted.evaluate(split.train)"),
        (COMPARED,),
    ),
    Mutant("counts of all names", comparison(FITTED, FITTED.replace("train", "train + split.validation")), (COMPARED,)),
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
    Mutant("SGD learns at 0.03", plan('setdefault("lr", 0.3)', 'setdefault("lr", 0.03)'), (STARTS,)),
    Mutant("SGD's rate for all", plan('if chosen.get("optimizer") == "sgd":', "if True:"), (STARTS,)),
    Mutant("SGD's rate overrides", plan('chosen.setdefault("lr", 0.3)', 'chosen["lr"] = 0.3'), (STARTS,)),
    Mutant("SGD and Adam decay", plan('chosen.setdefault("weight_decay", 0.0)', "pass"), (STARTS,)),
    Mutant("AdamW does not decay", plan('if chosen.get("optimizer", "adamw") != "adamw":', "if True:"), (STARTS,)),
    Mutant(
        "a rate of zero is dropped",
        plan("if getattr(options, name) is not None", "if getattr(options, name)"),
        (STARTS,),
    ),
    Mutant("8,000 steps became 800", plan("or 8000", "or 800"), (STEPS,)),
    Mutant("an evaluation at each step", plan("min(250, steps // 8)", "0"), (STEPS,)),
)
