"""What an interactive session prints of a result: a few lines that say something, neither pages nor an address."""

import re

import numpy as np
import pytest

import visualize
from tinygrad_lm import Tensor, Value, sampling
from tinygrad_lm.models import MLP, NGram
from tinygrad_lm.runs import Run
from tinygrad_lm.text import CleanedNames, Split, Vocabulary, bundled_names, clean_names, split_names
from tinygrad_lm.training import Plan, Trainer

NAMES = bundled_names()
SPLIT = split_names(NAMES)
BIGRAM = NGram(2).fit(SPLIT.train)


def diamond():
    a = Value(2.0, label="a")
    return (2 * a) * (a + 3)


def wide():
    w = Tensor(np.arange(600.0).reshape(20, 30), requires_grad=True, label="w")
    return ((np.ones((40, 20)) @ w) ** 2).sum()


def samples():
    return list(sampling.samples(BIGRAM, sampling.Settings(), np.random.default_rng(1), count=3, trace=True))


def trainer():
    return Trainer(MLP(hidden=(4,), rng=0), SPLIT.train, SPLIT.validation, Plan(steps=3, evaluate_every=2))


def trained():
    subject = trainer()
    subject.run()
    return subject


SHOWN = {
    "samples": samples,
    "steps of a sample": lambda: samples()[0].steps,
    "settings": lambda: sampling.Settings(0.8, top_p=0.9),
    "split": lambda: SPLIT,
    "cleaned names": lambda: clean_names([*NAMES, "", "x1", "Ÿ"], Vocabulary()),
    "bigram": lambda: BIGRAM,
    "model": lambda: MLP(rng=0),
    "evaluation": lambda: BIGRAM.evaluate(SPLIT.validation),
    "run": lambda: Run("runs/x", BIGRAM, {"data": {"file": "x" * 5000}}, frozenset(SPLIT.train)),
    "plan": lambda: Plan(5),
    "trainer": trainer,
    "trained": trained,
    "history": lambda: trained().history,
    "optimizer": lambda: trainer().optimizer,
    "examples": lambda: trainer().examples,
    "vocabulary": Vocabulary,
    "stepper": lambda: visualize.stepper(diamond),
    "backward steps": lambda: visualize.backward_steps(diamond),
    "frames": lambda: list(visualize.backward_steps(diamond)),
    "frames of arrays": lambda: list(visualize.backward_steps(wide)),
    "graph": lambda: visualize.stepper(wide).graph,
    "picture": lambda: visualize.draw(wide()),
    "doctor": visualize.doctor,
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_few_lines_and_no_address(name):
    shown = repr(SHOWN[name]())
    assert 10 < len(shown) < 1_000 and shown.count("\n") <= 15, shown
    assert not re.search(r"0x[0-9a-f]{6}|\bobject at\b", shown), shown
    assert "\\n" not in shown


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("samples", ["Sample(text='", "complete=True", " steps)"]),
        ("steps of a sample", ["Step(context=''", "roll=0.", "choice='", " options)"]),
        ("split", ["train: 1,", "validation: ", "test: ", " names, 'anamika', "]),
        ("cleaned names", ["kept: 1,", " names, 'aachal', ", "dropped: 1 empty, 2 characters outside the vocabulary"]),
        ("bigram", ["NGram(order=2, smoothing=1.0)", "27 tokens", "27 contexts", " pairs"]),
        ("run", ["Run('runs/x'", "NGram", "training names"]),
        ("trainer", ["Trainer(MLP", "step 0 of 3"]),
        ("trained", ["step 3 of 3", "best validation loss 3."]),
        ("optimizer", ["AdamW(", "lr=0.003", "weight_decay=0.06", "weight_decay=0.0"]),
        ("stepper", ["6 nodes", "3 steps", ".text()", ".save("]),
        ("backward steps", ["mode='correct'", "3 frames", "6 nodes"]),
        ("frames", ["Frame(index=0, node='v5', gradient=1.0", "Contribution(", "1.0 × 5.0 = 5.0"]),
        ("frames of arrays", ["array of shape (20, 30)"]),
        ("graph", ["Graph(", "nodes", "edges"]),
    ],
)
def test_what_it_says(name, words):
    shown = repr(SHOWN[name]())
    for word in words:
        assert word in shown, shown


def test_a_report_is_shown_as_it_is_printed():
    report = visualize.doctor()
    assert isinstance(report, str) and repr(report) == str(report).rstrip() and type(str(report)) is str


def test_named_tuples_stay_tuples():
    train, validation, test = SPLIT
    assert (train, validation, test) == SPLIT and isinstance(SPLIT, tuple)
    assert SPLIT._replace(test=()) == Split(train, validation, ())
    folder, model, _, names = SHOWN["run"]()
    assert (folder, model) == ("runs/x", BIGRAM) and len(names) == len(train)


def test_names_that_write_over_a_terminal_are_quoted():
    for shown in (
        Split(("\x1b[2Jab",), ("x" * 5_000,), ()),
        CleanedNames(("\x1b[2Jab",), {"empty": ("\x1b",) * 9}),
        sampling.Sample("\x1b[2J", True, ()),
        Run("\x1b[2J", BIGRAM, {}, frozenset()),
    ):
        assert "\x1b" not in repr(shown) and len(repr(shown)) < 200


class TestCounts:
    def test_the_count_matrix_of_a_bigram(self):
        model = NGram(2, vocabulary=Vocabulary("ab")).fit(["ab", "aab"])
        found = model.count_matrix()
        assert found.dtype == np.int64
        # rows: after a, b, the start; columns: a, b, the end
        assert found.tolist() == [[1, 2, 0], [0, 0, 2], [2, 0, 0]]
        found[:] = 9
        assert model.counts.sum() == 7

    def test_with_smoothing_it_is_the_table(self):
        counts = BIGRAM.count_matrix() + BIGRAM.smoothing
        assert counts.sum() == BIGRAM.counts.sum() + 27 * 27
        assert np.allclose(counts / counts.sum(axis=1, keepdims=True), BIGRAM.table(), rtol=1e-14)

    def test_nothing_counted_is_nothing(self):
        assert not NGram(2).count_matrix().any()

    @pytest.mark.parametrize("order", [1, 3])
    def test_other_orders_are_refused(self, order):
        with pytest.raises(ValueError, match=rf"only a bigram \(order 2\) .* matrix.* this model has order {order}"):
            NGram(order).fit(["ab"]).count_matrix()
