"""Tests of what a run's files say of the run: another plan, other names, another run's files, and more steps."""

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.runs import DATA, NAMES, same, save, stop_at, trainer
from tinygrad_lm import cli, runs
from tinygrad_lm.models import MLP, ModelFileError, files
from tinygrad_lm.training import Plan, Trainer


def change(folder, section, **settings):
    config = json.loads((folder / runs.CONFIG).read_text(encoding="utf-8"))
    config[section].update(settings)
    (folder / runs.CONFIG).write_text(json.dumps(config), encoding="utf-8")


def go_on(folder, steps=None):
    """The trainer of a run that goes on to its end."""
    _, model, plan = runs.open_stopped(folder, steps)
    subject = Trainer(model, NAMES[2:], NAMES[:2], plan)
    runs.restore(folder, subject)
    stop_at(subject, None)
    return subject


CHANGES = {
    "lr": 0.01,
    "batch_size": 4,
    "schedule": "linear",
    "steps": 30,
    "optimizer": "adam",
    "weight_decay": 0.5,
    "seed": 1,
    "evaluate_every": 7,
    "clip_grad_norm": 1.0,
    "warmup_steps": 3,
    "ema_decay": 0.9,
    "label_smoothing": 0.1,
    "pieces": 2,
}


class TestAnotherPlan:
    @pytest.mark.parametrize("name", CHANGES)
    def test_each_setting_changed_in_the_configuration_is_named_with_both_values(self, folder, name):
        before = getattr(trainer().plan, name)
        change(folder, "training", **{name: CHANGES[name]})
        with pytest.raises(ModelFileError) as caught:
            runs.open_stopped(folder)
        said = str(caught.value)
        assert f"config.json says {name} {CHANGES[name]!r}, but checkpoint.safetensors was written under" in said
        assert f"{name} {before!r}" in said and "set it back, or train anew" in said
        assert ("--steps N" in said) == (name == "steps")

    def test_every_setting_is_tried(self):
        assert set(CHANGES) == set(trainer().plan.to_json())

    @pytest.mark.parametrize("name", [name for name in CHANGES if name != "steps"])
    def test_a_trainer_refuses_it_too(self, folder, name):
        plan = replace(trainer().plan, **{name: CHANGES[name]})
        subject = Trainer(MLP(context=2, embedding=2, hidden=(4,), rng=0), NAMES[2:], NAMES[:2], plan)
        with pytest.raises(ModelFileError, match=f"{name} was .* when it was saved and is now {CHANGES[name]!r}"):
            runs.restore(folder, subject)

    @pytest.mark.parametrize(
        ("name", "value"), [("seed", 5), ("min_length", 3), ("max_length", 9), ("fingerprint", "0"), ("more", 1)]
    )
    def test_each_setting_of_the_data_is_named(self, folder, name, value):
        change(folder, "data", **{name: value})
        for read in (runs.open_stopped, runs.load):
            with pytest.raises(ModelFileError, match=f"says {name} {value!r}, but .* was written under (no )?{name}"):
                read(folder)

    @pytest.mark.parametrize("name", ["max_length", "seed"])
    def test_a_setting_that_is_missing_is_none_too(self, folder, name):
        config = json.loads((folder / runs.CONFIG).read_text(encoding="utf-8"))
        before = config["data"].pop(name)
        (folder / runs.CONFIG).write_text(json.dumps(config), encoding="utf-8")
        for read in (runs.open_stopped, runs.load):
            with pytest.raises(ModelFileError, match=f"says no {name}, but .* was written under {name} {before}"):
                read(folder)

    def test_true_is_no_1_and_false_no_0(self, folder):
        change(folder, "data", seed=False)
        for read in (runs.open_stopped, runs.load):
            with pytest.raises(ModelFileError, match=r"says seed False, but .* was written under seed 0"):
                read(folder)

    def test_the_place_of_the_data_may_change(self, folder):
        change(folder, "data", file="/elsewhere/names.txt")
        runs.load(folder)
        assert go_on(folder).step == 20

    @pytest.mark.parametrize("names", [(NAMES[1:], NAMES[:1]), (NAMES[2:][::-1], NAMES[:2]), (NAMES[2:], NAMES[1:2])])
    def test_other_names_or_another_border(self, folder, names):
        with pytest.raises(ModelFileError, match="the names, or which of them are for validation"):
            runs.restore(folder, Trainer(trainer().model, *names, trainer().plan))


