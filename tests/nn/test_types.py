"""What an editor knows of a user's modules: what a call takes and gives, what a list of modules holds."""

import json
import re
import subprocess
import sys

import pytest

from tests.helpers import ROOT

PROGRAM = """
from typing import assert_type

import numpy as np

from tinygrad_lm import Tensor, Value, nn
from tinygrad_lm.nn import functional as F

x, value, array = Tensor(np.zeros((2, 3))), Value(1.0), np.zeros((2, 3))


class Net(nn.Module):
    mean: np.ndarray[tuple[int, ...], np.dtype[np.float64]]

    def __init__(self) -> None:
        self.blocks = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])
        self.heads = nn.ModuleDict({"a": nn.Linear(3, 1)})
        self.later = nn.ModuleList[nn.Linear]()
        self.register_buffer("mean", np.zeros(3))

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        for block in [*self.blocks, *self.blocks[1:], *self.later]:
            x = block(x).tanh()
        return self.heads["a"](x - self.mean) * scale


net = Net()
assert_type(net(x), Tensor)
assert_type(net(x, scale=2.0), Tensor)
assert_type(nn.functional_call(net, {"mean": array}, x), Tensor)
assert_type(nn.Linear(3, 2)(array), Tensor)
assert_type(nn.Tanh()(x), Tensor)
assert_type(F.relu(value), Value)
assert_type(F.softmax(x, dim=-1), Tensor)
assert_type(F.cross_entropy(x, [0, 1], reduction="sum"), Tensor)
assert_type(nn.Sequential(net, net)[1:], nn.Sequential)
assert_type(net.blocks[0], nn.Linear)
net(x, scale="2")  # wrong: scale
net("x")  # wrong: x
net(x, 1.0, 2.0)  # wrong: positional
nn.Linear(3, 2)(x, x)  # wrong: positional
net.later.append(net)  # wrong: module
"""


@pytest.mark.slow
def test_an_editor_knows_what_a_module_is_called_with(tmp_path):
    pytest.importorskip("pyright", reason="the dev extra brings the type checker")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    config = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    found = {
        one["range"]["start"]["line"]: one["message"].partition("\n")[0]
        for one in json.loads(done.stdout)["generalDiagnostics"]
    }
    wrong = {i: line.partition("# wrong: ")[2] for i, line in enumerate(PROGRAM.splitlines()) if "# wrong" in line}
    assert found.keys() == wrong.keys(), found
    for line, word in wrong.items():
        assert re.search(rf"\b{word}\b", found[line]), found[line]
