"""Tests of ``tinygrad-lm source``: a user's function as a program."""

import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_lm import cli

MODEL = """
import numpy as np
from tinygrad_lm import Tensor, nn
from tinygrad_lm.autograd import custom

layer = nn.Linear(4, 2, rng=0)
doubled = custom.operation("doubled", lambda x: 2 * x, lambda g, out, x: 2 * g)

def loss(x, w):
    h = np.tanh(x @ w)
    return h.sum()

def of_layer(x):
    return layer(x).sum()

def product(*factors):
    return factors[0] * factors[1]

def number(x):
    return x.sum().item()

def own(x):
    return doubled(x).sum()

def leaf(x):
    return x

def fails(x):
    raise KeyError("no such key")
"""

LOSS = '''\
"""A graph, and its gradients."""

import numpy as np


def gradients(x, w):
    """The loss, and its derivative with respect to each parameter: d_x is d loss / d x.

    x  (3, 4) float64
    w  (4,) float64
    """
    # forward
    product = x @ w
    h = np.tanh(product)
    loss = h.sum()

    # backward
    d_loss = np.float64(1.0)
    d_product = d_loss * (1 - h * h)
    d_x = d_product.reshape(3, 1) @ w.reshape(1, 4)  # d loss / d x
    d_w = (x.T @ d_product.reshape(3, 1)).reshape(-1)  # d loss / d w

    return loss, {"x": d_x, "w": d_w}
'''


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Run the command in a folder with a file of functions; its exit code, output and errors."""
    (tmp_path / "mine.py").write_text(MODEL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = cli.main(["source", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def test_the_program_is_printed(call):
    assert call("mine.py:loss", "--input", "3x4", "--input", "4") == (0, LOSS, "")


def test_the_program_is_written_into_a_new_file(call):
    given = ("mine.py:loss", "--input", "3x4", "--input", "4", "--out", "by_hand.py")
    assert call(*given) == (0, "Written to by_hand.py.\n", "")
    assert Path("by_hand.py").read_text(encoding="utf-8") == LOSS
    Path("by_hand.py").write_text("mine", encoding="utf-8")
    assert call(*given) == (1, "", "tinygrad-lm: by_hand.py is there already; give another --out\n")
    assert Path("by_hand.py").read_text(encoding="utf-8") == "mine"


def test_the_program_runs_without_the_package(call):
    call("mine.py:of_layer", "--input", "3x4", "--out", "by_hand.py")
    code = "import sys; sys.path.insert(0, '.'); sys.modules['tinygrad_lm'] = None; import numpy as np, by_hand\n"
    code += "loss, d = by_hand.gradients(np.ones((3, 4)), np.ones((2, 4), 'f4'), np.zeros(2, 'f4'))\n"
    code += "print(loss, d['x'].sum(), d['weight'].tolist()[0], d['bias'].tolist())"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "24.0 24.0 [3.0, 3.0, 3.0, 3.0] [3.0, 3.0]\n"


def test_values_are_written_as_assignments_with_the_numbers_of_the_seed(call):
    given = ("mine.py:product", "--input", "value:2:2", "--input", "value")
    _, out, _ = call(*given)
    assert "factors_1 = 2.0" in out and "d_factors_2 = d_out * factors_1" in out
    assert call(*given)[1] == out == call(*given, "--seed", "0")[1] != call(*given, "--seed", "1")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["mine.py:loss"], 1, ["say what loss(x, w) is to be called with", "--input 3x4"]),
        (["mine.py:loss", "--input", "3x4"], 1, ["give one --input for each argument"]),
        (["mine.py:loss", "--input", "3x"], 1, ["'3x' does not describe an input"]),
        (["mine.py:nothing", "--input", "3"], 1, ["has no 'nothing'"]),
        (["other.py:loss", "--input", "3"], 1, ["there is no file"]),
        (["mine.py:number", "--input", "3"], 1, ["number gives float", "one Tensor or Value"]),
        (["mine.py:own", "--input", "3"], 1, ["'doubled' has no formulas that can be written down"]),
        (["mine.py:leaf", "--input", "3"], 1, ["this tensor is a leaf"]),
        (["mine.py:fails", "--input", "3"], 1, ["KeyError", "no such key", "mine.py, line 29"]),
        ([], 2, ["FILE:FUNCTION"]),
        (["mine.py:loss", "--seed", "x"], 2, ["--seed"]),
    ],
)
def test_refusals(call, arguments, code, words):
    found, out, err = call(*arguments)
    assert (found, out) == (code, "")
    for word in words:
        assert word in err
