"""Tests of files of mixtures: what they hold, and that nothing hostile in them is built, recursed into or believed."""

import contextlib
import copy
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.own_models import NAMES, VOCABULARY
from tinygrad_lm import models, nn
from tinygrad_lm.models import GRU, MLP, KneserNey, Mixture, ModelFileError, NGram, files, loading
from tinygrad_lm.models.limits import MAX_MEMBERS

MEMBERS = [MLP(hidden=(4,), rng=0), KneserNey(3).fit(NAMES)]
MIXED = Mixture(MEMBERS, [0.75, 0.25])
DESCRIBED = files.describe(MIXED)


@pytest.fixture
def path(tmp_path):
    return MIXED.save(tmp_path / "mixed")


def with_config(**changes):
    return {**DESCRIBED, "config": {**copy.deepcopy(DESCRIBED["config"]), **changes}}


def member(kind, **config):
    return {"kind": kind, "config": config}


def test_what_a_file_says(path):
    arrays, metadata = files.read_arrays(path)
    assert {name.partition(".")[0] for name in arrays} == {"0", "1"}
    assert np.array_equal(arrays["0.output.weight"], MEMBERS[0].output.weight.data)
    assert np.array_equal(arrays["1.counts"], MEMBERS[1].counts)
    assert metadata["model"] == DESCRIBED and metadata["dtype"] == "float32"
    parts = [member(each.kind, **each.config()) for each in MEMBERS]
    assert DESCRIBED["config"] == {"members": parts, "weights": [0.75, 0.25]}


def test_any_weights_come_back_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(20):
        mixed = Mixture([MEMBERS[1]] * 3, rng.dirichlet(np.ones(3)))
        assert models.load(mixed.save(tmp_path / "mixed")).weights.tobytes() == mixed.weights.tobytes()


KNESER = member("kneser-ney", **MEMBERS[1].config())
BAD = {
    "no members": {"members": [], "weights": []},
    "no list": {"members": "mlp"},
    "more members than there may be": {"members": [KNESER] * (MAX_MEMBERS + 1), "weights": [1.0] * (MAX_MEMBERS + 1)},
    "more fields": {"more": 1},
    "a member without a configuration": {"members": [KNESER, {"kind": "kneser-ney"}]},
    "a member with more": {"members": [KNESER, {**KNESER, "weight": 1.0}]},
    "a member that is a list": {"members": [KNESER, [1]]},
    "a kind that is no word": {"members": [KNESER, {**KNESER, "kind": ["mlp"]}]},
    "a configuration that is no table": {"members": [KNESER, {**KNESER, "config": [1]}]},
    "an unknown kind": {"members": [KNESER, {**KNESER, "kind": "os.system"}]},
    "a wrong configuration": {"members": [KNESER, {**KNESER, "config": {"order": 99}}]},
    "a mixture within": {"members": [KNESER, {"kind": "mixture", "config": DESCRIBED["config"]}]},
    "weights that are missing": {"weights": []},
    "one weight": {"weights": [1.0]},
    "more weights": {"weights": [0.5, 0.25, 0.25]},
    "a negative weight": {"weights": [1.5, -0.5]},
    "a sum that is not 1": {"weights": [0.5, 0.4]},
    "a word": {"weights": ["0.75", 0.25]},
    "true": {"weights": [True, 0.0]},
    "a whole number": {"weights": [1, 0]},
    "nan": {"weights": [float("nan"), 1.0]},
    "inf": {"weights": [float("inf"), 0.0]},
    "a list in it": {"weights": [[0.75], [0.25]]},
    "a table": {"weights": {"0": 1.0}},
    "null": {"weights": None},
    "too large a number": {"weights": [1e400, 0.5]},
}


@contextlib.contextmanager
def saved():
    """The file, where no fixture gives it."""
    with tempfile.TemporaryDirectory() as folder:
        yield MIXED.save(Path(folder) / "mixed")


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_what_describes_no_mixture(changes):
    words = r"config\.json (is no model's configuration|describes a model of)"
    with saved() as path, pytest.raises(ModelFileError, match=words) as error:
        loading.build(with_config(**changes), path.with_name("config.json"), path)
    assert len(str(error.value)) < 600 and "Traceback" not in str(error.value)


def test_the_whole_description_is_compared(path):
    other = with_config(weights=[0.25, 0.75])
    model = loading.build(other, path, path)
    with pytest.raises(ModelFileError, match="does not fit its configuration"):
        files.load_weights(model, path)


class Deep(Mixture):
    """A user's family that is a mixture, too."""

    kind = "deep"


