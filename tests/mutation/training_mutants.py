"""Planted bugs in training, sampling, optimizers and the neural model: what is resumed, the order of things, modes."""

import contextlib
import signal
import types

from tests.mutation.checks import Mutant
from tests.mutation.source import constant, edited
from tinygrad_lm import optim, sampling
from tinygrad_lm.models import interface
from tinygrad_lm.nn import modes
from tinygrad_lm.sampling import Settings, writing
from tinygrad_lm.training import Plan, Trainer, average, generators, optimizing, signals, state, whole_step
from tinygrad_lm.training import trainer as loop
from tinygrad_lm.training.average import WeightAverage
from tinygrad_lm.training.report import MeanLoss
from tinygrad_lm.training.rewind import Rewind
from tinygrad_lm.training.state import Setup

SECONDS = "test test_the_time_of_all_runs_adds_up"
BEST = "test test_resuming_remembers_the_best"
SIGNALS = "test test_every_signal_that_asks_to_end_stops_the_training"
K_FIRST = "test test_top_k_comes_before_top_p"
TEMPERATURE_FIRST = "test test_temperature_comes_before_top_p"
SCHEDULES = "test test_schedules_by_name_are_those_of_a_whole_training"
VIEWS = "test test_a_step_leaves_the_arrays_of_others_alone"
MASKS = "test test_training_draws_its_masks_and_the_mode_comes_back"
EPOCH = "test test_over_an_epoch_of_frozen_weights_it_is_the_loss_of_an_evaluation"
EARLIER = "test TestEarlierCheckpoints.test_nor_one_of_longer_tokens"
CLIPPED = "test TestClippedSteps.test_the_gradients_are_scaled_together_as_pytorch_does"
CLIPPED_LAST = "test TestClippedSteps.test_it_comes_after_what_a_hook_does_to_the_gradients"
RATES = "test TestWarmup.test_the_rates_as_numbers"
LEFT = "test TestWarmup.test_the_schedule_runs_over_what_is_left"
PLANS = "test TestAddedSettings.test_out_of_range_names_the_setting"
AVERAGED = "test TestAverage.test_it_is_the_weighted_mean_of_the_weights_of_all_steps"
BEST_AVERAGE = "test TestAverage.test_it_is_what_is_evaluated_and_kept_as_the_best"
UNCHANGED = "test TestAverage.test_it_changes_nothing_of_the_training"
RESUMED_AVERAGE = "test TestAverage.test_resumed_it_ends_with_the_same_bytes"
RESUMED_EXACTLY = "test test_stopped_and_resumed_it_ends_with_the_same_bytes"
STATISTICS = "test TestRunningStatistics.test_they_are_the_weighted_mean_of_those_of_all_steps"
BEST_STATISTICS = "test TestRunningStatistics.test_they_are_evaluated_and_kept_with_the_best_weights"
STATISTICS_ALONE = "test TestRunningStatistics.test_the_training_goes_on_with_its_own"
OWN = "test TestOptimizer.test_another_one_is_refused_naming_both"
IGNORED = "test TestOptimizer.test_what_the_plan_says_is_not_ignored"
HOOK = "test TestBeforeStep.test_it_may_change_the_gradients"
UNMADE = "test TestBeforeStep.test_one_that_raises_leaves_the_step_unmade"
LAYERS = "test TestOwnGenerators.test_a_training_with_it_resumes_exactly"
PLACES = "test TestOwnGenerators.test_a_place_beside_its_array_is_refused"
DEFAULT = "test TestDefaultGenerator.test_resuming_where_there_is_none_makes_it"
AS_IF = "test test_after_an_exception_it_goes_on_as_if_nothing_had_happened"
SHARED = "test test_a_buffer_that_two_modules_share_stays_shared_after_an_exception"
CHANGES_NOTHING = "test TestWhatDoesNotFit.test_it_changes_nothing"
FROZEN = "test test_a_part_that_its_user_froze_stays_frozen"


def resuming(change):
    """After resuming, change what was taken up; ``earlier`` is the trainer's state before."""

    def plant(patch):
        whole = Trainer.resume

        def resume(self, *arguments):
            earlier = dict(vars(self))
            whole(self, *arguments)
            vars(self).update(change(self, earlier))

        patch.setattr(Trainer, "resume", resume)

    return plant


def forget_earlier_runs(patch):
    whole = Trainer.run

    def run(self, *arguments, **options):
        self.seconds = 0.0
        whole(self, *arguments, **options)

    patch.setattr(Trainer, "run", run)


def without(name):
    """No such signal, as on Windows."""

    def plant(patch):
        known = {key: value for key, value in vars(signal).items() if key != name}
        patch.setattr(signals, "signal", types.SimpleNamespace(**known))

    return plant


