"""Tests that models need no tokens of one character each: pairs of letters are learned, measured, written and saved."""

import math

import numpy as np
import pytest

from tests.helpers.model_files import same
from tests.helpers.pairs import Pairs, registered
from tests.helpers.runs import DATA
from tinygrad_lm import models, runs
from tinygrad_lm.models import MLP, ModelFileError, NGram, files
from tinygrad_lm.sampling import Settings, generate, samples
from tinygrad_lm.text import DataError, Vocabulary
from tinygrad_lm.training import Plan, Trainer

NAMES = ["abid", "aabid", "zeel", "nipun", "meera", "a", "krishnamurthy"]
CHARACTERS = sum(len(name) + 1 for name in NAMES)
TOKENS = sum((len(name) + 1) // 2 + 1 for name in NAMES)
MODELS = {
    "ngram": lambda vocabulary: NGram(2, 0.1, vocabulary).fit(NAMES),
    "mlp": lambda vocabulary: MLP(vocabulary, context=2, embedding=3, hidden=(8,), rng=0, dtype=np.float64),
}


@pytest.fixture(autouse=True)
def known(monkeypatch):
    registered(monkeypatch)


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request):
    return request.param(Pairs())


class TestLoss:
    def test_it_is_counted_by_character_of_the_text(self, model):
        likelihoods = model.log_likelihoods(NAMES)
        found = model.evaluate(NAMES)
        assert len(likelihoods) == TOKENS < CHARACTERS == found.characters
        assert found.loss == pytest.approx(-likelihoods.sum() / CHARACTERS, rel=1e-12)
        assert found.perplexity == pytest.approx(math.exp(-likelihoods.sum() / CHARACTERS), rel=1e-12)

    def test_characters_are_graphemes(self):
        names = ["कृष्ण", "प्रिया", "राम"]
        for vocabulary in (Pairs("".join(names)), Vocabulary.from_names(names)):
            assert NGram(2, vocabulary=vocabulary).fit(names).evaluate(names).characters == 3 + 3 + 2 + 3

    @pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
    def test_with_one_token_a_character_it_is_the_mean_of_the_likelihoods_to_the_bit(self, make):
        model = make(Vocabulary())
        likelihoods = model.log_likelihoods(NAMES)
        assert tuple(model.evaluate(NAMES)) == (float(-np.mean(likelihoods)), len(likelihoods))

    def test_vocabularies_are_compared_fairly(self):
        """All texts of two letters alike: whatever the tokens, such a model is off by log 2 a letter."""
        names = ["aa", "ab", "ba", "bb"]
        pairs, letters = (NGram(3, 0.0, each).fit(names) for each in (Pairs("ab"), Vocabulary("ab")))
        assert pairs.evaluate(names).loss == pytest.approx(2 * math.log(2) / 3, rel=1e-12)
        assert letters.evaluate(names).loss == pytest.approx(2 * math.log(2) / 3, rel=1e-12)


class TestTraining:
    def test_it_learns(self):
        model = MLP(Pairs(), context=2, embedding=4, hidden=(16,), rng=0)
        before = model.evaluate(NAMES).loss
        trainer = Trainer(model, NAMES, NAMES, Plan(steps=150, batch_size=8, lr=0.03, evaluate_every=50))
        trainer.run(progress=False)
        assert trainer.history[-1].validation_loss == model.evaluate(NAMES).loss < before / 3

    def test_counts_predict_what_was_counted(self):
        model = NGram.fitted(2, NAMES, NAMES, Pairs())
        assert model.evaluate(NAMES).loss < NGram(2, 1e9, Pairs()).fit(NAMES).evaluate(NAMES).loss / 2


class TestWriting:
    def test_samples_are_texts_of_the_tokens(self, model):
        found = list(samples(model, Settings(max_length=5), 0, count=30, trace=True))
        assert any(sample.complete for sample in found) or isinstance(model, MLP)
        for sample in found:
            tokens = [step.choice for step in sample.steps]
            assert "".join(tokens) == sample.text + "." * sample.complete
            assert len(tokens) <= 5 and all(token in model.vocabulary.tokens for token in tokens)

    def test_a_prefix_is_continued(self):
        found = generate(NGram(2, 0.0, Pairs()).fit(["meera"]), rng=0, prefix="me", trace=True)
        assert (found.text, found.complete) == ("meera", True)
        assert [step.context for step in found.steps] == ["me", "meer", "meera"]

    def test_a_prefix_that_it_cannot_read(self, model):
        with pytest.raises(DataError, match="'1' is in no pair"):
            generate(model, prefix="a1")


class TestFiles:
    def test_a_model_is_itself_again(self, model, tmp_path):
        twin = models.load(model.save(tmp_path / "names"))
        assert type(twin) is type(model) and twin.vocabulary == model.vocabulary
        assert isinstance(twin.vocabulary, Pairs) and same(twin.state_dict(), model.state_dict())
        assert twin.evaluate(NAMES) == model.evaluate(NAMES)

    def test_a_run_is_itself_again(self, tmp_path):
        trainer = Trainer(MLP(Pairs(), context=2, embedding=2, hidden=(4,), rng=0), NAMES, NAMES, Plan(3, 8))
        trainer.run(progress=False)
        runs.save_names(tmp_path, NAMES)
        runs.save_checkpoint(tmp_path, trainer, runs.save_config(tmp_path, trainer.model, DATA, trainer.plan))
        assert runs.load(tmp_path).model.vocabulary == Pairs()
        assert models.load(tmp_path).evaluate(NAMES).loss == trainer.best_loss

    def test_a_kind_that_nobody_knows(self, model, tmp_path, monkeypatch):
        model.save(tmp_path / "names")
        monkeypatch.undo()
        with pytest.raises(ModelFileError, match=r"unknown kind 'pairs'.*text\.TOKENIZERS"):
            models.load(tmp_path / "names")

    def test_another_s_kind_is_refused(self, tmp_path):
        class Silent(Pairs):
            def to_json(self):
                return {key: value for key, value in super().to_json().items() if key != "kind"}

        with pytest.raises(TypeError, match=r"a Silent would come back as Vocabulary.*TOKENIZERS\[Silent\.kind\]"):
            NGram(2, vocabulary=Silent("ab")).fit(["ab"]).save(tmp_path / "names")
        assert not (tmp_path / "names").exists()

    def test_two_tokenizers_are_two_models(self, tmp_path):
        letters = NGram(2, vocabulary=Vocabulary(Pairs("ab").tokens[1:3], ".")).fit(["ab"])
        files.save_weights(letters, tmp_path / "weights")
        with pytest.raises(ModelFileError, match="another model or vocabulary"):
            files.load_weights(NGram(2, vocabulary=Pairs("ab")).fit(["ab"]), tmp_path / "weights")
