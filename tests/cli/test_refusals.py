"""Tests of the command line with bad input: one sentence, an exit code, never a traceback, nothing half-done."""

import json
from pathlib import Path

import pytest

from tests.helpers.command_line import EIGHT, FAST
from tinygrad_lm import cli, runs
from tinygrad_lm.models import MLP, files


class TestData:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("missing", "there is no file"),
            (".", "is a directory"),
            ("", "is a directory"),
            ("empty", "is empty"),
            ("blank", "is empty"),
            ("binary", "is a binary file: byte 4 is NUL"),
            ("latin1", "is not UTF-8: byte 4, on line 1, is 0xe9"),
            ("utf16", "is UTF-16, not UTF-8"),
            ("one", "1 different name(s)"),
            ("duplicates", "1 different name(s)"),
            ("digits", "characters outside the vocabulary (3)"),
            ("devanagari", "--alphabet data"),
            ("tabs", "characters outside the vocabulary (3)"),
            ("r/model.safetensors", "is a binary file"),
        ],
    )
    def test_files_that_are_no_lists_of_names(self, refused, name, words):
        assert words in refused("train", "--data", name, *FAST)
        assert words in refused("train", "--data", name, "--model", "bigram")
        if name not in ("one", "duplicates", ""):
            found = refused("evaluate", "r", name)
            assert words in found or words == "--alphabet data"

    def test_names_that_are_too_short_or_too_long(self, refused):
        assert "shorter than 9 (8)" in refused("train", "--data", "names.txt", "--min-length", "9")
        assert "longer than 2 (8)" in refused("train", "--data", "names.txt", "--max-length", "2")
        said = refused("train", "--data", "names.txt", "--min-length", "5", "--max-length", "3")
        assert said == "tinygrad-lm: --max-length is an integer from 5 up; got 3"

    @pytest.mark.parametrize("boundary", ["a", "", "ab", "\n", "\x1b"])
    def test_boundaries(self, refused, boundary):
        assert "boundary" in refused("train", "--boundary", boundary, *FAST)

    def test_a_boundary_or_a_control_character_within_the_names(self, refused):
        Path("hyphens").write_text("anne-marie\njean-luc\nbo\n")
        assert "such as --boundary ." in refused("train", "--data", "hyphens", "--alphabet", "data")
        assert "control character" in refused("train", "--data", "tabs", "--alphabet", "data")

    def test_a_batch_larger_than_the_data(self, refused):
        assert "a batch of 1000 is larger than" in refused("train", "--data", "names.txt", "--batch-size", "1000")

    @pytest.mark.parametrize("model", [("makemore-wavenet",), ("mlp", "--norm", "batch")])
    def test_a_batch_of_one_that_is_to_be_normalised(self, refused, model):
        said = refused("train", "--data", "names.txt", "--batch-size", "1", "--model", *model, code=2)
        assert "take --batch-size 2, or --norm layer" in said

    @pytest.mark.parametrize(
        "sizes",
        [
            ("transformer", "--positions", "sinusoidal", "--context", "4096", "--width", "16384"),
            ("lstm", "--hidden", "65536"),
            ("wavenet", "--hidden", "65536"),
        ],
    )
    def test_a_model_that_is_far_too_large(self, refused, sizes):
        """Before it is built: else the system would end the command without a word."""
        said = refused("train", "--data", "names.txt", "--model", *sizes, code=2)
        assert f"such a model {sizes[0]} has more than the 33,554,432 numbers" in said and "Traceback" not in said

    def test_a_model_whose_checkpoint_no_file_holds(self, refused, monkeypatch):
        """It is refused before the training, which its first checkpoint would end: five arrays for each of its own."""
        numbers = 27 * 2 + (3 * 2 + 1) * 4 + (4 + 1) * 27
        monkeypatch.setattr(files, "MAX_FILE", files.MAX_HEADER + 5 * 4 * numbers - 1)
        tiny = ("--data", "names.txt", "--hidden", "4", "--embedding", "2", "--ema-decay", "0.5")
        said = refused("train", *tiny)
        assert f"a model of {4 * numbers:,} bytes, which its training keeps 5 times, is too large" in said
        assert cli.main(["train", *tiny, "--steps", "2", "--optimizer", "sgd"]) == 0  # three of each

    @pytest.mark.parametrize(
        ("prefix", "words"),
        [
            ("a1", "'1' (U+0031) at position 1"),
            ("-", "boundary marker"),
            ("राम", "U+0930"),
            ("\udcff", "U+DCFF"),
            ("a" * 30, "has 30 characters, but a sample has at most 30"),
            ("a" * 100_000, "has 100000 characters"),
        ],
    )
    def test_prefixes(self, refused, prefix, words):
        assert words in refused("sample", "r", f"--prefix={prefix}")