def in_order(*names):
    """Draw from a distribution that applies the settings in another order."""

    def distribution(self, logits):
        for name in names:
            value = getattr(self, name)
            if value is not None:
                rule = sampling.with_temperature if name == "temperature" else getattr(sampling, name)
                logits = rule(logits, value)
        return sampling.probabilities(logits)

    return lambda patch: patch.setattr(Settings, "distribution", distribution)


def schedule(name, made):
    return lambda patch: patch.setitem(optim.SCHEDULES, name, made)


def modeless(room, name):
    """A room that leaves the model in the mode that it finds."""
    return lambda patch: patch.setattr(room, name, contextlib.nullcontext)


@contextlib.contextmanager
def learning_as_a_whole(model):
    with modes.learning(model):
        for root in modes._outermost(model):
            root.train()
        yield model


def step_edited(*pieces):
    return edited(Trainer, "_train_step", *pieces)


def update_edited(*pieces):
    return edited(Trainer, "_update", *pieces)


LATE_HOOK = (
    "self.before_step(self)",
    "pass",
    "self.optimizer.step()",
    "_ = self.before_step and self.before_step(self); self.optimizer.step()",
)
"""The hook called right before the optimizer's step."""


APPLIED = WeightAverage.applied


@contextlib.contextmanager
def buffers_applied_for_good(average):
    with APPLIED(average):
        held = {place: getattr(*place) for place in average._places.values()}
        yield
    for place, array in held.items():
        setattr(*place, array)


@contextlib.contextmanager
def applied_for_good(average):
    for name, parameter in average._parameters.items():
        parameter.data = average._arrays[name]
    yield


