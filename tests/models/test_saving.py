"""Tests of ``model.save`` and ``models.load``: one file, itself again bit by bit, and nothing lost or believed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.dropping import Dropping
from tests.helpers.model_files import join, parts, same
from tests.helpers.runs import NAMES, Named, stop_at, trainer
from tests.helpers.runs import save as save_run
from tinygrad_lm import models, runs
from tinygrad_lm.models import GRU, MLP, KneserNey, Mixture, ModelFileError, NeuralBigram, NGram, files
from tinygrad_lm.text import Vocabulary
from tinygrad_lm.training import Plan, Trainer

MODELS = {
    "mlp": MLP(hidden=(4,), rng=0),
    "mlp of float64": MLP(Vocabulary("राम"), context=1, embedding=1, hidden=(), rng=0, dtype=np.float64),
    "relu": MLP(Vocabulary("ab", boundary="."), context=2, embedding=3, hidden=(5, 4), activation="relu", rng=1),
    "bigram": NGram(2).fit(["abid", "zeel"]),
    "5-gram": NGram(5, 0.25, Vocabulary("ab")).fit(["ab", "ba"]),
    "empty": NGram(3),
    "kneser-ney": KneserNey().fit(["abid", "zeel"]),
    "empty kneser-ney": KneserNey(3),
    "neural bigram": NeuralBigram(dtype=np.float64),
}
MODELS["mixture"] = Mixture([MODELS["mlp"], GRU(Vocabulary(), rng=0), MODELS["kneser-ney"]], [0.3, 0.6, 0.1])
MODELS["mixture of float64"] = Mixture([MODELS["neural bigram"], MODELS["bigram"], MODELS["neural bigram"]])
MODELS["mixture of counts"] = Mixture([MODELS["kneser-ney"], MODELS["bigram"]]).fit(["zara", "abid"])


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "names"


class TestRoundTrip:
    @pytest.mark.parametrize("kind", [str, Path, Named])
    def test_it_is_itself_again(self, path, model, kind):
        assert model.save(kind(path)) == path
        assert [file.name for file in path.parent.iterdir()] == ["names"]
        twin = models.load(kind(path))
        assert type(twin) is type(model)
        assert twin.config() == model.config() and twin.vocabulary == model.vocabulary
        assert same(twin.state_dict(), model.state_dict())
        letters = ["".join(model.vocabulary.tokens[:-1][:3])]
        assert twin.log_likelihoods(letters).tobytes() == model.log_likelihoods(letters).tobytes()

    def test_equal_models_are_equal_bytes(self, path, model):
        model.save(path)
        other = path.with_name("other")
        models.load(path).save(other)
        assert other.read_bytes() == path.read_bytes()

    def test_in_the_folder_one_is_in(self, path, monkeypatch):
        monkeypatch.chdir(path.parent)
        MODELS["bigram"].save("names")
        assert isinstance(models.load("names"), NGram)

    def test_a_run_is_loaded_by_its_folder_or_its_file(self, path):
        subject = trainer()
        stop_at(subject, 7)
        save_run(path, subject)
        for where in (path, str(path), path / runs.WEIGHTS):
            assert same(models.load(where).state_dict(), subject.best)
        again = path.with_name("again")
        models.load(path).save(again)
        assert same(models.load(again).state_dict(), subject.best)

    def test_in_another_process(self, path):
        MODELS["mlp"].save(path)
        code = "import sys; from tinygrad_lm import models; print(models.load(sys.argv[1]).num_parameters())"
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(MODELS["mlp"].num_parameters())

    def test_the_mode_and_frozen_weights_are_no_part_of_it(self, path):
        model = MLP(hidden=(4,), rng=0).eval().requires_grad_(False)
        model.save(path)
        assert models.load(path).training


class TestSaving:
    def test_a_model_is_overwritten(self, path):
        MODELS["mlp"].save(path)
        MODELS["bigram"].save(path)
        assert isinstance(models.load(path), NGram)

    @pytest.mark.parametrize("content", [b"", b"anna\nzeel\n", b"\x00" * 100, b"PK\x03\x04"])
    def test_anything_else_is_not(self, path, content):
        path.write_bytes(content)
        with pytest.raises(FileExistsError, match=r"names' is no model.*give another path") as caught:
            MODELS["mlp"].save(path)
        assert path.read_bytes() == content and "\n" not in str(caught.value)

    def test_a_checkpoint_is_not(self, path):
        subject = trainer()
        stop_at(subject, 7)
        save_run(path, subject)
        before = (path / runs.CHECKPOINT).read_bytes()
        with pytest.raises(FileExistsError, match="no model"):
            subject.model.save(path / runs.CHECKPOINT)
        assert (path / runs.CHECKPOINT).read_bytes() == before

    def test_a_damaged_model_is_not(self, path):
        MODELS["mlp"].save(path)
        content = path.read_bytes()[:-1]
        path.write_bytes(content)
        with pytest.raises(FileExistsError, match="no model"):
            MODELS["mlp"].save(path)

    def test_a_folder_is_not_a_file(self, tmp_path):
        for folder in (tmp_path, f"{tmp_path}{os.sep}", ""):
            with pytest.raises(IsADirectoryError, match=r"is a folder; give the path of a file"):
                MODELS["mlp"].save(folder)

    def test_a_folder_that_is_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no folder .*none.*make it first"):
            MODELS["mlp"].save(tmp_path / "none" / "names")

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows asks for a right to make links")
    def test_a_link(self, path):
        target = path.with_name("target")
        path.symlink_to(target)
        with pytest.raises(FileExistsError, match="no model"):
            MODELS["mlp"].save(path)
        MODELS["mlp"].save(target)
        MODELS["bigram"].save(path)
        assert isinstance(models.load(path), NGram) and isinstance(models.load(target), MLP)

    def test_weights_that_are_no_numbers_leave_the_old_file(self, path):
        MODELS["mlp"].save(path)
        before = path.read_bytes()
        broken = MLP(hidden=(4,), rng=0)
        broken.output.weight.data = broken.output.weight.data * np.nan
        with pytest.raises(ModelFileError, match="holds nan or inf"):
            broken.save(path)
        assert path.read_bytes() == before

    def test_several_dtypes(self, path):
        model = MLP(hidden=(4,), rng=0)
        model.output.to(np.float64)
        with pytest.raises(ModelFileError, match=r"float32, float64.*model\.to\(np\.float32\)"):
            model.save(path)
        assert not path.exists()


class Own(MLP):
    """A user's model that forgot a name of its own."""


