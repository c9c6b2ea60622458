"""Tests of options: words that are none, values out of range, what goes together, and dashes."""

import argparse
import json
from pathlib import Path
from typing import ClassVar

import pytest

from tinygrad_lm import cli
from tinygrad_lm.cli import family, sample
from tinygrad_lm.cli.train import options
from tinygrad_lm.models.mlp import MLPConfig
from tinygrad_lm.models.registry import TRAINED

LONG_WORD = "x" * 5_000


def train_parser(*typed):
    """The parser of ``train`` for what was typed."""
    (commands,) = [action for action in cli.parser(["train", *typed])._actions if action.dest == "command"]
    return commands.choices["train"]


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "COMMAND"),
            (("fly",), "invalid choice: 'fly'"),
            (("train", "--model", "gpt"), "invalid choice: 'gpt'"),
            (("train", "names.txt"), "unrecognized arguments"),
            (("train", "--steps", "5", "--epochs", "2"), "not allowed with"),
            (("sample",), "RUN"),
            (("sample", "r", "--prefix"), "expected one argument"),
            (("evaluate",), "RUN"),
            (("sample", "r", "--resume", "r"), "unrecognized arguments"),
        ],
    )
    def test_wrong_words(self, refused, arguments, words):
        assert words in refused(*arguments, code=2)

    @pytest.mark.parametrize(
        ("option", "values"),
        [
            *((name, ("0", "-1", "1.5", "x", "", "1e3", "99999999999", "nan", LONG_WORD))
              for name in ("--context", "--embedding", "--hidden", "--epochs", "--steps", "--batch-size",
                           "--min-length", "--max-length")),
            ("--hidden", ("5,", ",", "5,0", "5 6", ",".join(["1"] * 101))),
            *((name, ("-1", "nan", "inf", "1e400", "x", "")) for name in ("--lr", "--weight-decay", "--smoothing")),
            *((name, ("-1", "nan", "inf", "x", "")) for name in ("--clip-grad-norm", "--ema-decay")),
            *((name, ("-1", "1.5", "x", "1" * 30)) for name in ("--seed", "--warmup-steps")),
            ("--optimizer", ("lion", "")),
            ("--schedule", ("none",)),
            ("--activation", ("softmax",)),
            ("--alphabet", ("greek",)),
            ("--context", ("1025", "100000")),
            ("--embedding", ("100000",)),
            ("--hidden", ("2000000", "1000000", "8000,8000")),
        ],
    )  # fmt: skip
    def test_values_of_training_options(self, refused, option, values):
        for value in values:
            message = refused("train", option, value, code=2)
            assert (
                option in message
                or f"{option[2:]} must be" in message
                or f"{option[2:]} is a list" in message
                or ("parameters, more than" in message and value in ("1000000", "8000,8000"))
            )

    @pytest.mark.parametrize(
        ("option", "values"),
        [
            ("-n", ("0", "-1", "x", "2.5")),
            ("--temperature", ("-1", "nan", "inf", "-inf", "x", "")),
            ("--top-k", ("0", "-1", "1.5", "x")),
            ("--top-p", ("0", "-0.1", "1.1", "nan", "inf", "x")),
            ("--min-p", ("0", "-0.1", "1.1", "nan", "inf", "x")),
            ("--min-length", ("-1", "1.5", "x", "")),
            ("--max-length", ("0", "-5", "x")),
            ("--seed", ("-1", "x")),
            ("--most-probable", ("0", "-1", "x")),
            ("--tree", ("0", "-1", "x")),
        ],
    )
    def test_values_of_sampling_options(self, refused, option, values):
        for value in values:
            assert f"argument {option}" in refused("sample", "r", option, value, code=2)

    def test_every_sampling_option_is_known_to_a_rule(self, refused):
        """What says how a name is drawn is refused where none is, and what may stand beside it is listed here."""
        (commands,) = [action for action in cli.parser(["sample"])._actions if action.dest == "command"]
        options = {action.dest: action for action in commands.choices["sample"]._actions if action.option_strings}
        beside = {"most_probable": {"prefix", "max_length"}, "tree": {"prefix", "max_length", *sample.OF_SETTINGS}}
        for asked, allowed in beside.items():
            for name in set(options) - allowed - {"help", "model", asked}:
                action = options[name]
                typed = (action.option_strings[-1], *(() if action.nargs == 0 else ("1",)))
                message = refused("sample", "r", f"--{asked.replace('_', '-')}", "2", *typed, code=2)
                assert "means nothing to" in message and action.option_strings[-1] in message

    def test_lengths_that_are_no_range(self, refused):
        for typed in (("--min-length", "31"), ("--min-length", "4", "--max-length", "3")):
            assert "no name has such a length" in refused("sample", "r", *typed, code=2)

    @pytest.mark.parametrize(
        ("option", "words"),
        [
            (("--ema-decay", "1"), "--ema-decay is a number from 0 to below 1"),
            (("--clip-grad-norm", "0"), "--clip-grad-norm is above 0"),
            (("--steps", "5", "--warmup-steps", "5"), "--warmup-steps must be fewer than the 5 steps in all, not 5"),
        ],
    )
    def test_settings_that_make_no_plan(self, refused, option, words):
        assert words in refused("train", *option, "--out", "new", code=2)

    @pytest.mark.parametrize("option", [*(each.name for each in MLPConfig.settings()), *options.TRAINING_OPTIONS])
    @pytest.mark.parametrize("model", ["bigram", "6gram"])
    def test_neural_options_mean_nothing_to_counts(self, refused, model, option):
        value = {"activation": "relu", "optimizer": "sgd", "schedule": "step"}.get(option, "1")
        typed = ["--" + option.replace("_", "-"), value][: 1 if option in ("residual", "mix") else 2]
        assert f"{typed[0]} means nothing to the model {model!r}" in refused("train", "--model", model, *typed, code=2)

    @pytest.mark.parametrize(
        ("model", "remedy"),
        [
            ("lstm", "lstm has one hidden size; give --layers N for more layers"),
            ("wavenet", "wavenet has one hidden size"),
        ],
    )
    def test_several_hidden_sizes_for_a_family_that_has_one(self, refused, model, remedy):
        for sizes in (["10", "20"], ["10,20"], ["10", "20", "30"]):
            said = refused("train", "--model", model, "--hidden", *sizes, code=2)
            assert said.endswith(remedy) and sizes[-1] in said

    @pytest.mark.parametrize(
        ("word", "remedy"),
        [
            ("names.txt", "a list of names is given as --data names.txt"),
            ("lstm", "a model is given as --model lstm"),
            ("5", "--data 5"),
        ],
    )
    def test_a_word_beside_the_options_says_where_it_belongs(self, refused, word, remedy):
        said = refused("train", word, code=2)
        assert f"unrecognized arguments: {word}; " in said and said.endswith(remedy)

    def test_smoothing_means_nothing_to_the_neural_model(self, refused):
        for model in ((), ("--model", "mlp")):
            message = refused("train", *model, "--smoothing", "1", code=2)
            assert "--smoothing means nothing to the model 'mlp'" in message
        assert "from 0 to 1e+09" in refused("train", "--model", "bigram", "--smoothing", "1e10", code=2)

    def test_every_training_option_is_refused_beside_resume(self, refused):
        options = [action for action in train_parser("--model", "mlp")._actions if action.option_strings]
        assert len(options) > 18
        for action in options:
            if action.dest not in ("help", "resume", "steps", "mix"):
                value = [] if action.nargs == 0 else [action.choices[0] if action.choices else "1"]
                message = refused("train", "--resume", "stopped", action.option_strings[0], *value, code=2)
                assert f"leave out {action.option_strings[0]}" in message

    def test_every_training_option_is_known_to_a_rule(self):
        """An option added later must be said to mean something to both kinds of model, or to one."""
        found = {action.dest for action in train_parser("--help")._actions}
        both = {"help", "model", "data", "alphabet", "boundary", "min_length", "max_length", "split_seed"}
        both |= {"seed", "out", "resume"}
        trained = set(options.TRAINING_OPTIONS)
        assert found == both | trained
        for kind in TRAINED:
            choice = family.choose(kind)
            own = {f"setting_{each.name}" for each in choice.options()}
            assert bool(own) == (kind != "neural-bigram")  # which has nothing to set
            assert {action.dest for action in train_parser("--model", kind)._actions} == found | own