class TestFilesOfAnotherRun:
    @pytest.fixture
    def other(self, tmp_path):
        """A run of equal shape at another learning rate."""
        subject = trainer()
        subject = Trainer(subject.model, NAMES[2:], NAMES[:2], replace(subject.plan, lr=0.01))
        stop_at(subject, 7)
        save(tmp_path / "other", subject)
        return tmp_path / "other"

    def test_its_checkpoint(self, folder, other):
        shutil.copy(other / runs.CHECKPOINT, folder)
        with pytest.raises(ModelFileError, match=r"lr 0\.003, but checkpoint\.safetensors was written under lr 0\.01"):
            runs.open_stopped(folder)

    def test_its_weights(self, folder, other):
        shutil.copy(other / runs.WEIGHTS, folder)
        with pytest.raises(ModelFileError, match=r"lr 0\.003, but model\.safetensors was written under lr 0\.01"):
            runs.load(folder)

    def test_weights_of_other_names(self, folder):
        config = json.loads((folder / runs.CONFIG).read_text())
        config["data"]["fingerprint"] = "0"
        runs.save_weights(folder, trainer().model, config)
        with pytest.raises(ModelFileError, match=r"says fingerprint .*, but model\.safetensors was written under"):
            runs.load(folder)


class TestEarlierVersions:
    def test_weights_that_say_nothing_of_their_run_are_read(self, folder):
        files.save_weights(trainer().model, folder / runs.WEIGHTS)
        assert same(runs.load(folder).model.state_dict(), trainer().model.state_dict())

    def test_a_checkpoint_that_says_nothing_of_its_plan_is_refused(self, folder):
        arrays, metadata = files.read_arrays(folder / runs.CHECKPOINT)
        del metadata["run"], metadata["state"]["plan"], metadata["state"]["fingerprint"]
        files.write_arrays(folder / runs.CHECKPOINT, arrays, metadata)
        with pytest.raises(ModelFileError, match=r"by an earlier version .* train anew"):
            runs.open_stopped(folder)
        with pytest.raises(ModelFileError, match=r"an earlier version .* train anew"):
            runs.restore(folder, trainer())
        runs.load(folder)

    @pytest.mark.parametrize("record", [None, [], "x", {}, {"format": 1, "data": None, "training": 7}])
    def test_a_record_that_is_none(self, folder, record):
        arrays, metadata = files.read_arrays(folder / runs.CHECKPOINT)
        files.write_arrays(folder / runs.CHECKPOINT, arrays, {**metadata, "run": record})
        with pytest.raises(ModelFileError, match=r"checkpoint\.safetensors"):
            runs.open_stopped(folder)


