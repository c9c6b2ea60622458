"""``tinygrad-lm gradcheck`` as a user meets it."""

import sys

import numpy as np
import pytest

from tinygrad_lm import Value
from tinygrad_lm.autograd import graph, rules
from tinygrad_lm.testing import GradientError
from tinygrad_lm.testing.selfcheck import cases, command

FILE = """
import helper
import numpy as np
from tinygrad_lm import nn
from tinygrad_lm.autograd import custom

def layer(x, w):
    return np.tanh(x @ w)

def scalar(a):
    return a * a + helper.ONE

def roots(x):
    return np.sqrt(x)

wrong = custom.elementwise("wrong", np.sin, lambda x, out: -np.cos(x))
model = nn.Linear(4, 2, rng=np.random.default_rng(0))
number = 3
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "helper.py").write_text("ONE = 1.0\n")
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    yield str(path)
    sys.modules.pop("helper", None)


class TestFile:
    def test_function_module_and_value(self, file):
        text = command.check_file(f"{file}:layer", ["3x4", "4x2"], order=2)
        assert "gradients of layer agree" in text
        assert "w      (4, 2)  2" in text
        assert "weight" in command.check_file(f"{file}:model", ["3x4"])
        assert "gradients of scalar agree" in command.check_file(f"{file}:scalar", ["value"])
        assert "x      (5,)" in command.check_file(f"{file}:roots", ["5:0.5:2"])
        before = list(sys.path)
        command.check_file(f"{file}:scalar", ["scalar"], mode="sample", seed=3)
        assert sys.path == before

    def test_wrong_gradient(self, file):
        with pytest.raises(GradientError, match="the sign is wrong"):
            command.check_file(f"{file}:wrong", ["3"])
        with pytest.raises(GradientError, match="gave nan at index"):
            command.check_file(f"{file}:roots", ["30"])

    @pytest.mark.parametrize(
        ("name", "inputs", "message"),
        [
            ("layer", [], r"say what layer\(x, w\) is to be called with"),
            ("layer", ["3"], r"layer\(x, w\) cannot be called with 1 input: missing a required argument: 'w'"),
            ("layer", ["3", "3", "3"], "with 3 inputs: too many"),
            ("nothing", ["3"], "has no 'nothing'; it has layer, scalar, roots"),
            ("number", ["3"], "'number' in .* is int, not a function"),
            ("layer", ["3y", "3"], "'3y' does not describe an input"),
            ("layer", ["3:2:1", "3"], "'3:2:1' does not describe an input"),
            ("layer", ["3:a:1", "3"], "'3:a:1' does not describe an input"),
        ],
    )
    def test_sentences(self, file, name, inputs, message):
        with pytest.raises(ValueError, match=message):
            command.check_file(f"{file}:{name}", inputs)

    def test_files(self, tmp_path):
        with pytest.raises(ValueError, match=r"does not name a function: write path/to/file\.py:function"):
            command.check_file("mine.py", ["3"])
        with pytest.raises(FileNotFoundError, match="there is no file"):
            command.check_file(f"{tmp_path}/none.py:f", ["3"])
        text = tmp_path / "mine.txt"
        text.write_text("")
        with pytest.raises(ValueError, match="is not a Python file"):
            command.check_file(f"{text}:f", ["3"])
        broken = tmp_path / "broken.py"
        broken.write_text("1 / 0")
        with pytest.raises(ValueError, match="could not be run: ZeroDivisionError"):
            command.check_file(f"{broken}:f", ["3"])


def test_draw():
    rng = np.random.default_rng(0)
    assert command.draw("3x4", rng).shape == (3, 4)
    assert command.draw("scalar", rng).shape == ()
    assert isinstance(command.draw("value:1:1", rng), Value)
    assert command.draw("value:1:1", rng).data == 1
    low, high = np.quantile(command.draw("1000:2:3", rng), [0, 1])
    assert 2 <= low < high <= 3


class TestPackage:
    @pytest.fixture
    def few(self, monkeypatch):
        """Cases of tanh and sin alone, which take no time."""
        monkeypatch.setattr(command, "cases", lambda seed: [c for c in every(seed) if c.operation in ("sin", "tanh")])
        every = cases.cases

    @pytest.mark.usefixtures("few")
    def test_an_operation_without_a_case_is_reported(self, monkeypatch):
        monkeypatch.setattr(command, "operations", lambda: {"sin", "new"})
        with pytest.raises(GradientError, match=r"new +0 +not checked"):
            command.check_package()

    def test_new_operations_are_noticed(self, monkeypatch):
        monkeypatch.setattr(rules, "extra", graph.Operation("extra"), raising=False)
        assert "extra" in cases.operations()

    @pytest.mark.usefixtures("few")
    def test_a_wrong_operation_is_reported(self, monkeypatch):
        monkeypatch.setattr(rules.tanh, "derivatives", (lambda x, out: 1 - out,))
        with pytest.raises(GradientError, match="tanh: the gradient of tanh with respect to x is wrong"):
            command.check_package()
