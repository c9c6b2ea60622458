"""Tests of the one style of docstrings: a sentence first, and NumPy's sections for errors, in NumPy's order."""

import ast
import re

import pytest

from tests.helpers import ROOT

SECTIONS = (
    "Parameters", "Attributes", "Returns", "Yields", "Receives", "Other Parameters", "Raises", "Warns", "Warnings",
    "See Also", "Notes", "References", "Examples", "Methods",
)  # fmt: skip
FILES = sorted(path for package in ("tinygrad_lm", "visualize") for path in (ROOT / package).rglob("*.py"))


def public(tree, above=""):
    """Every public class and function with its dotted name; what stands in a function is not reached from outside."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if not node.name.startswith("_") or node.name.startswith("__"):
                name = f"{above}.{node.name}" if above else node.name
                yield name, node
                if isinstance(node, ast.ClassDef):
                    yield from public(node, name)
        elif isinstance(node, (ast.If, ast.Try)):
            yield from public(node, above)


def faults(text):
    """What is wrong with a docstring."""
    lines = text.splitlines()
    if not lines[0].rstrip().endswith((".", "?", ":", ".)")):
        yield "the first line is no sentence"
    if re.search(r"(?:^|[.;:]\s+|\n\s*)[Rr]aises\s+``", text):
        yield "errors are told in prose: they have a section, Raises"
    found = [
        (lines[i - 1], line) for i, line in enumerate(lines) if i and line and not line.strip("-") and len(line) > 2
    ]
    for title, line in found:
        if title not in SECTIONS:
            yield f"NumPy has no section {title!r}"
        elif len(title) != len(line):
            yield f"the line below {title} is {len(line)} long"
    order = [SECTIONS.index(title) for title, _ in found if title in SECTIONS]
    if order != sorted(set(order)):
        yield "the sections are not in NumPy's order"
    for title in ("Raises", "Parameters"):
        if re.search(rf"^{title}:?$\n(?!-)", text, re.MULTILINE):
            yield f"{title} is not underlined"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_docstrings(path):
    found = []
    for name, node in public(ast.parse(path.read_text(encoding="utf-8"))):
        text = ast.get_docstring(node)
        found += [f"{name}: {fault}" for fault in faults(text)] if text else []
    assert found == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("No sentence", "no sentence"),
        ("What it does. Raises ``ValueError`` for a bad one.", "in prose"),
        ("What it does; raises ``ValueError`` for a bad one.", "in prose"),
        ("What it does.\n\nRaises ``ValueError``\nfor a bad one.", "in prose"),
        ("What it does.\n\nErrors\n------\nValueError\n    For a bad one.", "no section 'Errors'"),
        ("What it does.\n\nRaises\n-----\nValueError\n    For a bad one.", "is 5 long"),
        ("What it does.\n\nRaises\n------\nA\n    B.\n\nParameters\n----------\nx\n    Y.", "order"),
        ("What it does.\n\nRaises\nValueError", "not underlined"),
    ],
)
def test_each_fault_is_found(text, words):
    assert any(words in fault for fault in faults(text))


def test_what_is_right_passes():
    text = "What it does.\n\nParameters\n----------\nx\n    What.\n\nRaises\n------\nValueError\n    For a bad one."
    assert list(faults(text)) == []
    assert sum(len(list(public(ast.parse(path.read_text(encoding="utf-8"))))) for path in FILES) > 500
