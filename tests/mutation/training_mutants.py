"""Planted bugs in training, sampling, optimizers and the neural model: what is resumed, the order of things, modes."""

import contextlib
import signal
import types

from tests.mutation.checks import Mutant
from tests.mutation.source import edited
from tinygrad_lm import optim, sampling
from tinygrad_lm.models import MLP, interface
from tinygrad_lm.nn import modes
from tinygrad_lm.sampling import Settings
from tinygrad_lm.training import Trainer, signals
from tinygrad_lm.training import trainer as loop

SECONDS = "test test_the_time_of_all_runs_adds_up"
BEST = "test test_resuming_remembers_the_best"
SIGNALS = "test test_every_signal_that_asks_to_end_stops_the_training"
K_FIRST = "test test_top_k_comes_before_top_p"
TEMPERATURE_FIRST = "test test_temperature_comes_before_top_p"
ROLL = "test test_a_roll_falls_on_the_options_in_their_order"
SCHEDULES = "test test_schedules_by_name_are_those_of_a_whole_training"
VIEWS = "test test_a_step_leaves_the_arrays_of_others_alone"
CHUNKS = "test test_evaluation_holds_so_many_contexts_at_once"
MASKS = "test test_training_draws_its_masks_and_the_mode_comes_back"
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


CHUNK = "min(CHUNK, CHUNK_NUMBERS // widest)"

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
    Mutant(
        "the roll falls in the order of the vocabulary",
        edited(sampling, "generate", "order[choose(ranked, roll)]", "choose(chances, roll)"),
        (ROLL,),
    ),
    Mutant("a step writes into views", edited(optim.Optimizer, "step", " or data.base is not None", ""), (VIEWS,)),
    Mutant(
        "the step schedule falls at a third",
        schedule("step", lambda total: optim.step(max(1, total // 3))),
        (SCHEDULES,),
    ),
    Mutant("the step schedule halves", schedule("step", lambda total: optim.step(total // 2, 0.5)), (SCHEDULES,)),
    Mutant("the linear schedule stays above zero", schedule("linear", lambda n: optim.linear(n, 0.1)), (SCHEDULES,)),
    Mutant("the cosine schedule ends too late", schedule("cosine", lambda n: optim.cosine(2 * n)), (SCHEDULES,)),
    Mutant("evaluation in one chunk", edited(MLP, "log_likelihoods", CHUNK, "len(windows)"), (CHUNKS,)),
    Mutant("chunks of any width", edited(MLP, "log_likelihoods", CHUNK, "CHUNK"), (CHUNKS,)),
    Mutant("chunks of any length", edited(MLP, "log_likelihoods", CHUNK, "CHUNK_NUMBERS // widest"), (CHUNKS,)),
    Mutant(
        "chunks do not see the hidden layers",
        edited(MLP, "log_likelihoods", '*self._config["hidden"]', "0"),
        (CHUNKS,),
    ),
    Mutant(
        "Dropout drops in evaluations",
        modeless(interface, "evaluating"),
        ("test test_two_evaluations_are_equal_and_equal_those_of_eval",),
    ),
    Mutant("Dropout drops in samples", modeless(sampling, "evaluating"), ("test test_greedy_samples_are_equal",)),
    Mutant("Dropout is off in training", modeless(loop, "learning"), (MASKS,)),
    Mutant(
        "training wakes what was frozen",
        lambda patch: patch.setattr(loop, "learning", learning_as_a_whole),
        (FROZEN,),
    ),
)