class TestMoreSteps:
    @pytest.fixture
    def finished(self, tmp_path):
        subject = self.constant(20)
        stop_at(subject, None)
        save(tmp_path / "finished", subject)
        return tmp_path / "finished"

    def constant(self, steps):
        plan = Plan(steps, 8, schedule="constant", evaluate_every=5)
        return Trainer(trainer().model, NAMES[2:], NAMES[:2], plan)

    def test_at_a_constant_rate_it_ends_as_one_run_of_that_length(self, finished):
        longer, whole = go_on(finished, 40), self.constant(40)
        stop_at(whole, None)
        assert longer.step == 40
        assert same(longer.state()[0], whole.state()[0])
        assert {**longer.state()[1], "seconds": 0} == {**whole.state()[1], "seconds": 0}

    @pytest.mark.parametrize("schedule", ["linear", "cosine"])
    def test_a_schedule_goes_on_as_one_over_all_the_steps(self, tmp_path, schedule):
        plan = Plan(20, 8, schedule=schedule, evaluate_every=5)
        subject = Trainer(trainer().model, NAMES[2:], NAMES[:2], plan)
        stop_at(subject, None)
        save(tmp_path / "r", subject)
        _, model, longer = runs.open_stopped(tmp_path / "r", 40)
        assert longer == replace(plan, steps=40)
        resumed = Trainer(model, NAMES[2:], NAMES[:2], longer)
        runs.restore(tmp_path / "r", resumed)
        assert resumed.step == 20 and resumed.schedule(20) == pytest.approx(0.5)

    def test_the_run_keeps_the_new_number(self, finished):
        _, model, plan = runs.open_stopped(finished, 40)
        runs.restore(finished, Trainer(model, NAMES[2:], NAMES[:2], plan))
        assert json.loads((finished / runs.CONFIG).read_text())["training"]["steps"] == 40
        assert go_on(finished).step == 40  # stopped at once, it goes on without the number
        runs.load(finished)

    @pytest.mark.parametrize("kept", [runs.CONFIG, runs.CHECKPOINT])
    def test_killed_between_the_two_files_it_goes_on_with_the_number(self, finished, tmp_path, kept):
        before = Path(shutil.copytree(finished, tmp_path / "before"))
        _, model, plan = runs.open_stopped(finished, 40)
        runs.restore(finished, Trainer(model, NAMES[2:], NAMES[:2], plan))
        shutil.copy(before / kept, finished)
        with pytest.raises(ModelFileError, match="--steps N gives it a new number"):
            runs.open_stopped(finished)
        runs.load(finished)
        assert go_on(finished, 40).step == 40 and go_on(finished, 50).step == 50

    def test_a_stopped_run_takes_more_or_fewer(self, folder):
        assert go_on(Path(shutil.copytree(folder, folder.parent / "twin")), 30).step == 30
        assert go_on(folder, 10).step == 10

    @pytest.mark.parametrize("steps", [1, 7])
    def test_no_more_than_are_done(self, folder, steps):
        with pytest.raises(ModelFileError, match="has done 7 steps already; --steps is how many there are in all"):
            runs.open_stopped(folder, steps)

    def test_a_finished_run_says_how_it_goes_on(self, finished):
        with pytest.raises(ModelFileError, match=r"its training has ended; .*: --resume .*finished --steps N"):
            runs.open_stopped(finished)
        with pytest.raises(FileExistsError, match=r"go on with this finished run: --resume .* --steps N"):
            runs.new_folder(str(finished), "mlp")

    def test_a_stopped_run_says_how_it_goes_on(self, folder):
        with pytest.raises(FileExistsError, match=r"go on with this stopped run: --resume .*run$"):
            runs.new_folder(str(folder), "mlp")


