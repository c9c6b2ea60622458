"""The README's examples run as pasted and print what they say."""

import importlib.util
import io
import re
import runpy
from contextlib import chdir, redirect_stdout
from functools import cache

import numpy as np
import pytest

from tests.helpers import ROOT
from tests.helpers.families import kept
from tinygrad_lm.testing import check_gradients

README = ROOT / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```output\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run an example by its number, once: what it printed, and the names that it left."""

    @cache
    def run_example(number):
        folder = tmp_path_factory.mktemp("example")
        script = folder / "example.py"
        script.write_text(EXAMPLES[number][0], encoding="utf-8")
        printed = io.StringIO()
        with chdir(folder), redirect_stdout(printed), kept():
            names = runpy.run_path(str(script))
        return printed.getvalue(), names

    return run_example


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_prints_what_it_says(number, run):
    assert run(number)[0] == EXAMPLES[number][1]


def test_the_functions_of_the_examples_pass_the_checker(run):
    names = {name: value for number in range(len(EXAMPLES)) for name, value in run(number)[1].items()}
    model, examples = names["model"], names["trainer"].examples
    inputs, targets = examples.contexts[:8], examples.targets[:8]
    model.to(np.float64)
    parameters = {name: parameter.data for name, parameter in model.named_parameters()}

    def loss(bias):
        from tinygrad_lm import nn

        logits = nn.functional_call(model, {"output.bias": bias}, inputs)
        return nn.functional.cross_entropy(logits, targets)

    rng = np.random.default_rng(1)
    for order in (1, 2):
        check_gradients(names["loss_of"], rng.normal(size=(2, 3)), order=order)
        check_gradients(names["right"], rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), order=order)
        check_gradients(loss, parameters["output.bias"], order=order)


def test_there_are_examples_and_each_has_its_output():
    text = README.read_text(encoding="utf-8")
    assert len(EXAMPLES) >= 5
    assert text.count("```python") == len(EXAMPLES)


def rooms():
    rows = re.findall(r"^\| (`[^|]*`) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_every_part_of_the_package_and_every_guide_is_named():
    package, docs = README.parent / "tinygrad_lm", README.parent / "docs"
    parts = {path.name for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    named = {name.rstrip("/").removeprefix("tinygrad_lm/") for name in rooms()}
    assert parts - named - {"__init__.py", "__main__.py"} == set()
    text = README.read_text(encoding="utf-8")
    assert [page.name for page in docs.glob("*.md") if f"](docs/{page.name})" not in text] == []


def test_every_room_of_the_map_exists():
    names, root = rooms(), README.parent
    assert len(names) >= 8
    for name in names:
        assert (root / name).exists() or (root / "tinygrad_lm" / name).exists(), name


def test_every_module_that_is_typed_can_be_found():
    for page in (README, *sorted((README.parent / "docs").rglob("*.md"))):
        for module in re.findall(r"python -m ((?:benchmarks|tests)[\w.]*)", page.read_text(encoding="utf-8")):
            assert importlib.util.find_spec(module) is not None, f"{page.name}: python -m {module}"
