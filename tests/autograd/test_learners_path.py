"""The learner's path: the files that ``v * v`` and ``.backward()`` pass through are the four that the README names."""

import re
import sys
from pathlib import Path

from tests.helpers import ROOT
from tinygrad_lm import Value
from tinygrad_lm.autograd import value as module

HERE = Path(module.__file__).parent


def files_passed(function):
    """The files of autograd in which a call runs any line, in the order in which it comes to them."""
    passed = []

    def trace(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if path.parent == HERE and path.name not in passed:
            passed.append(path.name)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return passed


def named_in_the_readme():
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Read the engine", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\d\. `tinygrad_lm/autograd/(\w+\.py)`", section, flags=re.M)


def test_four_files_in_the_order_that_the_readme_names():
    v = Value(3.0)
    passed = files_passed(lambda: (v * v).backward())
    assert v.grad == 6.0
    assert passed == named_in_the_readme()
    assert len(passed) == 4


def test_each_is_read_in_one_sitting():
    lines = {name: len((HERE / name).read_text(encoding="utf-8").splitlines()) for name in named_in_the_readme()}
    assert lines["value.py"] <= 155
    assert max(lines.values()) <= 350