class TestFamilies:
    def test_one_s_own(self, path, monkeypatch):
        class Mine(NGram):
            kind = "mine"

        Mine(2).fit(["ab"]).save(path)
        with pytest.raises(ModelFileError, match=r"unknown kind 'mine'.*models\.register"):
            models.load(path)
        monkeypatch.setitem(models.FAMILIES, "mine", Mine)
        assert type(models.load(path)) is Mine

    def test_another_s_name_is_refused(self, path):
        with pytest.raises(TypeError, match=r"Own has the kind 'mlp'.*would come back as MLP.*kind = "):
            Own(hidden=(4,), rng=0).save(path)
        assert not path.exists()

    def test_a_model_without_a_kind_is_told_to_have_one(self, path, monkeypatch):
        monkeypatch.delattr(Dropping, "kind")
        with pytest.raises(TypeError, match=r"Dropping has no kind.*kind = .*models\.register\(Dropping\)"):
            Dropping().save(path)
        assert not path.exists()

    def test_a_model_around_a_network(self, path, monkeypatch):
        class Around(Dropping):
            kind = "around"

            def config(self):
                return {}

            @classmethod
            def from_config(cls, config, vocabulary):
                return cls()

            @classmethod
            def size_of(cls, config, vocabulary):
                return 27 * 8 + 17 * 27

        monkeypatch.setitem(models.FAMILIES, "around", Around)
        model = Around()
        model.net[3].bias.data = model.net[3].bias.data + 1
        model.save(path)
        assert same(models.load(path).state_dict(), model.state_dict())


