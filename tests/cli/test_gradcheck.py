"""Tests of ``tinygrad-lm gradcheck``: of a user's function and of the package."""

import sys

import pytest

from tinygrad_lm import cli

SOURCE = """
import sys
import numpy as np

def right(x, w):
    return np.tanh(x @ w).sum()

def wrong(x):
    return (x.data * x).sum()

def cubed(v):
    return v ** 3

def fails(x):
    raise KeyError("no such key")

def does_not_fit(x):
    return x @ np.ones((7, 7))

def elsewhere(x):
    import neighbour_of_mine
    return neighbour_of_mine.fails(x)
"""
NEIGHBOUR = """
def fails(x):
    return x.nothing
"""


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Run a command in a folder with a file of functions; its exit code, output and errors."""
    (tmp_path / "mine.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "neighbour_of_mine.py").write_text(NEIGHBOUR, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "neighbour_of_mine", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = cli.main(list(arguments))
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def test_a_right_function(call):
    code, out, _ = call("gradcheck", "mine.py:right", "--input", "3x4", "--input", "4", "--order", "2")
    assert code == 0
    assert "12 of 12 elements" in out
    assert "4 of 4 elements" in out


def test_a_function_of_a_value(call):
    assert call("gradcheck", "mine.py:cubed", "--input", "value")[0] == 0


def test_a_wrong_function_is_a_failure_that_says_where(call):
    code, out, _ = call("gradcheck", "mine.py:wrong", "--input", "3", "--seed", "1")
    assert code == 1
    assert "wrong:" in out
    assert "hint:" in out
    assert "seed=1" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["mine.py:fails", "--input", "2"], 1, ["KeyError", "no such key", "mine.py, line 15"]),
        (["mine.py:does_not_fit", "--input", "2"], 1, ["ValueError: matmul", "mine.py, line 18"]),
        (["mine.py:elsewhere", "--input", "2"], 1, ["no attribute 'nothing'", "neighbour_of_mine.py, line 3"]),
        (["mine.py:nothing", "--input", "2"], 1, ["has no 'nothing'", "right"]),
        (["mine.py", "--input", "2"], 1, ["path/to/file.py:function", "does not name a function"]),
        (["other.py:f", "--input", "2"], 1, ["no file"]),
        (["mine.py:right"], 1, ["--input 3x4"]),
        (["mine.py:right", "--input", "3x"], 1, ["does not describe an input"]),
        (["mine.py:right", "--input", "2"], 1, ["one --input for each argument"]),
        (["mine.py:right", "--order", "3"], 2, ["--order"]),
        (["--input", "2"], 2, ["--input is for a function of your own"]),
        (["--order", "2"], 2, ["--order is for a function of your own"]),
    ],
)
def test_refusals(call, arguments, code, words):
    found, _, err = call("gradcheck", *arguments)
    assert found == code
    for word in words:
        assert word in err


def test_a_file_that_leaves_python_is_a_failure(call, tmp_path):
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(3)\n", encoding="utf-8")
    code, _, err = call("gradcheck", "leaves.py:f", "--input", "2")
    assert code == 1
    assert "could not be run: SystemExit" in err


def test_every_operation_of_the_package_is_checked_and_right(call):
    code, out, _ = call("gradcheck")
    assert code == 0
    assert "operations agree with numeric derivatives" in out and "not checked" not in out
    assert max(map(len, out.splitlines())) <= 80
    for operation in ("matmul", "cross_entropy", "softmax", "tanh", "einsum"):
        assert operation in out
