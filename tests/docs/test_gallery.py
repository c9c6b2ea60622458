"""Tests of the gallery: it is drawn anew, holds what it promises, and the README's pictures come from it."""

import re
import subprocess
import sys

import pytest

from tests.helpers import ROOT

SCRIPT = ROOT / "docs" / "gallery.py"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="the gallery script is not part of this distribution")


def run(*arguments):
    subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)], cwd=ROOT, check=True, capture_output=True)


def test_the_gallery_is_one_page_that_needs_nothing_else(tmp_path):
    run(tmp_path / "gallery.html")
    text = (tmp_path / "gallery.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    for title in (
        "A neuron",
        "The diamond",
        "Softmax with cross-entropy",
        "The MLP language model, collapsed",
        "opened to depth 1",
        "opened to depth 2",
        "number by number",
        "50 steps",
        "29 steps",
        "The sum of 200 numbers",
        "Stale numbers",
        "Nan within a closed module",
        "Architecture: an attention block",
        "Arrays as small pictures",
        "An operation of the user",
        "Theme: dark",
        "Engine: builtin",
        "Hostile labels",
        "The plan of a training step, light",
        "A graph of 100,003 nodes",
        "The stepper: wrong order",
        "The same in a terminal",
    ):
        assert any(title in found for found in titles), title
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
    assert not re.search(r"<(link|iframe|a)\b", text)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in re.findall(r'<img src="([^"]*)"', text))
    assert text.count("<img") == text.count('<img src="data:')


def test_the_pictures_of_the_readme_come_from_the_gallery(tmp_path):
    run("--readme", tmp_path)
    pictures = sorted(path.name for path in tmp_path.iterdir())
    assert pictures == sorted(path.name for path in (ROOT / "docs" / "pictures").glob("*.svg"))
    # Of these two every number is Python's own arithmetic, the same on every machine.
    for name in ("neuron.svg", "recurrence.svg"):
        assert (tmp_path / name).read_bytes() == (ROOT / "docs" / "pictures" / name).read_bytes()