TRAINING_MUTANTS = (
    Mutant("resuming forgets the seconds", resuming(lambda _, old: {"seconds": old["seconds"]}), (SECONDS,)),
    Mutant("earlier seconds are dropped", forget_earlier_runs, (SECONDS,)),
    Mutant("the best step becomes the last", resuming(lambda new, _: {"best_step": new.step}), (BEST,)),
    Mutant("resuming forgets the best loss", resuming(lambda _, old: {"best_loss": old["best_loss"]}), (BEST,)),
    Mutant("resuming forgets the best weights", resuming(lambda _, old: {"best": old["best"]}), (BEST,)),
    *(
        Mutant(f"{name} is not heard", without(name), (SIGNALS,))
        for name in ("SIGTERM", "SIGHUP")
        if hasattr(signal, name)
    ),
    Mutant("top-p before top-k", in_order("temperature", "top_p", "top_k"), (K_FIRST,)),
    Mutant("temperature after top-p", in_order("top_k", "top_p", "temperature"), (TEMPERATURE_FIRST,)),
    Mutant("a step writes into views", edited(optim.Optimizer, "step", " or is_view(data)", ""), (VIEWS,)),
    Mutant(
        "the step schedule falls at a third",
        schedule("step", lambda total: optim.step(max(1, total // 3))),
        (SCHEDULES,),
    ),
    Mutant("the step schedule halves", schedule("step", lambda total: optim.step(total // 2, 0.5)), (SCHEDULES,)),
    Mutant("the linear schedule stays above zero", schedule("linear", lambda n: optim.linear(n, 0.1)), (SCHEDULES,)),
    Mutant("the cosine schedule ends too late", schedule("cosine", lambda n: optim.cosine(2 * n)), (SCHEDULES,)),
    Mutant(
        "Dropout drops in evaluations",
        modeless(interface, "evaluating"),
        ("test test_two_evaluations_are_equal_and_equal_those_of_eval",),
    ),
    Mutant("Dropout drops in samples", modeless(writing, "evaluating"), ("test test_greedy_samples_are_equal",)),
    Mutant("Dropout is off in training", modeless(loop, "learning"), (MASKS,)),
    Mutant(
        "training wakes what was frozen",
        lambda patch: patch.setattr(loop, "learning", learning_as_a_whole),
        (FROZEN,),
    ),
    Mutant("a batch counts alike, long or short", edited(MeanLoss, "add", "loss * targets", "loss"), (EPOCH,)),
    Mutant("filling is counted", edited(MeanLoss, "count", "count_targets(targets)", "targets.size"), (EPOCH,)),
    Mutant("a token is a character", edited(MeanLoss, "count", "if self.by_target else", "if True else"), (EPOCH,)),
    Mutant(
        "old means of batches are taken for new",
        edited(state, "read_progress", "if batches and", "if False and"),
        (EARLIER,),
    ),
    Mutant(
        "nothing is clipped",
        edited(whole_step, "whole_step", "if clip_grad_norm is not None", "if False"),
        (CLIPPED,),
    ),
    Mutant("the hook comes after the clipping", update_edited(*LATE_HOOK), (CLIPPED_LAST,)),
    Mutant("the hook is not called", update_edited("if self.before_step is not None", "if False"), (HOOK,)),
    Mutant(
        "the schedule runs over all steps",
        edited(optimizing, "schedule_of", "plan.steps - plan.warmup_steps", "plan.steps"),
        (LEFT, RATES),
    ),
    Mutant(
        "a warm-up may take all steps", edited(Plan, "__post_init__", "warmup_steps >= ", "warmup_steps > "), (PLANS,)
    ),
    Mutant(
        "the average starts at nothing", edited(WeightAverage, "update", " / (1 - self.decay**step)", ""), (AVERAGED,)
    ),
    Mutant(
        "the average is a step behind",
        step_edited("self.average.update(self.step + 1)", "self.average.update(self.step + 2)"),
        (AVERAGED,),
    ),
    Mutant(
        "the weights are evaluated, not their average",
        edited(
            Trainer, "_evaluate", "nullcontext() if self.average is None else self.average.applied()", "nullcontext()"
        ),
        (BEST_AVERAGE,),
    ),
    Mutant(
        "the average stays in the weights",
        lambda patch: patch.setattr(WeightAverage, "applied", applied_for_good),
        (UNCHANGED,),
    ),
    Mutant(
        "resuming forgets the average",
        edited(Trainer, "_load", 'self.average.load_state_arrays(parts["average"])', "pass"),
        (RESUMED_AVERAGE,),
    ),
    Mutant(
        "running statistics are those of the last step",
        edited(Trainer, "__init__", ", buffers_of(model))", ")"),
        (STATISTICS, BEST_STATISTICS),
    ),
    Mutant(
        "averaged buffers stay in the model",
        lambda patch: patch.setattr(WeightAverage, "applied", buffers_applied_for_good),
        (STATISTICS_ALONE,),
    ),
    Mutant(
        "a mask that is averaged is nan",
        edited(average, "_moved", "np.isfinite(difference)", "True"),
        ("test TestWhichBuffers.test_an_infinity_that_stays_is_one",),
    ),
    Mutant(
        "an average of before goes on in another shape",
        edited(average, "_moved", "average is None or average.shape != now.shape", "average is None"),
        ("test TestWhichBuffers.test_another_shape_and_none",),
    ),
    Mutant(
        "buffers that do not belong to the state are averaged",
        edited(average, "buffers_of", "slot.saved and ", ""),
        ("test TestWhichBuffers.test_floating_point_numbers_of_the_state",),
    ),
    Mutant(
        "resuming forgets averaged buffers",
        edited(WeightAverage, "load_state_arrays", "loaded[name] if name in loaded else array.copy()", "array.copy()"),
        (RESUMED_EXACTLY,),
    ),
    Mutant(
        "checkpoints without averaged buffers are refused",
        edited(WeightAverage, "load_state_arrays", "self._arrays if arrays.keys().isdisjoint(buffers) else ", ""),
        ("test TestEarlierAverages.test_an_earlier_version_averaged_none",),
    ),
    Mutant(
        "another optimizer goes on",
        edited(Setup, "check_same", "{} if optimizer is None else optimizer, self.optimizer or {}", "{}, {}"),
        (OWN,),
    ),
    Mutant(
        "the plan's words are ignored",
        edited(optimizing, "plan_beside", "given is not None and", "False and"),
        (IGNORED,),
    ),
    Mutant(
        "resuming forgets the layers' generators",
        edited(Trainer, "resume", "generators += read_states(", "_ = read_states("),
        (LAYERS,),
    ),
    Mutant(
        "resuming forgets the default generator",
        edited(Trainer, "resume", "is not None:", "is not None and False:"),
        (DEFAULT,),
    ),
    Mutant("a place in an array is any number", constant(generators, "PLACES", {}), (PLACES,)),
    Mutant("a step that was not made draws anew", step_edited("self._rewind.back()", "pass"), (UNMADE, AS_IF)),
    Mutant(
        "layers draw anew for a step that was not made",
        edited(Rewind, "__init__", "[rng, *generators_of(model).values()]", "[rng]"),
        (AS_IF,),
    ),
    Mutant(
        "the default generator draws anew",
        edited(
            Rewind, "mark", "self._generators if default is None else [*self._generators, default]", "self._generators"
        ),
        (AS_IF,),
    ),
    Mutant(
        "buffers change in a step that was not made", edited(Rewind, "mark", "if self._places", "if False"), (AS_IF,)
    ),
    Mutant("buffers come back by half", edited(Rewind, "back", "array[...] = numbers", "pass"), (AS_IF, SHARED)),
    Mutant(
        "half of a state is taken up",
        edited(Trainer, "_load", "self.model.load_state_dict(before)", "pass"),
        (CHANGES_NOTHING,),
    ),
)
