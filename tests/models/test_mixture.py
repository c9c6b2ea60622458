"""Tests of ``Mixture``: the mean of probabilities, the weights that fit, states and samples, modes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.own_models import ALL, NAMES, VOCABULARY, Forward, Prefixes, Stepping, log_softmax
from tinygrad_lm import nn, sampling
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.models import LSTM, MLP, KneserNey, LanguageModel, Mixture, NGram, ways
from tinygrad_lm.models.mixture import best_weights
from tinygrad_lm.models.ways import ModelError
from tinygrad_lm.text import DataError, Vocabulary

PREFIXES = [[], [3], [1, 2, 3, 4], [0, 1, 8, 3]]
COUNTED = NGram(3, 0.0).fit(NAMES)  # after most contexts most tokens have the probability 0
MEMBERS = (ALL["mlp"], ALL["kneser-ney"], COUNTED, ALL["forward"])
WEIGHTS = (0.4, 0.3, 0.2, 0.1)
MIXED = Mixture(MEMBERS, WEIGHTS)


def chances(model, prefixes=PREFIXES):
    return np.exp(log_softmax(model.next_logits(prefixes)))


def close(one, other):
    return np.allclose(one, other, rtol=1e-9, atol=1e-12)


class TestMeanOfModels:
    def test_it_is_the_mean_of_the_probabilities(self):
        expected = sum(w * chances(m) for w, m in zip(WEIGHTS, MEMBERS, strict=True))
        found = MIXED.next_logits(PREFIXES)
        assert found.dtype == np.float64 and close(np.exp(found), expected)
        assert close(np.exp(found).sum(axis=1), 1)

    def test_a_step_at_a_time_is_the_whole_prefix(self):
        with no_grad():
            _, state = MIXED.step(np.array([26, 26]), MIXED.start(2))
            found, _ = MIXED.step(np.array([3, 1]), state)
            again, _ = MIXED.step(np.array([3, 1]), state)
        assert close(np.exp(found), np.exp(MIXED.next_logits([[3], [1]]))) and np.array_equal(found, again)

    def test_losses_are_of_the_mean_of_each_token(self):
        each = [np.exp(m.log_likelihoods(NAMES)) for m in MEMBERS]
        expected = np.log(np.tensordot(WEIGHTS, each, 1))
        assert close(MIXED.log_likelihoods(NAMES), expected)
        assert close(LanguageModel.log_likelihoods(MIXED, NAMES), expected)
        assert MIXED.evaluate(NAMES).loss == pytest.approx(-expected.mean(), rel=1e-12)

    def test_what_no_member_can_write_has_no_probability(self):
        both = Mixture([COUNTED, NGram(2, 0.0).fit(NAMES)])
        assert both.log_likelihoods(["ab"])[0] > -np.inf and both.evaluate(["q"]).loss == np.inf
        assert np.isneginf(both.next_logits([[]])).any()

    def test_of_one_it_is_that_one(self):
        alone = Mixture([MEMBERS[1]])
        assert close(chances(alone), chances(MEMBERS[1])) and alone.weights.tolist() == [1.0]

    def test_a_weight_of_zero_takes_no_part(self):
        assert close(chances(Mixture([MEMBERS[0], COUNTED], [1.0, 0.0])), chances(MEMBERS[0]))

    def test_it_is_float64_and_its_members_are_what_they_were(self):
        lstm = LSTM(VOCABULARY, rng=0)
        logits, _ = Mixture([lstm, COUNTED]).step(np.array([26]), Mixture([lstm, COUNTED]).start(1))
        assert logits.dtype == np.float64 and lstm.output.weight.dtype == np.float32


class TestWeightsOfMembers:
    def test_alike_by_default(self):
        assert Mixture(MEMBERS).weights.tolist() == [0.25] * 4

    @pytest.mark.parametrize("weights", [(0.5, 0.6), (1.5, -0.5), (1.0,), (np.nan, 1.0), (0.5, 0.5, 0.0), (0, 0)])
    def test_what_is_no_weights(self, weights):
        with pytest.raises(ValueError, match=r"the weights of 2 members are 2 numbers from 0 up with the sum 1, not"):
            Mixture(MEMBERS[:2], weights)

    def test_a_mixture_of_mixtures_is_one(self):
        inner = Mixture(MEMBERS[:2], [0.25, 0.75])
        outer = Mixture([inner, COUNTED], [0.4, 0.6])
        assert outer.members == (*MEMBERS[:2], COUNTED) and close(outer.weights, [0.1, 0.3, 0.6])
        assert close(chances(outer), 0.4 * chances(inner) + 0.6 * chances(COUNTED))

    @pytest.mark.parametrize(
        ("members", "error", "words"),
        [
            ([], ValueError, "from 1 to 64 members, not 0"),
            ([COUNTED] * 65, ValueError, "from 1 to 64 members, not 65"),
            ([COUNTED, 3], TypeError, "members of a mixture are models, not 3"),
            (
                [COUNTED, KneserNey(3, Vocabulary("ab"))],
                ValueError,
                "one vocabulary, but member 1, KneserNey, has 3 other tokens than the 27 of member 0, NGram",
            ),
        ],
    )
    def test_what_is_no_mixture(self, members, error, words):
        with pytest.raises(error, match=words):
            Mixture(members)

    def test_its_repr(self):
        assert repr(MIXED) == "Mixture(0.400 MLP, 0.300 KneserNey, 0.200 NGram, 0.100 Forward)"


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_no_other_weights_are_better(seed, n):
    rng = np.random.default_rng(seed)
    logs = np.log(rng.dirichlet(np.ones(4), (n, 40))[:, :, 0])
    best = best_weights(logs)
    assert best.shape == (n,) and best.dtype == np.float64 and best.min() >= 0 and abs(best.sum() - 1) < 1e-12

    def loss(weights):
        return -np.log(weights @ np.exp(logs)).mean()

    for other in (*np.eye(n), *rng.dirichlet(np.ones(n), 30), *(0.99 * best + 0.01 * np.eye(n))):
        assert loss(best) <= loss(other) + 1e-6


class TestMixingWeights:
    def test_by_hand(self):
        """Of two models that say 0.9 and 0.2, then 0.3 and 0.6: the derivative of the sum of logarithms is 0 there."""
        found = best_weights(np.log([[0.9, 0.3], [0.2, 0.6]]))
        # d/dw [log(0.2 + 0.7 w) + log(0.6 - 0.3 w)] = 0: 0.7 (0.6 - 0.3 w) = 0.3 (0.2 + 0.7 w), so w = 0.36 / 0.42
        assert np.allclose(found, [6 / 7, 1 / 7], atol=1e-5) and found.sum() == pytest.approx(1, abs=1e-15)

    def test_tokens_that_none_can_write_say_nothing(self):
        logs = np.log([[0.9, 0.3], [0.2, 0.6]])
        none = np.full((2, 3), -np.inf)
        assert np.array_equal(best_weights(np.hstack([none, logs])), best_weights(logs))
        assert best_weights(none).tolist() == [0.5, 0.5]

    def test_improbable_tokens_do_not_vanish(self):
        assert np.allclose(best_weights(np.log([[0.9, 0.3], [0.2, 0.6]]) - 1_000), [6 / 7, 1 / 7], atol=1e-5)

    def test_what_cannot_write_a_name_loses_its_share_for_it(self):
        mixed = Mixture([COUNTED, MEMBERS[0]]).fit(["qqq", "zxzx"])
        assert mixed.weights[0] < 0.5 and np.isfinite(mixed.evaluate(["qqq"]).loss)

    def test_it_fits_the_names_it_is_given_and_nothing_before_matters(self):
        one = Mixture(MEMBERS).fit(NAMES[:4])
        first = one.weights.copy()
        assert one.fit(NAMES[4:]) is one and not np.allclose(one.weights, first)
        assert np.array_equal(one.fit(NAMES[:4]).weights, first)
        assert one.evaluate(NAMES[:4]).loss < Mixture(MEMBERS).evaluate(NAMES[:4]).loss

    def test_numbers_that_overflow(self):
        bad = MLP(hidden=(4,), rng=0)
        bad.output.weight.data[:] = np.inf
        with pytest.raises(ModelError, match="MLP gives log-probabilities that are no numbers"):
            Mixture([COUNTED, bad]).fit(NAMES)

    def test_likelihoods_that_are_not_one_a_token(self):
        class Short(NGram):
            def log_likelihoods(self, names):
                return super().log_likelihoods(names)[1:]

        with pytest.raises(ModelError, match=r"Short\.log_likelihoods gave .*one number for each token is due"):
            Mixture([COUNTED, Short(2).fit(NAMES)]).fit(NAMES)


class TestSamplesOfAMixture:
    def test_names_are_written_side_by_side_as_alone(self):
        assert ways.selects(MIXED)
        whole = [sample.text for sample in sampling.samples(MIXED, rng=0, count=30)]
        assert whole == [sample.text for sample in sampling.samples(MIXED, rng=0, count=30, batch_size=7)]
        assert len({len(text) for text in whole}) > 3

    def test_states_of_some_of_the_names(self):
        with no_grad():
            _, state = MIXED.step(np.full(4, 26), MIXED.start(4))
            whole, _ = MIXED.step(np.arange(4), state)
            some, _ = MIXED.step(np.array([3, 0, 3]), MIXED.select(state, np.array([3, 0, 3])))
        assert close(np.exp(some), np.exp(whole[[3, 0, 3]]))

    def test_it_selects_where_every_member_does(self):
        mixed = Mixture([COUNTED, Stepping()])
        assert not ways.selects(mixed) and ways.selects(COUNTED)
        with pytest.raises(NotImplementedError, match=r"Stepping writes a step of its own.*write select"):
            mixed.select(mixed.start(2), np.array([0]))
        selecting = Mixture([COUNTED, Forward()])  # which computes the same as Stepping
        texts = [[each.text for each in sampling.samples(m, rng=1, count=20)] for m in (mixed, selecting)]
        assert texts[0] == texts[1]

    def test_numbers_that_overflow_are_told(self):
        bad = MLP(hidden=(4,), rng=0)
        bad.output.weight.data[:] = 3e38
        mixed = Mixture([COUNTED, bad])
        assert not np.isfinite(mixed.evaluate(NAMES).loss)
        with pytest.raises(DataError, match="overflow"):
            list(sampling.samples(mixed, rng=0, count=3))

    def test_the_most_probable(self):
        for text, probability in sampling.most_probable(MIXED, 3, "a"):
            assert probability == pytest.approx(np.exp(MIXED.log_likelihoods([text]).sum()), rel=1e-9)


class TestModesOfMembers:
    def test_members_are_evaluated_and_afterwards_as_they_were(self):
        lstm = LSTM(VOCABULARY, rng=0)
        mixed = Mixture([COUNTED, lstm])
        losses = {mixed.evaluate(NAMES).loss for _ in range(2)}
        texts = {next(sampling.samples(mixed, rng=0)).text for _ in range(2)}
        assert len(losses) == len(texts) == 1 and lstm.training and lstm.dropout.training
        mixed.eval()
        assert not lstm.dropout.training

    def test_a_member_that_holds_a_module_too(self):
        around = Prefixes()
        mixed = Mixture([COUNTED, around])
        with nn.evaluating(mixed):
            assert not around.twin.training
        assert around.twin.training and mixed.num_parameters() == around.twin.num_parameters()

    def test_its_parameters_are_those_of_its_members(self):
        lstm = LSTM(VOCABULARY, rng=0)
        assert Mixture([COUNTED, lstm, MEMBERS[0]]).num_parameters() == sum(
            model.num_parameters() for model in (lstm, MEMBERS[0])
        )