class Centred(MLP):
    """A user's model with a buffer of each dtype that files have, and one that is made anew."""

    kind = "centred"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.register_buffer("mean", np.zeros(self.output.in_features, np.float32))
        self.register_buffer("steps", np.array(0))
        self.register_buffer("seen", np.zeros(3, np.int32))
        self.register_buffer("mask", np.ones((2, 2), np.uint8))
        self.register_buffer("triangle", np.tril(np.ones((2, 2), bool)), persistent=False)

    def forward(self, contexts):
        hidden = self.hidden(self.embedding(contexts).reshape((len(contexts), -1)))
        if self.training:
            self.mean = np.float32(0.5) * (self.mean + hidden.data.mean(axis=0))
            self.steps = self.steps + 1
        return self.output(hidden - self.mean)


class TestBuffers:
    @pytest.fixture
    def subject(self, monkeypatch):
        monkeypatch.setitem(models.FAMILIES, "centred", Centred)
        subject = Trainer(Centred(context=2, embedding=2, hidden=(4,), rng=0), NAMES[2:], NAMES[:2], Plan(12, 8))
        stop_at(subject, 7)
        return subject

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_model_has_them_again_bit_by_bit(self, path, subject, dtype):
        model = subject.model.to(dtype)
        model.save(path)
        twin = models.load(path)
        assert (int(twin.steps), twin.mean.dtype) == (7, dtype) and twin.mean.any()
        assert [twin.steps.dtype, twin.seen.dtype, twin.mask.dtype] == [np.int64, np.int32, np.uint8]
        assert same(twin.state_dict(), model.state_dict()) and "triangle" not in model.state_dict()
        assert twin.evaluate(NAMES) == model.evaluate(NAMES)

    def test_a_run_has_them_and_goes_on_with_them(self, path, subject):
        save_run(path, subject)
        assert same(models.load(path).state_dict(), subject.best)
        arrays, _ = files.read_arrays(path / runs.CHECKPOINT)
        assert int(arrays["model.steps"]) == 7
        later = Trainer(Centred(context=2, embedding=2, hidden=(4,), rng=1), NAMES[2:], NAMES[:2], Plan(12, 8))
        later.resume(*subject.state())
        for one in (subject, later):
            stop_at(one, None)
        assert int(later.model.steps) == 12
        assert same(later.model.state_dict(), subject.model.state_dict())

    def test_a_dtype_that_files_do_not_have(self, path, subject):
        subject.model.register_buffer("triangle", np.ones(2, bool))
        with pytest.raises(ModelFileError, match=r"'triangle' has dtype bool, not one of float32"):
            subject.model.save(path)
        assert not path.exists()

    def test_another_dtype_in_the_file_is_refused(self, path, subject, monkeypatch):
        subject.model.save(path)

        class Narrow(Centred):
            def __init__(self, *arguments, **options):
                super().__init__(*arguments, **options)
                self.steps = np.array(0, np.int32)

        monkeypatch.setitem(models.FAMILIES, "centred", Narrow)
        with pytest.raises(ModelFileError, match="'steps' has dtype int64, not int32"):
            models.load(path)


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    path = tmp_path_factory.mktemp("valid") / "names"
    MODELS["mlp"].save(path)
    return path.read_bytes()


def signed(arrays, metadata, path):
    """A file with a right checksum, as somebody who means harm would write it."""
    files.write_arrays(path, arrays, metadata)
    return path


