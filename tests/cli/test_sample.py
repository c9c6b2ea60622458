"""Tests of ``tinygrad-lm sample``."""

from pathlib import Path

import pytest

from tinygrad_lm import runs, sampling
from tinygrad_lm.cli import written

pytestmark = pytest.mark.usefixtures("elsewhere")


class TestSample:
    ONCE = ("--model", "trigram", "--out", "r", "--smoothing", "0.01")

    @pytest.fixture(autouse=True)
    def beside_the_run(self, elsewhere, trained_once, monkeypatch):
        monkeypatch.chdir(trained_once)

    def test_seeds_and_counts(self, run):
        first = run("sample", "r")
        assert first == run("sample", "r", "--seed", "0") != run("sample", "r", "--seed", "1")
        assert first.count("\n") == 20 and run("sample", "r", "-n", "5") == "".join(first.splitlines(True)[:5])

    def test_greedy_writes_one_name(self, run):
        assert len(set(run("sample", "r", "--temperature", "0").splitlines())) == 1
        assert run("sample", "r", "--temperature", "0") == run("sample", "r", "--top-k", "1")
        assert run("sample", "r", "--temperature", "0") == run("sample", "r", "--top-p", "1e-9")

    def test_every_option_changes_something(self, run):
        base = run("sample", "r", "-n", "40")
        for options in (
            ("--temperature", "3"),
            ("--top-k", "1"),
            ("--top-p", "0.3"),
            ("--max-length", "3"),
            ("--min-p", "0.5"),
            ("--min-length", "7"),
            ("--must-contain", "k"),
            ("--must-not-contain", "a"),
            ("--only-new",),
            ("--unique",),
        ):
            assert run("sample", "r", "-n", "40", *options) != base, options

    def test_names_are_marked(self, run):
        lines = run("sample", "r", "-n", "60").splitlines()
        training = set(Path("r", runs.TRAINING_NAMES).read_text().split())
        for line in lines:
            name, _, mark = line.partition(" ")
            assert mark.strip() == ("in training data" if name in training else "new")
        assert len({line.split(maxsplit=1)[1] for line in lines}) == 2

    def test_names_that_were_cut_show_it(self, run):
        lines = run("sample", "r", "--max-length", "3", "-n", "5").splitlines()
        assert all(line.split()[0][3:] in ("", "...") for line in lines) and "..." in lines[0]

    def test_an_empty_name_shows(self, run):
        run("train", "--model", "unigram", "--data", "names.txt", "--out", "u")
        assert "(empty)" in run("sample", "u", "-n", "99")

    def test_the_trace_shows_each_step(self, run):
        out = run("sample", "r", "--trace", "--prefix", "ze", "-n", "1")
        assert "context" in out and "the likeliest options" in out and "roll" in out and "-ze " in out
        steps = out.splitlines()[1:-1]
        name, *_ = out.splitlines()[-1].split()
        assert "ze" + "".join(line.split()[-1] for line in steps) in (name + "-", name.removesuffix("..."))
        contexts = [written.ending("-" + name[: i + 2], 28) for i in range(len(steps))]
        assert [line.split()[0] for line in steps] == contexts and contexts[-1].startswith("...")
        assert max(map(len, out.splitlines())) <= 100
        assert out.splitlines()[-1] == run("sample", "r", "--prefix", "ze", "-n", "1").strip()

    def test_lengths_and_letters(self, run):
        wanted = ("--min-length", "4", "--max-length", "9", "--must-contain", "AI", "--must-not-contain", "n")
        names = [line.split()[0].removesuffix("...") for line in run("sample", "r", *wanted).splitlines()]
        assert len(names) == 20
        for name in names:
            assert 4 <= len(name) <= 9 and "a" in name and "i" in name and "n" not in name

    def test_unique_new_names(self, run):
        lines = run("sample", "r", "-n", "60", "--unique", "--only-new").splitlines()
        assert len(set(lines)) == 60 and all(line.endswith(" new") for line in lines)

    def test_what_there_is_not_enough_of_is_printed_and_said(self, run):
        said = run("sample", "r", "--temperature", "0", "--unique", "-n", "3", code=1)
        name, sentence = said.splitlines()
        assert name == run("sample", "r", "--temperature", "0", "-n", "1").strip()
        assert sentence == (
            "tinygrad-lm: only 1 of 3 different names: the model writes no others; what was drawn has 100.0000% of the "
            "probability. Ask for fewer (-n 1) or leave out one of --unique, --temperature"
        )

    def test_too_few_say_what_was_asked_for_and_what_to_leave_out(self, run):
        few = ("sample", "r", "-n", "300", "--max-length", "1", "--unique")
        said = run(*few, "--temperature", "2", code=1).splitlines()
        assert f": only {len(said) - 1} of 300 different names: the model writes no others" in said[-1]
        assert said[-1].endswith(f"Ask for fewer (-n {len(said) - 1}) or leave out one of --unique, --max-length")
        said = run(*few, "--must-contain", "a", "--must-not-contain", "i", "--min-length", "1", code=1)
        assert ": only 1 of 300 different names with the letters asked for and as long as asked for: " in said

    @pytest.mark.parametrize(
        ("options", "kind"),
        [(("--unique",), "10 of 50 different names: "), (("--only-new",), "0 of 50 new names: ")],
    )
    def test_a_single_remedy(self, run, options, kind):
        """Of a model that writes but the names that it has learned."""
        if not Path("exact").exists():
            run("train", "--model", "7gram", "--data", "names.txt", "--smoothing", "0", "--out", "exact")
        said = run("sample", "exact", *options, "-n", "50", code=1).splitlines()[-1]
        assert f"tinygrad-lm: only {kind}" in said and said.endswith(f"eave out {options[0]}")

    def test_a_name_that_was_drawn_again_has_its_trace(self, run):
        out = run("sample", "r", "--trace", "-n", "2", "--must-not-contain", "a", "--seed", "4")
        assert "    -a" not in out and out.count("the likeliest options") == 2

    def test_the_most_probable(self, run):
        lines = run("sample", "r", "--most-probable", "6", "--prefix", "A").splitlines()
        model = runs.load(Path("r"))
        for line, (text, probability) in zip(lines, sampling.most_probable(model.model, 6, "a"), strict=True):
            mark = "in training data" if text in model.training_names else "new"
            assert line.split(maxsplit=2) == [text, f"{probability:.3e}", mark]
        assert run("sample", "r", "--most-probable", "3", "--max-length", "2") != "\n".join(lines[:3])

    def test_fewer_that_are_probable_than_asked_for(self, run):
        said = run("sample", "r", "--most-probable", "500", "--prefix", "zar", "--max-length", "4", code=1).splitlines()
        assert len(said) == 28 and "the model writes only 27 texts of at most 4 tokens" in said[-1]

    def test_the_tree(self, run):
        lines = run("sample", "r", "--tree", "2", "--prefix", "ZA").splitlines()
        assert lines[:2] == [
            "character, probability of the branch, probability of the path (...: of all others)",
            "-za",
        ]
        first = [line.split() for line in lines[2:] if line.startswith("  ") and line[2] != " "]
        assert len(first) == 6 and first[-1][0] == "..."
        assert sum(float(row[1]) for row in first) == pytest.approx(1, abs=0.004)
        root = sampling.sampling_tree(runs.load(Path("r")).model, "za", 2, 5)
        assert [row[0] for row in first[:-1]] == [branch.token for branch in root.children]
        assert (
            lines[3] == f"    {(child := root.children[0].children[0]).token} {child.probability:.3f} "
            f"{child.path_probability:.2e}"
        )

    def test_the_tree_of_what_would_be_drawn(self, run):
        lines = run("sample", "r", "--tree", "1", "--top-k", "2", "--temperature", "2").splitlines()
        assert len(lines) == 4 and sum(float(line.split()[1]) for line in lines[2:]) == pytest.approx(1, abs=0.002)
        assert run("sample", "r", "--tree", "1", "--temperature", "0").count("\n") == 3
        assert "more than 100,000 branches" in run("sample", "r", "--tree", "9", "--temperature", "100", code=1)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--must-contain", "é"), "--must-contain has 'é', which the model never writes"),
            (("--must-contain", "a", "--must-not-contain", "A"), "'a' must occur and must not occur"),
            (("--prefix", "za", "--must-not-contain", "a"), "the prefix has 'a', which must not occur"),
        ],
    )
    def test_what_cannot_be(self, run, options, words):
        assert words in run("sample", "r", *options, code=1)


def test_prefixes_are_written_as_the_names_are(run):
    run("train", "--data", "names.txt", "--model", "bigram", "--out", "r")
    assert run("sample", "r", "--prefix", "ZaR") == run("sample", "r", "--prefix", "zar")
