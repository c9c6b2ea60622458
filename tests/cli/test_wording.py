"""Tests that errors of the commands name options, where those of the package name arguments of Python's."""

import re
from pathlib import Path

import pytest

from tests.helpers.command_line import FAST
from tinygrad_lm.cli import wording
from tinygrad_lm.cli.parsing import UsageError
from tinygrad_lm.cli.sample import SampleOptions
from tinygrad_lm.models import ModelFileError
from tinygrad_lm.text import DataError

PYTHON = re.compile(r"\b(?!training_names|config_json)[a-z]+_[a-z_]+\b|\bNone\b|\w\((?!s\))|\w=|fraction|depth")
"""What is Python's in a message: a name with an underscore, None, a call, an argument, and what no option is called."""
HERE = ("--data", "names.txt")


class TestMessages:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--must-contain", "é"), "--must-contain has 'é', which the model never writes: leave it out"),
            (("--must-not-contain", "\u093e"), "which the model never writes: leave it out"),
            (("--must-not-contain", "1"), "--must-not-contain has '1', which the model never writes"),
            (
                ("--must-contain", "a", "--must-not-contain", "a"),
                "'a' must occur and must not occur: leave it out of --must-contain or of --must-not-contain",
            ),
            (
                ("--prefix", "a", "--must-not-contain", "a"),
                "the prefix has 'a', which must not occur: change --prefix or --must-not-contain",
            ),
            (("--prefix", "é"), "Take it out, or train on names that have it, with --alphabet data."),
            (("--prefix=-",), "Take it out, or train with another --boundary."),
            (("--prefix", "a" * 40), "a sample has at most 30; shorten it, or give a larger --max-length"),
            (("--tree", "30"), "100,000 branches: give a smaller --tree or --top-k, or a larger --min-p"),
            (("--most-probable", "3", "--prefix", "é"), "with --alphabet data."),
            (("--unique", "--max-length", "1", "-n", "99"), "leave out one of --unique, --max-length"),
        ],
    )
    def test_of_sample(self, refused, arguments, words):
        said = refused("sample", "r", *arguments)
        assert words in said and not PYTHON.search(said)

    @pytest.mark.parametrize(
        ("arguments", "words", "code"),
        [
            (("--min-length", "9"), "or other lengths (--min-length, --max-length).", 1),
            (("--min-length", "5", "--max-length", "3"), "--max-length is an integer from 5 up; got 3", 1),
            (("--data", "one"), "cannot be split into training, validation and test with at least one name each.", 1),
            (("--data", "one"), "Give more names, at least three.", 1),
            (("--data", "devanagari"), "For names in another alphabet train with --alphabet data.", 1),
            (("--boundary", "a"), "such as --boundary .", 1),
            (("--batch-size", "1000"), "choose a --batch-size of at most 33, or give more names", 1),
            (
                ("--clip-grad-norm", "0"),
                "--clip-grad-norm is above 0, for 0 lets nothing be learned; none clips nothing",
                2,
            ),
            (("--ema-decay", "1"), "--ema-decay is a number from 0 to below 1, or none for no average, not 1.0", 2),
            (("--warmup-steps", "4"), "--warmup-steps must be fewer than the 4 steps in all, not 4", 2),
        ],
    )
    def test_of_train(self, refused, arguments, words, code):
        said = refused("train", *HERE, *FAST, *arguments, code=code)
        assert words in said and not PYTHON.search(said)

    @pytest.mark.parametrize("file", ["devanagari", "tabs"])
    def test_of_evaluate(self, refused, file):
        said = refused("evaluate", "r", file)
        assert "For names in another alphabet train with --alphabet data." in said and not PYTHON.search(said)

    def test_of_mix_and_compare(self, run, here):
        for folder, more in (("n", ()), ("o", ("--min-length", "5"))):
            run("train", *HERE, "--model", "bigram", *more, "--out", folder)
        assert "(--min-length 1 and 5), so that one" in run("mix", "n", "o", code=1)
        assert "have other splits (--min-length 1 and 5):" in run("compare", "n", "o", "-n", "3")


class TestReword:
    NAMES = ("max_length", "min_p")

    def test_words_alone(self):
        assert wording.reword("max_length (min_p, max_length).", self.NAMES) == "--max-length (--min-p, --max-length)."

    @pytest.mark.parametrize(
        "said", ["'max_length'", "max_length.txt", "runs/max_length", "the_max_length", "max_length=3", "min_prefix"]
    )
    def test_what_a_user_wrote_stays(self, said):
        assert wording.reword(f"there is no {said} here", self.NAMES) == f"there is no {said} here"

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (DataError, "--max-length; shorten it, or give a larger --max-length"),
            (UsageError, "--max-length; shorten it, or give a larger --max-length"),
            (ModelFileError, "max_length; shorten it, or give a larger --max-length"),
            (ValueError, "max_length; shorten it"),
        ],
    )
    def test_settings_in_files_and_a_users_own_code_keep_their_names(self, error, said):
        @wording.in_options
        def command(options):
            raise error("max_length; shorten it")

        with pytest.raises(error) as caught:
            command(SampleOptions())
        assert str(caught.value) == said

    def test_every_phrase_is_one_of_the_package(self):
        """Else a message has changed, and its user reads of Python's arguments again."""
        root = Path(wording.__file__).parents[1]
        texts = [path.read_text(encoding="utf-8") for path in root.rglob("*.py") if path.name != "wording.py"]
        source = re.sub(r'"\s*f?"', "", "\n".join(texts))
        for phrase in wording.PHRASES:
            assert phrase in source or "(0.8, 0.1, 0.1)" in phrase, phrase