class TestRuns:
    @pytest.mark.parametrize(
        "command", [("sample",), ("evaluate",), ("compare", "r"), ("mix", "r"), ("train", "--resume")]
    )
    @pytest.mark.parametrize(
        ("folder", "words"),
        [
            ("none", "there is no run folder 'none'"),
            ("names.txt", "there is no run folder"),
            ("r/model.safetensors", "there is no run folder"),
            (".", "is no run folder: it has no config.json"),
            ("x" * 300, "File name too long"),
        ],
    )
    def test_no_run_folder(self, refused, command, folder, words):
        more = ("names.txt",) if command == ("evaluate",) else ()
        assert words in refused(*command, folder, *more)

    @pytest.mark.parametrize("name", [runs.CONFIG, runs.WEIGHTS, runs.TRAINING_NAMES])
    @pytest.mark.parametrize("content", [None, b"", b"\0" * 50, b"[]", b"{}"])
    def test_a_damaged_run(self, refused, name, content):
        Path("r", name).unlink() if content is None else Path("r", name).write_bytes(content)
        if name == runs.TRAINING_NAMES and content is not None:
            assert cli.main(["sample", "r"]) == 0
        else:
            for command in (("sample", "r"), ("evaluate", "r", "names.txt")):
                assert name in refused(*command)

    @pytest.mark.parametrize(
        "change",
        [
            {"file": 5}, {"file": ["names.txt"]}, {"file": "gone.txt"}, {"alphabet": "greek"}, {"alphabet": []},
            {"seed": "0"}, {"seed": -1}, {"seed": 5}, {"boundary": "."}, {"boundary": None}, {"min_length": None},
            {"min_length": 5}, {"max_length": 0}, {"fingerprint": "0"}, {"more": 1}, {"alphabet": "data"},
        ],
    )  # fmt: skip
    def test_resuming_with_other_data(self, refused, change):
        path = Path("stopped", runs.CONFIG)
        config = json.loads(path.read_text())
        config["data"].update(change)
        path.write_text(json.dumps(config))
        refused("train", "--resume", "stopped")

    def test_resuming_after_the_names_changed(self, refused, trained, here):
        path = Path("stopped", runs.CONFIG)
        config = json.loads(path.read_text())
        config["data"]["file"] = str(here / "names.txt")
        path.write_text(json.dumps(config))
        Path("names.txt").write_text("\n".join([*EIGHT, "more"]))
        assert "have changed since stopped was started; train anew" in refused("train", "--resume", "stopped")

    def test_resuming_what_cannot_go_on(self, refused):
        assert "its training has ended" in refused("train", "--resume", "r")
        assert "counts, which are made in one go" in refused("train", "--resume", "counts")
        Path("stopped", runs.CHECKPOINT).write_bytes(b"\0" * 20)
        assert "is damaged" in refused("train", "--resume", "stopped")

    def test_a_folder_that_is_taken(self, refused):
        for folder in ("r", "names.txt", ".", ""):
            assert "give another --out" in refused("train", "--data", "names.txt", *FAST, "--out", folder)
        assert "Not a directory" in refused("train", "--data", "names.txt", *FAST, "--out", "names.txt/x")

    def test_weights_that_overflow(self, refused):
        model = runs.load(Path("r")).model
        assert isinstance(model, MLP)
        files.save_weights(model, Path("r", runs.WEIGHTS), {n: a * 0 + 3e38 for n, a in model.state_dict().items()})
        assert "overflow" in refused("sample", "r")
        assert cli.main(["evaluate", "r", "names.txt"]) == 0