class TestStatesThatAreSignedAnew:
    """Whoever changes a state can compute its checksum too."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("characters", value) for value in (10**39, 10**400, -1, True, 1.0, None, "1")),
            *(("best_step", value) for value in (10**39, -1, True, 2.5, None)),
            *(("step", value) for value in (10**39, -1, True, 2.5, None, [])),
            *((name, value) for name in ("seconds", "nats") for value in (10**400, True, None, "1", [])),
            *((name, value) for name in ("best_loss", "seconds") for value in (-(10**400), False, {})),
            ("seconds", -1),
            *(("generator", value) for value in (None, [], {}, {"bit_generator": "PCG64"}, 10**400)),
            *(("plan", value) for value in (None, [], {}, 7, "lr")),
            ("fingerprint", None),
        ],
    )
    def test_a_number_that_is_none(self, folder, name, value):
        arrays, metadata = files.read_arrays(folder / runs.CHECKPOINT)
        metadata["state"][name] = value
        files.write_arrays(folder / runs.CHECKPOINT, arrays, metadata)
        with pytest.raises(ModelFileError, match="does not fit its run"):
            runs.restore(folder, trainer())

    @pytest.mark.parametrize("name", ["seconds", "nats", "best_loss"])
    @pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
    def test_no_number_at_all(self, folder, monkeypatch, name, value):
        arrays, metadata = files.read_arrays(folder / runs.CHECKPOINT)
        metadata["state"][name] = value
        strict = json.dumps
        monkeypatch.setattr(json, "dumps", lambda data, **options: strict(data, **{**options, "allow_nan": True}))
        files.write_arrays(folder / runs.CHECKPOINT, arrays, metadata)
        with pytest.raises(ModelFileError, match=f"{name} is a finite number"):
            runs.restore(folder, trainer())

    @pytest.mark.parametrize("value", [10**400, -1, 2**128, True, 0.5, "1"])
    @pytest.mark.parametrize("name", ["state", "inc", "has_uint32", "uinteger"])
    def test_a_generator_that_cannot_be(self, folder, name, value):
        arrays, metadata = files.read_arrays(folder / runs.CHECKPOINT)
        generator = metadata["state"]["generator"]
        (generator["state"] if name in generator["state"] else generator)[name] = value
        files.write_arrays(folder / runs.CHECKPOINT, arrays, metadata)
        try:
            runs.restore(folder, trainer())
        except ModelFileError as error:
            assert "does not fit its run" in str(error)
        else:
            assert value is True or (name, value) == ("has_uint32", -1)  # which count as 1

    @pytest.mark.parametrize("state", [None, [], 7, "x", {}])
    def test_a_state_that_is_none(self, folder, state):
        arrays, metadata = files.read_arrays(folder / runs.CHECKPOINT)
        files.write_arrays(folder / runs.CHECKPOINT, arrays, {**metadata, "state": state})
        with pytest.raises(ModelFileError, match="does not fit its run"):
            runs.restore(folder, trainer())

    @pytest.mark.parametrize("settings", [{"lr": 10**400}, {"lr": True}, {"steps": 10**19}, {"weight_decay": 10**400}])
    def test_a_plan_that_cannot_be(self, settings):
        with pytest.raises(ValueError, match=next(iter(settings))):
            Plan(**{"steps": 5, **settings})


def test_a_plan_that_was_changed_is_named():
    subject = trainer()
    stop_at(subject, 7)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        save(folder, subject)
        change(folder, "training", lr=0.01)
        for read, name in ((runs.open_stopped, runs.CHECKPOINT), (runs.load, runs.WEIGHTS)):
            with pytest.raises(ModelFileError, match=rf"says lr 0\.01, but {name} was written under lr 0\.003"):
                read(folder)


def test_a_trainer_takes_up_its_own_training_alone():
    subject = trainer()
    stop_at(subject, 7)
    for other in (Plan(20, 8, lr=0.01, evaluate_every=5), Plan(20, 8, evaluate_every=5)):
        names = NAMES[2:] if other.lr == 0.01 else NAMES[2:][::-1]
        with pytest.raises(ValueError, match=r"lr was 0\.003 .* now 0\.01|the names"):
            Trainer(trainer().model, names, NAMES[:2], other).resume(*subject.state())


def test_the_command_line_names_the_setting(folder, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for setting in ({"lr": 0.01}, {"batch_size": 4}, {"schedule": "constant"}, {"steps": 40}):
        change(folder, "training", **setting)
        assert cli.main(["train", "--resume", "run"]) == 1
        assert f"says {next(iter(setting))} " in capsys.readouterr().err
        change(folder, "training", **{name: getattr(trainer().plan, name) for name in setting})


def test_the_record_leaves_equal_runs_equal(tmp_path):
    for name in ("one", "two"):
        subject = trainer()
        config = {"format": 1, "data": {**DATA, "file": name}, "training": subject.plan.to_json()}
        (tmp_path / name).mkdir()
        runs.save_weights(tmp_path / name, subject.model, config)
    assert (tmp_path / "one" / runs.WEIGHTS).read_bytes() == (tmp_path / "two" / runs.WEIGHTS).read_bytes()
    assert np.isfinite(files.read_arrays(tmp_path / "one" / runs.WEIGHTS)[0]["output.bias"]).all()


class TestKilledBetweenTwoFiles:
    """The checkpoint is written first, then the weights that are used."""

    @pytest.mark.parametrize("steps", [7, None], ids=["on the way", "at the end"])
    def test_the_weights_are_made_from_the_checkpoint(self, folder, steps):
        subject = trainer()
        stop_at(subject, steps)
        save(folder, subject)
        whole = (folder / runs.WEIGHTS).read_bytes()
        (folder / runs.WEIGHTS).unlink()
        with pytest.raises(ModelFileError, match=r"has no model\.safetensors.*killed.*--resume"):
            runs.load(folder)
        _, model, plan = runs.open_stopped(folder)
        subject = Trainer(model, NAMES[2:], NAMES[:2], plan)
        runs.restore(folder, subject)
        runs.save_checkpoint(folder, subject, json.loads((folder / runs.CONFIG).read_text(encoding="utf-8")))
        assert (folder / runs.WEIGHTS).read_bytes() == whole
