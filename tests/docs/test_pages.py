"""The documentation's examples run as pasted and print what the pages say."""

import contextlib
import doctest
import importlib
import io
import linecache
import re
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import ROOT
from tinygrad_lm import models, text
from tinygrad_lm.nn import evaluating

DOCS = ROOT / "docs"
PAGES = [
    "checking_gradients.md",
    "custom_operations.md",
    "coming_from_pytorch.md",
    "name_lab.md",
    "counting.md",
    "mixing.md",
    "sampling.md",
    "your_own_model.md",
    "your_own_rnn.md",
    "your_own_transformer.md",
    "your_own_tokenizer.md",
    "text.md",
    "training.md",
    "saving.md",
    "source.md",
    "scale.md",
    "speed.md",
    "lectures.md",
    "lectures/level2.md",
    "lectures/level3.md",
    "lectures/level4.md",
    "lectures/level5.md",
    "lectures/level6.md",
]
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")


def blocks(page):
    """The Python blocks of a page, each with the output that follows it, if one does."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)
    for i, (kind, body) in enumerate(found):
        if kind == "python":
            following = found[i + 1] if i + 1 < len(found) else ("", "")
            yield body, following[1] if following[0] == "output" else None


def same(printed, expected):
    """The same text, with numbers equal to the digits that differ between machines, and without a worst index."""
    printed, expected = (re.sub(r"(e-\d\d) at \[[\d, ]*\]", r"\1", text) for text in (printed, expected))
    printed, expected = (re.sub(r"[- ]{2,}", "  ", text) for text in (printed, expected))
    texts = [NUMBER.sub("#", text).split() for text in (printed, expected)]
    numbers = [list(map(float, NUMBER.findall(text))) for text in (printed, expected)]
    return texts[0] == texts[1] and numbers[0] == pytest.approx(numbers[1], rel=1e-6, abs=1e-8)


@pytest.mark.usefixtures("families")
@pytest.mark.parametrize("page", PAGES)
def test_examples(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # one saves a model
    names = {"__name__": "docs"}
    for i, (code, expected) in enumerate(blocks(page)):
        file = f"{page} block {i}"
        linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(code, file, "exec"), names)
        printed = output.getvalue()
        if expected is not None or printed:
            assert same(printed, expected or ""), f"{page}, block {i} printed:\n{printed}"


@pytest.mark.parametrize("page", ["your_own_rnn.md", "your_own_transformer.md"])
def test_a_model_of_ones_own_takes_sixty_lines(page):
    code = "".join(code for code, _ in blocks(page))
    assert 40 < sum(bool(line.strip()) for line in code.splitlines()) <= 60
    for word in ("Trainer(", ".save(", "models.load(", "sampling.samples(", ".resume("):
        assert word in code


def test_every_guide_is_run_by_a_test():
    others = {"beside_other_pictures.md", "coming_from_micrograd.md", "gallery.md"}  # by modules of their own
    assert {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - others == set(PAGES)


def test_weights_go_to_pytorch(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch reads the weights of a run where it is installed")
    monkeypatch.chdir(tmp_path)
    model = models.LSTM(text.Vocabulary(), rng=0)
    Path("runs/lstm-1").mkdir(parents=True)
    model.save("runs/lstm-1/model.safetensors")
    page = (DOCS / "scale.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```text\n(import torch.*?)^```$", page, re.M | re.S)
    names = {}
    exec(compile(code, "scale.md", "exec"), names)
    tokens = np.array([[26, 0, 13, 0, 12]])
    with evaluating(model):
        expected = model(tokens).data
    np.testing.assert_allclose(names["names"](torch.tensor(tokens)).detach().numpy(), expected, atol=1e-5)


def test_links_between_pages_lead_somewhere():
    for page in DOCS.rglob("*.md"):
        prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)#]+)", prose):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_row_of_the_lectures_table_has_a_verdict():
    text = (DOCS / "lectures.md").read_text(encoding="utf-8")
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if re.match(r"\| (\[\d\]|\d)", line)]
    assert len(rows) >= 30
    assert all(len(row) == 4 for row in rows)
    assert all(row[3].strip().startswith(("agrees", "rounding", "the slide is wrong", "no number")) for row in rows)
    assert {row[0].strip()[1] for row in rows if "[" in row[0]} == {"2", "3", "4", "5", "6"}


@pytest.mark.parametrize("name", ["tinygrad_lm.autograd.custom", "tinygrad_lm.autograd.anomaly"])
def test_docstrings(name):
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted
    assert not outcome.failed
