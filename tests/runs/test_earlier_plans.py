"""Tests of runs that an earlier version left, whose plan and state say less, and of what is added to them."""

import json
import shutil

import numpy as np
import pytest

from tests.helpers.runs import NAMES, same, save, stop_at, trainer
from tinygrad_lm import optim, runs
from tinygrad_lm.models import MLP, ModelFileError, files
from tinygrad_lm.training import Plan, Trainer

SETTINGS = ("clip_grad_norm", "warmup_steps", "ema_decay", "label_smoothing", "pieces")


@pytest.fixture(params=[7, 10])
def earlier(request, tmp_path):
    """A run as an earlier version left it, stopped between two reports or right after one."""
    folder, subject = tmp_path / "earlier", trainer()
    losses = []

    def on_step(step, loss):
        losses.append(loss)
        subject.stop = step == request.param

    subject.run(on_step)
    save(folder, subject)
    for name in (runs.CHECKPOINT, runs.WEIGHTS):
        arrays, metadata = files.read_arrays(folder / name)
        for setting in SETTINGS:
            del metadata["run"]["training"][setting]
        if name == runs.CHECKPOINT:
            state = metadata["state"]
            for key in ("nats", "characters", "stepped", "generators", "default_generator", "optimizer", "before_step"):
                state.pop(key, None)
            for setting in SETTINGS:
                del state["plan"][setting]
            since = losses[request.param // 5 * 5 :]
            state |= {"loss_sum": sum(since, 0.0), "loss_count": len(since)}
        files.write_arrays(folder / name, arrays, metadata)
    config = json.loads((folder / runs.CONFIG).read_text(encoding="utf-8"))
    for setting in SETTINGS:
        del config["training"][setting]
    (folder / runs.CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return folder


def resumed(folder, steps=None):
    _, model, plan = runs.open_stopped(folder, steps)
    subject = Trainer(model, NAMES[2:], NAMES[:2], plan)
    runs.restore(folder, subject)
    return subject


def test_it_goes_on_to_the_same_weights(earlier):
    runs.load(earlier)
    subject, whole = resumed(earlier), trainer()
    stop_at(subject, None)
    stop_at(whole, None)
    assert same(subject.state()[0], whole.state()[0])
    assert [report.step for report in subject.history][-2:] == [15, 20]
    for one, other in zip(subject.history[-2:], whole.history[-2:], strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-12)
        assert one.validation_loss == other.validation_loss


def test_and_is_written_as_a_run_of_now(earlier):
    subject = resumed(earlier)
    config = json.loads((earlier / runs.CONFIG).read_text(encoding="utf-8"))
    assert config["training"] == subject.plan.to_json()
    assert resumed(earlier).step == subject.step
    runs.load(earlier)


@pytest.mark.parametrize("kept", [runs.CONFIG, runs.CHECKPOINT, runs.WEIGHTS])
def test_killed_while_it_is_written_anew_it_still_goes_on(earlier, tmp_path, kept):
    before = shutil.copytree(earlier, tmp_path / "before")
    step = resumed(earlier).step
    shutil.copy(before / kept, earlier)
    runs.load(earlier)
    assert resumed(earlier).step == step


@pytest.mark.parametrize(
    ("setting", "value"),
    [("clip_grad_norm", 1.0), ("warmup_steps", 2), ("ema_decay", 0.5), ("label_smoothing", 0.1), ("pieces", 2)],
)
def test_what_it_did_without_does_not_begin_in_the_middle(earlier, setting, value):
    config = json.loads((earlier / runs.CONFIG).read_text(encoding="utf-8"))
    config["training"][setting] = value
    (earlier / runs.CONFIG).write_text(json.dumps(config), encoding="utf-8")
    for read in (runs.open_stopped, runs.load):
        with pytest.raises(
            ModelFileError, match=f"says {setting} {value}, but .* was written under {setting} (None|0)"
        ):
            read(earlier)


class Three(optim.Adam):
    moments = ("mean", "square", "more")


class TestWhatIsAdded:
    def made(self, **settings):
        own = {name: settings.pop(name) for name in ("optimizer", "schedule") if name in settings}
        model = MLP(context=2, embedding=2, hidden=(64,), rng=0)
        return Trainer(model, NAMES[2:], NAMES[:2], Plan(20, 8, evaluate_every=5, **settings), **own)

    @pytest.mark.parametrize("optimizer", [None, Three], ids=["its own", "with three averages"])
    def test_an_average_is_read_back_from_a_checkpoint_of_a_large_model(self, tmp_path, optimizer):
        """Five or six arrays of each shape, of a model that is larger than what is kept for the header."""

        def large():
            model = MLP(context=1, embedding=1, hidden=(400, 1400), rng=0)
            plan = Plan(2, 8, evaluate_every=1, ema_decay=0.9)
            return Trainer(model, NAMES[2:], NAMES[:2], plan, optimizer=optimizer)

        subject = large()
        assert sum(array.nbytes for array in subject.best.values()) > 2 * files.MAX_HEADER
        stop_at(subject, 1)
        save(tmp_path / "r", subject)
        again = large()
        runs.restore(tmp_path / "r", again)
        assert same(again.state()[0], subject.state()[0])

    def test_the_weights_of_the_run_are_the_average(self, tmp_path):
        subject = self.made(ema_decay=0.9, lr=0.05)
        stop_at(subject, None)
        save(tmp_path / "r", subject)
        found = runs.load(tmp_path / "r").model.state_dict()
        assert same(found, subject.best)
        assert not np.array_equal(found["output.weight"], subject.model.state_dict()["output.weight"])
        assert subject.best_loss == runs.load(tmp_path / "r").model.evaluate(NAMES[:2]).loss

    def test_a_warm_up_that_a_new_number_of_steps_would_cut_off(self, tmp_path):
        subject = self.made(warmup_steps=10)
        stop_at(subject, 7)
        save(tmp_path / "r", subject)
        with pytest.raises(
            ModelFileError, match="cannot end after 10 steps: warmup_steps must be fewer than the 10 steps in all"
        ):
            runs.open_stopped(tmp_path / "r", 10)
        assert runs.open_stopped(tmp_path / "r", 11)[2].warmup_steps == 10

    def test_a_run_of_ones_own_optimizer_goes_on_with_it(self, tmp_path):
        own = {"optimizer": optim.Adam, "schedule": optim.constant()}
        subject, whole = self.made(**own), self.made(**own)
        stop_at(subject, 7)
        save(tmp_path / "r", subject)
        _, model, plan = runs.open_stopped(tmp_path / "r")
        assert plan.optimizer is plan.schedule is None
        again = Trainer(model, NAMES[2:], NAMES[:2], plan, **own)
        runs.restore(tmp_path / "r", again)
        for one in (again, whole):
            stop_at(one, None)
        assert same(again.state()[0], whole.state()[0])
        runs.load(tmp_path / "r")