class TestSuspicion:
    def test_no_file(self, path):
        with pytest.raises(ModelFileError, match="there is no model file and no run folder"):
            models.load(path)

    def test_a_folder_without_a_model(self, tmp_path):
        with pytest.raises(ModelFileError, match=r"has no model\.safetensors"):
            models.load(tmp_path)

    def test_the_weights_of_a_run_are_not_overwritten(self, tmp_path):
        """Without the settings of the run, or under others, its folder could not be used any more."""
        subject = trainer()
        stop_at(subject, 7)
        save_run(tmp_path, subject)
        with pytest.raises(FileExistsError, match="belongs to a run"):
            subject.model.save(tmp_path / runs.WEIGHTS)
        assert runs.load(tmp_path).model.state_dict().keys() == subject.model.state_dict().keys()

    @pytest.mark.skipif(sys.platform == "win32", reason="pipes in folders are POSIX")
    def test_a_pipe_is_not_waited_for(self, path):
        os.mkfifo(path)
        with pytest.raises(ModelFileError, match="not a regular file"):
            models.load(path)
        with pytest.raises(FileExistsError, match="no model"):
            MODELS["mlp"].save(path)

    def test_a_checkpoint(self, path):
        subject = trainer()
        stop_at(subject, 7)
        save_run(path, subject)
        with pytest.raises(ModelFileError, match="the checkpoint of a run, not its model: load its folder"):
            models.load(path / runs.CHECKPOINT)

    def test_arrays_without_a_model(self, path):
        with pytest.raises(ModelFileError, match="no model"):
            models.load(signed({"a": np.zeros(3, np.float32)}, {}, path))

    @pytest.mark.parametrize(
        "change",
        [
            lambda found: found.update(model=None),
            lambda found: found.update(model=[]),
            lambda found: found["model"].update(kind="os.system"),
            lambda found: found["model"].update(kind=["mlp"]),
            lambda found: found["model"].update(vocabulary="abc"),
            lambda found: found["model"]["config"].update(hidden=[1 << 20] * 50),
            lambda found: found["model"]["config"].update(hidden=[5]),
            lambda found: found["model"]["config"].update(context=10**400),
            lambda found: found.update(format=2),
            lambda found: found.update(format="1" * 100),
            lambda found: found.update(dtype="float64"),
            lambda found: found.update(dtype="object"),
            lambda found: found.update(dtype=[]),
            lambda found: found.update(dtype=None),
        ],
    )
    def test_a_signed_lie(self, path, change):
        metadata = {"model": json.loads(files.json_bytes(files.describe(MODELS["mlp"]))), "dtype": "float32"}
        change(metadata)
        state = MODELS["mlp"].state_dict()
        if metadata.get("dtype") is None:  # as a run's file has it: then float32 is meant
            assert same(models.load(signed(state, metadata, path)).state_dict(), state)
            return
        with pytest.raises(ModelFileError) as caught:
            models.load(signed(state, metadata, path))
        assert str(path) in str(caught.value) and len(str(caught.value)) < 1_000

    @pytest.mark.parametrize(
        "change",
        [
            lambda state: state.pop("output.bias"),
            lambda state: state.update(more=np.zeros(1, np.float32)),
            lambda state: state.update({"output.bias": np.zeros(27)}),
            lambda state: state.update({"output.bias": np.zeros((27, 1), np.float32)}),
        ],
    )
    def test_other_arrays(self, path, change):
        state = MODELS["mlp"].state_dict()
        change(state)
        with pytest.raises(ModelFileError):
            models.load(signed(state, {"model": files.describe(MODELS["mlp"]), "dtype": "float32"}, path))

    @given(data=st.data())
    def test_any_damage_is_found(self, tmp_path_factory, valid, data):
        content = bytearray(valid)
        place = data.draw(st.one_of(st.integers(0, 400), st.integers(0, len(content) - 1)))
        content[place] ^= 1 << data.draw(st.integers(0, 7))
        path = tmp_path_factory.mktemp("damaged") / "names"
        path.write_bytes(content)
        try:
            found = models.load(path)
        except ModelFileError:
            return
        assert same(found.state_dict(), MODELS["mlp"].state_dict())

    def test_a_header_that_promises_more(self, path, valid):
        header, data = parts(valid)
        entry = next(entry for name, entry in header.items() if name != "__metadata__")
        entry["shape"] = [1 << 40]
        path.write_bytes(join(header, data))
        with pytest.raises(ModelFileError, match="damaged"):
            models.load(path)