@pytest.mark.usefixtures("families")
def test_mixtures_do_not_nest_by_another_name(path):
    models.register(Deep)
    config = DESCRIBED["config"]
    for _ in range(300):
        config = {"members": [member("deep", **config)], "weights": [1.0]}
    for kind in ("mixture", "deep"):
        with pytest.raises(ModelFileError, match="a member of its mixture is one itself"):
            loading.build({**DESCRIBED, "kind": kind, "config": config}, path, path)


class TestNoMoreIsBuiltThanTheFileHolds:
    LARGE = member("mlp", **{**MEMBERS[0].config(), "hidden": [10_000]})

    def build(self, path, members):
        weights = [1.0] + [0.0] * (len(members) - 1)
        return loading.build(with_config(members=members, weights=weights), path, path)

    def test_one_large_member(self, path):
        with pytest.raises(ModelFileError, match=r"a model of [\d,]+ numbers, more than mixed holds"):
            self.build(path, [KNESER, self.LARGE])

    @pytest.mark.usefixtures("families")
    def test_of_families_that_tell_no_size_one_at_most_is_too_large(self, path):
        built = []

        class Free(nn.Module, models.TrainableModel):
            kind = "free"

            def __init__(self, vocabulary):
                built.append(self)
                self.vocabulary, self.rows = vocabulary, nn.Embedding(len(vocabulary), 20_000)

        models.register(Free)
        with pytest.raises(ModelFileError, match=r"more than the [\d,]+ numbers that mixed holds"):
            self.build(path, [member("free")] * MAX_MEMBERS)
        assert len(built) == 1

    def test_counts(self, path):
        counts = member("kneser-ney", order=3, contexts=1 << 32, pairs=1 << 32)
        with pytest.raises(ModelFileError, match=r"a model of [\d,]+ numbers, more than mixed holds"):
            self.build(path, [KNESER, counts])


def test_many_members_that_would_fit_one_by_one():
    single = sum(array.size for array in MEMBERS[0].state_dict().values())
    with saved() as path:
        room = path.stat().st_size // 4
        assert single < room < 40 * single
        with pytest.raises(ModelFileError, match=r"numbers, more than mixed holds"):
            members = [member("mlp", **MEMBERS[0].config())] * 40
            loading.build(with_config(members=members, weights=[1 / 40] * 40), path, path)


class TestState:
    def test_arrays_that_are_missing_or_too_many(self):
        state = MIXED.state_dict()
        twin = Mixture([MLP(hidden=(4,), rng=1), KneserNey(3).fit(NAMES)])
        twin.load_state_dict(state)
        assert np.array_equal(twin.next_logits([[1]]), Mixture(MEMBERS).next_logits([[1]]))
        for name in ("2.counts", "counts", "00.output.weight", "-1.counts", "", "."):
            with pytest.raises(ValueError, match=f"the state of a mixture of 2 members has no {name!r}"):
                twin.load_state_dict({**state, name: np.zeros(3)})
        with pytest.raises(ValueError, match="member 1: the state of an n-gram model has no 'more'"):
            twin.load_state_dict({**state, "1.more": np.zeros(3)})
        for name in state:
            with pytest.raises(ValueError, match=f"member {name[0]}: "):
                twin.load_state_dict({other: array for other, array in state.items() if other != name})

    def test_a_damaged_member(self, path):
        arrays, metadata = files.read_arrays(path)
        files.write_arrays(path, {**arrays, "1.counts": arrays["1.counts"] * 0}, metadata)
        with pytest.raises(ModelFileError, match="member 1: the counts are damaged"):
            models.load(path)


class TestSaving:
    def test_members_of_two_dtypes(self, tmp_path):
        mixed = Mixture([MLP(hidden=(4,), rng=0), MLP(hidden=(4,), rng=0, dtype=np.float64)])
        with pytest.raises(ModelFileError, match=r"float32, float64; bring them to one.*model\.to"):
            mixed.save(tmp_path / "mixed")
        mixed.to(np.float64)
        assert models.load(mixed.save(tmp_path / "mixed")).members[0].output.weight.dtype == np.float64

    def test_a_member_that_would_come_back_as_another(self, tmp_path):
        class Own(NGram):
            pass

        with pytest.raises(TypeError, match="Own has the kind 'ngram' and would come back as NGram"):
            Mixture([MEMBERS[0], Own(2).fit(NAMES)]).save(tmp_path / "mixed")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.usefixtures("families")
    def test_a_family_of_ones_own(self, tmp_path):
        class Own(GRU):
            kind = "own"

        path = Mixture([models.register(Own)(VOCABULARY, rng=0), MEMBERS[1]]).save(tmp_path / "mixed")
        assert type(models.load(path).members[0]) is Own
        del models.FAMILIES["own"]
        with pytest.raises(ModelFileError, match="a model of the unknown kind 'own'"):
            models.load(path)

    def test_it_is_json(self):
        assert json.loads(json.dumps(DESCRIBED)) == DESCRIBED
