"""Tests of the benchmark command: all rows run on tiny sizes without another package; what is made of the numbers."""

import json
import subprocess
import sys

import pytest

from benchmarks import children, goals, steps, table, timing
from benchmarks.__main__ import chosen
from benchmarks.contestants import peers
from benchmarks.entries import EAGER, IN_BLOCKS, OURS, REPLAYED, Entry, exponent
from benchmarks.rows.microgpt import PLAIN
from tests.helpers import ROOT

MLP = Entry("mlp-sgd-32", "a step", {EAGER: [4e-6, 6e-6, 5e-6], "PyTorch": [2e-5, 3e-5, 5e-5]})


def test_every_row_runs_and_learns_what_it_is_to_learn(tmp_path):
    words = [sys.executable, "-m", "benchmarks", "--smoke", "--json", str(tmp_path / "found.json")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["goals"] == []
    entries = {entry["key"]: entry for entry in found["entries"]}
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == len(entries) + 1 == len(found["entries"]) + 1
    for entry in entries.values():
        ways = set(entry["medians"])
        assert EAGER in ways
        assert entry["key"] == "threads" or ways <= {*OURS, "NumPy by hand", PLAIN}
        assert all(value > 0 for value in entry["medians"].values())
        assert all(off <= steps.TOLERANCE for off in entry.get("losses_off_by", {}).values())
        assert "other losses" not in entry["note"]
    assert IN_BLOCKS in entries["mlp-sgd-256"]["medians"]
    assert entries["mlp-sgd-32"]["losses_off_by"].keys() >= {"NumPy by hand"}
    assert entries["microgpt-collecting"]["losses_off_by"][PLAIN] <= 1e-9
    assert peers.left_out(timing.TINY)[0] in done.stdout


class TestRows:
    def test_are_chosen_by_their_names(self):
        assert chosen("mlp,lstm") == ["mlp", "lstm"]

    def test_that_there_are_not_are_refused(self):
        with pytest.raises(Exception, match="'lstmm' is no row; there are mlp"):
            chosen("mlp,lstmm")


class TestTimes:
    def test_are_taken_in_turns_of_any_order(self):
        calls = []
        ways = {name: lambda name=name: calls.append(name) for name in "ab"}
        times = timing.race(ways, timing.Effort(rounds=3, seconds=0.0))
        assert {name: len(found) for name, found in times.items()} == {"a": 3, "b": 3}
        rounds = ["".join(calls[start : start + 2]) for start in range(2, 8, 2)]
        assert set(rounds) == {"ab", "ba"} and len(calls) == 8

    def test_are_compared_round_by_round(self):
        assert timing.ratio({"a": [1.0, 4.0, 9.0], "b": [1.0, 2.0, 3.0]}, "a", "b") == 2.0

    def test_grow_by_a_power(self):
        assert exponent([1, 10, 100], [3.0, 300.0, 30000.0]) == pytest.approx(2)

    @pytest.mark.parametrize(
        ("value", "unit", "text"),
        [
            (2.54e-4, "s", "254 us"),
            (0.0123456, "s", "12.3 ms"),
            (1234.0, "s", "1234 s"),
            (2e-9, "s", "0.002 us"),
            (99_960_000, "bytes", "100 MB"),
            (12.0, "bytes", "12 B"),
        ],
    )
    def test_are_shown_with_their_unit(self, value, unit, text):
        assert table.shown(value, unit) == text


def test_imports_are_timed_of_files_that_are_compiled(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "compiled_once.py").write_text("")
    assert children.seconds_of("import compiled_once") > 0
    assert [file.name.partition(".")[0] for file in tmp_path.glob("__pycache__/*.pyc")] == ["compiled_once"]


class TestGoals:
    def test_are_judged_by_the_median_of_the_ratios(self):
        (verdict,) = goals.verdicts(MLP)
        assert verdict.value == pytest.approx(0.2) and not verdict.met
        assert table.said(verdict) == "PyTorch 0.20 of 0.18: **missed by 11%**"

    def test_are_of_the_replayed_way_where_there_is_one(self):
        times = {**MLP.times, REPLAYED: [2e-6, 3e-6, 2.5e-6]}
        (verdict,) = goals.verdicts(Entry(MLP.key, MLP.title, times))
        assert table.said(verdict) == "PyTorch 0.10 of 0.18: met by 44%"

    def test_may_be_seconds(self):
        (verdict,) = goals.verdicts(Entry("import-engines", "import", {EAGER: [0.045]}))
        assert table.said(verdict) == "45 ms of 30 ms: **missed by 50%**"

    def test_are_told_in_the_row_that_they_are_about(self):
        row = "| a step | 5 us |  | PyTorch 30 us (0.20) | PyTorch 0.20 of 0.18: **missed by 11%** |  |"
        assert table.line(MLP, goals.verdicts(MLP)) == row
        assert table.line(Entry("other", "another", {EAGER: [1.0]}, note="a note"), []) == (
            "| another | 1 s |  |  |  | a note |"
        )


class TestLosses:
    def test_that_agree_are_told_so(self):
        assert steps.agreement({EAGER: [1.0, 2.0], "PyTorch": [1.0, 2.000002]})[0] == (
            "losses of 2 steps agree to 1e-06"
        )
        assert steps.agreement({EAGER: [1.0, 2.0], REPLAYED: [1.0, 2.0]})[0] == "losses of 2 steps are the same"
        assert steps.agreement({EAGER: [1.0]}) == ("", {})

    @pytest.mark.parametrize("loss", [2.1, float("nan")])
    def test_that_do_not_are_told_so(self, loss):
        note, _ = steps.agreement({EAGER: [1.0, 2.0], "PyTorch": [1.0, loss], "JAX jit": [1.0, 2.0]})
        assert note.startswith("**PyTorch: other losses**") and "JAX" not in note


def test_a_package_that_is_not_installed_is_left_out_with_a_sentence(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None if name == "jax" else object())
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    assert peers.left_out(timing.Effort()) == [
        "jax is left out: it is not installed (pip install -r benchmarks/requirements.txt).",
        "torch.compile is left out: there is no C++ compiler.",
    ]
