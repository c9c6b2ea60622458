"""docs/coming_from_micrograd.md: every row of its table and every example does what the page says."""

import ast
import contextlib
import io
import re

import pytest

from tests.helpers import ROOT
from tinygrad_lm import Value

PAGE = ROOT / "docs" / "coming_from_micrograd.md"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the guide is not part of this distribution")
TEXT = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
SETUP = re.search(r"Each row starts from these lines:\n\n```python\n(.*?)```", TEXT, re.DOTALL)
ROWS = re.findall(r"^\| (`?[^|]*?) \| `([^|]*)` \|(?: `([^|]*)`)? \|$", TEXT, re.MULTILINE)


def test_the_examples_print_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    found = re.findall(r"```python\n(.*?)```(?:\n\n```output\n(.*?)```)?", TEXT, re.DOTALL)
    assert len(found) >= 5
    for number, (code, expected) in enumerate(found):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"{PAGE.name} block {number}", "exec"), names)
        assert printed.getvalue() == expected, number


@pytest.mark.parametrize(("theirs", "here", "gives"), ROWS, ids=[here for _, here, _ in ROWS])
def test_every_row(theirs, here, gives, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(SETUP[1], names)
    tree = ast.parse(here)
    last = tree.body.pop()
    exec(compile(tree, here, "exec"), names)
    if not isinstance(last, ast.Expr):
        exec(compile(ast.Module([last], []), here, "exec"), names)
        assert not gives
        return
    result = eval(compile(ast.Expression(last.value), here, "eval"), names)
    if gives:
        assert repr(result) == gives
    elif ".save(" in here:
        assert (tmp_path / "c.svg").is_file()
    else:
        assert result is not None


@pytest.mark.parametrize(("word", "written"), [("_prev", "parents"), ("_op", "op"), ("_backward", "local_derivatives")])
def test_micrograds_private_words_say_what_to_write(word, written):
    v = Value(2.0) * 3
    assert hasattr(v, written) and not hasattr(v, word) and word not in dir(v)
    with pytest.raises(AttributeError, match=f"'{word}': .*{written}"):
        getattr(v, word)


@pytest.mark.parametrize("second", [(), (Value(1.0),), True, False, None, 1])
def test_children_are_no_label(second):
    """micrograd's Value(data, _children, _op), and the second argument of a Tensor."""
    with pytest.raises(TypeError, match=r"label is text.*operators"):
        Value(2.0, second)


def test_no_row_is_passed_over():
    table = TEXT[TEXT.index("| micrograd |") :].split("\n\n")[0].splitlines()
    assert len(ROWS) == len(table) - 2 >= 25
    assert sum(1 for _, _, gives in ROWS if gives) >= 20
