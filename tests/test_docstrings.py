"""Public docstrings keep to one style: a sentence, and what there is to list in sections of NumPy's; examples hold.

What ruff's rules see is left to them: that there is a docstring, its first line, and how a section is laid out.
"""

import ast
import doctest
import importlib
import re

import pytest

from tests.helpers.sources import modules, parsed

SECTIONS = (
    "Parameters",
    "Attributes",
    "Methods",
    "Returns",
    "Yields",
    "Other Parameters",
    "Raises",
    "Warns",
    "See Also",
    "Notes",
    "References",
    "Examples",
)
"""NumPy's sections in NumPy's order, as numpydoc checks it."""

DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
PROSE = re.compile(r"\b[Rr]aises (?:an? )?``[\w.]+``")
EXCEPTIONS = re.compile(r"[\w.]+(?:, [\w.]+)*")


def text_of(node):
    return ast.get_docstring(node) or ""


def documented(node, path):
    """The public modules, classes, functions and methods at and under a node that have docstrings, by dotted path."""
    if path.rpartition(".")[2].startswith("_"):
        return
    if text_of(node):
        yield path, node
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        for child in node.body:
            if isinstance(child, DEFINITIONS):
                yield from documented(child, f"{path}.{child.name}")


def sections(docstring):
    """Each underlined name with the lines under it; what comes before the first has the name ``""``."""
    lines = docstring.splitlines()
    found = [("", [])]
    for i, line in enumerate(lines):
        below = lines[i + 1] if i + 1 < len(lines) else ""
        if line and below and not below.strip("-"):
            found.append((line, []))
        elif not (line and not line.strip("-") and found[-1] == (lines[i - 1], [])):
            found[-1][1].append(line)
    return found


def entries(lines):
    """The heads of a section's entries: ``name``, or ``name : type``."""
    return [line.partition(" : ")[0] for line in lines if line and not line.startswith(" ")]


def arguments(node):
    """The names of what a function is called with, or a class is: by its constructor, or by its fields."""
    if isinstance(node, ast.ClassDef):
        made = [
            each for each in node.body if isinstance(each, ast.FunctionDef) and each.name in ("__init__", "__new__")
        ]
        fields = {
            each.target.id
            for each in node.body
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        }
        return fields.union(*map(arguments, made))
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return set()
    signature = node.args
    several = [each for each in (signature.vararg, signature.kwarg) if each]
    return {each.arg for each in (*signature.posonlyargs, *signature.args, *signature.kwonlyargs, *several)}


def errors_in_prose(node):
    """Where the docstring of a node tells of an error, but not in a section."""
    return [f"{prose!r} stands in prose; it goes into a section Raises" for prose in PROSE.findall(text_of(node))]


def faults_of_sections(node):
    """What is not as it should be in the sections of the docstring of a node."""
    found = sections(text_of(node))
    names = [name for name, _ in found[1:]]
    for name in names:
        if name not in SECTIONS:
            yield f"{name!r} is not a section of NumPy's: {', '.join(SECTIONS)}"
    known = [SECTIONS.index(name) for name in names if name in SECTIONS]
    if known != sorted(set(known)):
        yield f"the sections {', '.join(names)} are not each once and in NumPy's order"
    for name, lines in found:
        if name == "Raises":
            for entry in entries(lines):
                if not EXCEPTIONS.fullmatch(entry):
                    yield f"{entry!r} in Raises is not the name of an exception"
        elif name in ("Parameters", "Other Parameters"):
            for argument in ", ".join(entries(lines)).split(", "):
                if argument.lstrip("*") not in arguments(node):
                    yield f"{argument!r} in {name} is not an argument"


def test_the_examples_in_docstrings_give_what_they_say():
    tried = 0
    for name, path in modules().items():
        if ">>> " in path.read_text(encoding="utf-8"):
            told = doctest.testmod(importlib.import_module(name))
            assert not told.failed, name
            tried += told.attempted
    assert tried > 20


def test_docstrings_keep_to_one_style():
    all_of_them = [each for module, path in modules().items() for each in documented(parsed(path), module)]
    assert len(all_of_them) > 500
    wrong = [
        f"{name}: {fault}"
        for name, node in all_of_them
        for fault in (*faults_of_sections(node), *errors_in_prose(node))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("docstring", "expected"),
    {
        "a sentence": ("What it does.", []),
        "the word itself": ("A function that raises nothing.", []),
        "all in order": (
            "It.\n\nParameters\n----------\nx, *rest : int\n    A.\n\nRaises\n------\nE, F\n    For B.",
            [],
        ),
        "prose": ("It. Raises ``ValueError`` below 0.", ["'Raises ``ValueError``' stands in prose"]),
        "prose in a section": ("It.\n\nNotes\n-----\nRaises an ``E``.", ["'Raises an ``E``' stands in prose"]),
        "another section": ("It.\n\nThrows\n------\nE\n    Ever.", ["'Throws' is not a section of NumPy's"]),
        "another order": (
            "It.\n\nRaises\n------\nE\n    Ever.\n\nReturns\n-------\nint",
            ["the sections Raises, Returns are not"],
        ),
        "a section twice": (
            "It.\n\nRaises\n------\nE\n    Ever.\n\nRaises\n------\nF\n    Never.",
            ["the sections Raises, Raises are not"],
        ),
        "no exception": ("It.\n\nRaises\n------\nWhere x is 0.", ["'Where x is 0.' in Raises is not the name"]),
        "no argument": ("It.\n\nParameters\n----------\nx, y\n    Two.", ["'y' in Parameters is not an argument"]),
    }.values(),
)
def test_what_is_found(docstring, expected):
    (function,) = ast.parse(f"def f(x, *rest):\n    {docstring!r}").body
    found = [*errors_in_prose(function), *faults_of_sections(function)]
    assert len(found) == len(expected)
    assert all(fault.startswith(start) for fault, start in zip(found, expected, strict=True))


def test_what_is_public():
    source = "'M.'\nclass A:\n 'A.'\n def f(self):\n  'F.'\n  def inner():\n   'I.'\n def _g(self):\n  'G.'"
    assert [path for path, _ in documented(ast.parse(source), "m")] == ["m", "m.A", "m.A.f"]


def test_a_class_is_called_with_its_fields_or_its_constructor():
    by_fields, by_constructor = ast.parse("class A:\n x: int\nclass B:\n def __init__(self, y, **more): ...").body
    assert arguments(by_fields) == {"x"}
    assert arguments(by_constructor) == {"self", "y", "more"}
