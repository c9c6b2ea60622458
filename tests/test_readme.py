"""The README's examples run as pasted and print what they say."""

import io
import re
import runpy
from contextlib import redirect_stdout
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```output\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_prints_what_it_says(number, tmp_path):
    code, expected = EXAMPLES[number]
    script = tmp_path / "example.py"
    script.write_text(code, encoding="utf-8")
    printed = io.StringIO()
    with redirect_stdout(printed):
        runpy.run_path(str(script))
    assert printed.getvalue() == expected


def test_there_are_examples_and_each_has_its_output():
    text = README.read_text(encoding="utf-8")
    assert len(EXAMPLES) >= 3
    assert text.count("```python") == len(EXAMPLES)


def test_every_room_of_the_map_exists():
    rooms = re.findall(r"^\| (`[^|]*`) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    names = [name for row in rooms for name in re.findall(r"`([^`]+)`", row)]
    root = README.parent
    assert len(names) >= 8
    for name in names:
        assert (root / name).exists() or (root / "tinygrad_lm" / name).exists(), name