class TestDashes:
    """``--`` as a value, which argparse before Python 3.13 drops."""

    RUNS: ClassVar = {"sample": ("r",), "evaluate": ("r", "names.txt"), "compare": ("r",), "mix": ("r", "stopped")}

    @staticmethod
    def options_with_values():
        (commands,) = [action for action in cli.parser()._actions if action.dest == "command"]
        for command, parser in commands.choices.items():
            for action in parser._actions:
                if action.option_strings and action.nargs != 0:
                    yield from ((command, option, action) for option in action.option_strings)

    def test_two_dashes_are_no_value_of_any_option(self, refused):
        found = list(self.options_with_values())
        assert len(found) > 30
        for command, option, _ in found:
            run = self.RUNS.get(command, ())
            for joined in (f"{option}=--", f"{option}--" if len(option) == 2 else f"{option[:-1]}=--"):
                message = refused(command, *run, joined, code=2)
                assert f"argument {option[:3]}" in message and "'--' is no value" in message, joined

    @pytest.mark.parametrize("value", ["-", "---", "--=", "-1", "--steps", "=--"])
    def test_a_value_that_begins_with_dashes_is_taken_as_it_stands_or_refused(self, here, capsys, told, value):
        for command, option, action in self.options_with_values():
            run = {**self.RUNS, **dict.fromkeys(("gradcheck", "source"), ("f.py:f",))}.get(command, ())
            told.clear()
            capsys.readouterr()
            code = cli.main([command, *run, f"{option}={value}"])
            err = capsys.readouterr().err
            assert (code, bool(err)) in ((0, False), (2, True)) and "Traceback" not in err, (option, err)
            if code == 0:
                taken = getattr(told[0], action.dest)
                several = action.dest == "input" or isinstance(action, argparse._AppendAction)
                assert taken == ([value] if several else value), option
            if option in ("--prefix", "--data", "--out", "--boundary", "--resume"):
                assert code == 0, (option, err)

    @pytest.mark.parametrize("command", [("sample",), ("evaluate", "r"), ("evaluate",), ("gradcheck",)])
    def test_two_dashes_are_no_name(self, refused, command):
        assert "'--' names no run and no file" in refused(*command, "--", "--", code=2)

    def test_a_name_that_begins_with_dashes(self, refused):
        assert "there is no run folder '--prefix=--'" in refused("sample", "--", "--prefix=--")


