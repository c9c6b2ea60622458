"""Tests of run folders: what is saved comes back, damage is named, and a process may be killed at any moment."""

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import ROOT
from tests.helpers.runs import DATA, NAMES, Named, same, save, stop_at, trainer
from tinygrad_lm import runs
from tinygrad_lm.models import MLP, ModelFileError, NGram, files
from tinygrad_lm.text import Vocabulary
from tinygrad_lm.training import Report, Trainer


class TestFolders:
    def test_the_first_free_number(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert [runs.new_folder(None, "mlp").name for _ in range(3)] == ["mlp-1", "mlp-2", "mlp-3"]
        assert runs.new_folder(None, "ngram") == Path("runs/ngram-1")

    def test_the_one_asked_for(self, tmp_path):
        assert runs.new_folder(str(tmp_path / "a" / "b"), "mlp").is_dir()
        assert runs.new_folder(str(tmp_path / "a" / "b"), "mlp").is_dir()  # still empty
        (tmp_path / "a" / "b" / "x").touch()
        for taken in (tmp_path / "a" / "b", tmp_path / "a" / "b" / "x"):
            with pytest.raises(FileExistsError, match="not empty; give another --out"):
                runs.new_folder(str(taken), "mlp")


class TestSavingAndLoading:
    def test_a_run_and_back(self, folder):
        run = runs.load(folder)
        reference = trainer()
        stop_at(reference, 7)
        assert isinstance(run.model, MLP) and same(run.model.state_dict(), reference.best)
        assert run.training_names == set(NAMES)
        assert run.config["data"]["seed"] == 0

    def test_counts_and_back(self, tmp_path):
        model = NGram(3, 0.2, Vocabulary.from_names(["राम", "सीता"])).fit(["राम", "सीता"])
        runs.save_names(tmp_path, ["राम", "सीता"])
        config = runs.save_config(tmp_path, model, DATA, None)
        runs.save_weights(tmp_path, model, config)
        run = runs.load(tmp_path)
        assert np.array_equal(run.model.log_likelihoods(["राम"]), model.log_likelihoods(["राम"]))
        assert {"राम", "सीता"} <= run.training_names
        with pytest.raises(ModelFileError, match="counts, which are made in one go"):
            runs.open_stopped(tmp_path)

    def test_from_disk_it_goes_on_bit_by_bit(self, folder, tmp_path):
        whole = trainer()
        stop_at(whole, None)
        save(tmp_path / "whole", whole)
        config, model, plan = runs.open_stopped(folder)
        assert config["format"] == files.FORMAT_VERSION
        resumed = Trainer(model, NAMES[2:], NAMES[:2], plan)
        runs.restore(folder, resumed)
        stop_at(resumed, None)
        whole.seconds = resumed.seconds = 0.0  # all but the time
        for name, subject in (("whole", whole), ("run", resumed)):
            save(tmp_path / name, subject)
        for name in (runs.CHECKPOINT, runs.WEIGHTS, runs.CONFIG, runs.TRAINING_NAMES):
            assert (tmp_path / "whole" / name).read_bytes() == (folder / name).read_bytes(), name

    def test_metrics_are_cut_to_the_step(self, folder):
        path = folder / runs.METRICS
        for step in (5, 10, 15):
            runs.append_metrics(folder, Report(step, 1.0, 2.0, 0.1, 3.0))
        runs.truncate_metrics(folder, 10)
        assert path.read_text().splitlines() == [
            runs.COLUMNS,
            "5,1.000000,2.000000,0.1,3.00",
            "10,1.000000,2.000000,0.1,3.00",
        ]

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe", b"step\n5,1\nx,2\n\xc2\xb2,3\n12"])
    def test_metrics_that_are_damaged_stop_nobody(self, folder, content):
        (folder / runs.METRICS).write_bytes(content)
        runs.restore(folder, trainer())
        lines = (folder / runs.METRICS).read_text().splitlines()
        assert lines[0] == runs.COLUMNS and all(line.startswith("5,") for line in lines[1:])

    def test_what_a_killed_process_left_is_cleared(self, folder):
        left, other = folder / f".{runs.WEIGHTS}.abc.tmp", folder / ".mine.tmp"
        left.touch()
        other.touch()
        runs.restore(folder, trainer())
        assert not left.exists() and other.exists()


class TestPaths:
    """A folder may be given as a string, or as anything else that is a path."""

    @pytest.fixture(params=[str, Path, Named], ids=["string", "Path", "other path"])
    def kind(self, request):
        return request.param

    def test_reading(self, folder, kind):
        assert runs.load(kind(folder)).folder == folder
        _, model, plan = runs.open_stopped(kind(folder))
        subject = Trainer(model, NAMES[2:], NAMES[:2], plan)
        runs.restore(kind(folder), subject)
        assert subject.step == 7
        runs.truncate_metrics(kind(folder), 5)
        assert runs.metrics(kind(folder)) == []
        assert runs.typed(kind(folder)) == runs.typed(folder)

    def test_writing(self, tmp_path, kind):
        subject, where = trainer(), kind(tmp_path / "new")
        assert runs.new_folder(where, "mlp") == tmp_path / "new"
        runs.save_names(where, NAMES)
        data = {**DATA, "fingerprint": runs.fingerprint(NAMES)}
        config = runs.save_config(where, subject.model, data, subject.plan)
        runs.save_weights(where, subject.model, config)
        runs.save_checkpoint(where, subject, config)
        runs.append_metrics(where, Report(5, 3.0, 2.5, 0.01, 0.1))
        assert [report.step for report in runs.metrics(tmp_path / "new")] == [5]
        assert runs.load(where).training_names == frozenset(NAMES)


class TestHistory:
    def test_a_resumed_training_has_the_reports_before_it(self, folder):
        reports = [Report(5, 3.0, 2.5, 0.01, 0.1), Report(10, 2.0, 1.5, 0.005, 0.25)]
        for report in reports:
            runs.append_metrics(folder, report)
        assert runs.metrics(folder) == reports
        subject = trainer()
        runs.restore(folder, subject)
        assert subject.history == reports[:1]  # it was stopped at step 7

    @pytest.mark.parametrize("content", [b"", b"\0\xff\n", b"step\n5\n", b"step\n5,1,2,3,x\n", b"step\n5,1,2,3,4,5\n"])
    def test_lines_that_are_no_reports_are_left_out(self, folder, content):
        (folder / runs.METRICS).write_bytes(content)
        assert runs.metrics(folder) == []

    def test_without_metrics_there_are_none(self, folder):
        assert runs.metrics(folder) == []


class TestDamage:
    @pytest.mark.parametrize("name", [runs.CONFIG, runs.WEIGHTS, runs.TRAINING_NAMES])
    def test_a_missing_file_is_named(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(ModelFileError, match=name):
            runs.load(folder)

    @pytest.mark.parametrize("name", [runs.CONFIG, runs.WEIGHTS, runs.CHECKPOINT])
    @pytest.mark.parametrize("content", [b"", b"\0" * 99, b"{}", b"[]", b"\xff"])
    def test_an_overwritten_file_is_named(self, folder, name, content):
        (folder / name).write_bytes(content)
        with pytest.raises(ModelFileError, match=name):
            if name == runs.CHECKPOINT:
                runs.restore(folder, trainer())
            else:
                runs.load(folder)

    def test_no_folder_a_file_and_a_foreign_folder(self, tmp_path, folder):
        for path, words in (
            (tmp_path / "none", "there is no run folder"),
            (folder / runs.CONFIG, "there is no run folder"),
            (tmp_path, "is no run folder: it has no config.json"),
        ):
            with pytest.raises(ModelFileError, match=words):
                runs.load(path)

    @pytest.mark.parametrize(
        ("version", "words"),
        [
            (2, "newer than 1"),
            (99, "upgrade the package"),
            (0, "its format is 0"),
            (None, "None"),
            (True, "True"),
            ("1", "1"),
        ],
    )
    def test_another_format(self, folder, version, words):
        config = json.loads((folder / runs.CONFIG).read_text())
        (folder / runs.CONFIG).write_text(json.dumps({**config, "format": version}))
        for read in (runs.load, runs.open_stopped):
            with pytest.raises(ModelFileError, match=words):
                read(folder)

    def test_weights_of_another_run(self, folder):
        files.save_weights(
            MLP(Vocabulary(boundary="."), context=2, embedding=2, hidden=(4,), rng=0), folder / runs.WEIGHTS
        )
        with pytest.raises(ModelFileError, match="another model or vocabulary"):
            runs.load(folder)

    def test_letters_that_changed_places(self, folder):
        config = json.loads((folder / runs.CONFIG).read_text())
        config["model"]["vocabulary"]["tokens"].reverse()
        (folder / runs.CONFIG).write_text(json.dumps(config))
        with pytest.raises(ModelFileError, match="another model or vocabulary"):
            runs.load(folder)
        _, model, plan = runs.open_stopped(folder)
        with pytest.raises(ModelFileError, match="another model or vocabulary"):
            runs.restore(folder, Trainer(model, NAMES[2:], NAMES[:2], plan))

    def test_a_finished_run_is_not_gone_on_with(self, folder):
        (folder / runs.CHECKPOINT).unlink()
        with pytest.raises(ModelFileError, match=r"no checkpoint\.safetensors: its training has ended"):
            runs.open_stopped(folder)

    def test_a_checkpoint_of_another_plan(self, folder):
        with pytest.raises(ModelFileError, match="step 7 is not one of the plan's 5"):
            runs.restore(folder, trainer(5))

    @given(data=st.data())
    def test_anything_in_the_configuration(self, stopped, tmp_path_factory, data):
        folder = tmp_path_factory.getbasetemp() / "changed"
        if not folder.exists():
            shutil.copytree(stopped, folder)
        config = json.loads((stopped / runs.CONFIG).read_text())
        places = [(parent, key) for parent, key in _places(config)]
        parent, key = places[data.draw(st.integers(0, len(places) - 1))]
        if data.draw(st.booleans()):
            parent[key] = data.draw(ANYTHING)
        else:
            del parent[key]
        (folder / runs.CONFIG).write_text(json.dumps(config))
        for read in (runs.load, runs.open_stopped):
            try:
                read(folder)
            except ModelFileError as error:
                assert str(error)

    @given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def test_any_bit_of_the_configuration(self, stopped, tmp_path_factory, place, bit):
        folder = tmp_path_factory.getbasetemp() / "flipped"
        if not folder.exists():
            shutil.copytree(stopped, folder)
        content = bytearray((stopped / runs.CONFIG).read_bytes())
        content[int(place * len(content))] ^= 1 << bit
        (folder / runs.CONFIG).write_bytes(content)
        try:
            run = runs.load(folder)
        except ModelFileError:
            return
        assert run.model.vocabulary == Vocabulary() and run.model.config() == trainer().model.config()


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


def _places(node):
    if isinstance(node, dict | list):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            yield node, key
            yield from _places(node[key])


def test_places_reach_every_leaf():
    node = {"a": [1, {"b": 2}], "c": None}
    assert sum(1 for _ in _places(copy.deepcopy(node))) == 5


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.helpers.runs import save, stop_at, trainer
folder, call, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
subject = trainer()
stop_at(subject, 7)
save(folder, subject)
(folder / "ready").touch()
stop_at(subject, 14)
left, original = [count], getattr(os, call)
def killing(*arguments):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)
setattr(os, call, killing)
from tinygrad_lm import runs
from tinygrad_lm.models import files
runs.save_checkpoint(folder, subject, files.read_json(folder / runs.CONFIG))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize(
    ("call", "count", "step"), [("fsync", 1, 7), ("replace", 1, 7), ("fsync", 3, 14), ("replace", 2, 14)]
)
def test_killed_while_saving_the_run_is_whole(tmp_path, call, count, step):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "run"), call, str(count)],
        cwd=ROOT,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == -signal.SIGKILL and (tmp_path / "run" / "ready").exists()
    assert list((tmp_path / "run").glob(".*.tmp"))
    runs.load(tmp_path / "run")
    subject = trainer()
    runs.restore(tmp_path / "run", subject)
    assert subject.step == step
    assert not list((tmp_path / "run").glob(".*.tmp"))
    whole = trainer()
    stop_at(whole, None)
    stop_at(subject, None)
    assert same(subject.state()[0], whole.state()[0])