@pytest.mark.parametrize(
    ("model", "typed", "kind"),
    [
        ("microgpt", ("--layers", "3"), "transformer"),
        ("microgpt", ("--dropout", "0.1"), "transformer"),
        ("makemore-transformer", ("--context", "4"), "transformer"),
        ("makemore-wavenet", ("--hidden", "5"), "wavenet"),
        ("lab4-mlp", ("--hidden", "5"), "mlp"),
    ],
)
def test_what_a_preset_decides_is_told_so_though_other_families_have_it_too(refused, model, typed, kind):
    words = f"{typed[0]} is decided by the model {model!r}; leave it out, or take --model {kind}"
    assert words in refused("train", "--model", model, *typed, code=2)


@pytest.mark.usefixtures("elsewhere")
def test_none_switches_off_what_a_family_starts_with(run):
    names = ("--data", "names.txt", "--steps", "2", "--batch-size", "4")
    for number, more in enumerate(((), ("--clip-grad-norm", "none", "--ema-decay", "none"))):
        run("train", "--model", "rnn", "--hidden", "4", *names, *more, "--out", f"r{number}")
    plans = [json.loads(Path(f"r{n}", "config.json").read_text(encoding="utf-8"))["training"] for n in (0, 1)]
    assert [(plan["clip_grad_norm"], plan["ema_decay"]) for plan in plans] == [(1.0, 0.999), (None, None)]
    assert "'x' is not a finite number from 0, or none" in run("train", "--ema-decay", "x", code=2)
