"""The package as it is installed: what an import loads, and a wheel that works outside the checkout."""

import ast
import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import tinygrad_lm
from tests import versions
from tests.helpers import ROOT
from tests.helpers.sources import parsed


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True, **options)


def test_the_import_loads_numpy_alone():
    code = "import sys; before = set(sys.modules); import numpy, tinygrad_lm; print(*set(sys.modules) - before)"
    loaded = {name.partition(".")[0] for name in run(sys.executable, "-c", code).stdout.split()}
    third_party = {name for name in loaded if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert third_party == {"numpy", "tinygrad_lm"}


def test_what_few_programs_need_is_not_imported_with_the_engines():
    code = """
import sys, numpy
before = set(sys.modules)
import tinygrad_lm.nn
later = {"tinygrad_lm.autograd." + name for name in ("anomaly", "arrays", "custom", "grad_functions")}
assert not (set(sys.modules) - before) & {*later, "numpy.typing", "string"}
from tinygrad_lm import autograd
assert set(autograd.__all__) <= set(dir(autograd))
for name in autograd.__all__:
    assert getattr(autograd, name) is getattr(autograd, name)
assert later <= set(sys.modules) and autograd.detect_anomaly is autograd.anomaly.detect_anomaly
import visualize, tinygrad_lm.training
assert not (set(sys.modules) - before) & {"importlib.metadata", "importlib.resources"}
"""
    run(sys.executable, "-c", code)


def test_whoever_trains_does_not_load_what_writes_programs():
    code = """
import sys
from tinygrad_lm.training import Trainer
replay = sys.modules["tinygrad_lm.replay"]
names = "expressions", "listing", "scalar_source", "statements", "written"
writing = {"tinygrad_lm.replay." + name for name in names}
assert "tinygrad_lm.replay.plan" in sys.modules and not writing & set(sys.modules)
assert set(replay.__all__) <= set(dir(replay))
from tinygrad_lm.replay import Replayed, source
assert writing <= set(sys.modules) and replay.source is source is sys.modules["tinygrad_lm.replay.written"].source
"""
    run(sys.executable, "-c", code)


ROOMS = (
    *("autograd", "cli", "comparing", "models", "nn", "optim", "replay", "runs", "sampling", "testing", "text"),
    "training",
)


def test_the_rooms_are_there_when_they_are_asked_for():
    code = f"""
import sys, tinygrad_lm
rooms = {ROOMS}
assert {{*rooms, *tinygrad_lm.__all__}} <= set(dir(tinygrad_lm))
assert "tinygrad_lm.models" not in sys.modules  # looking imports nothing
for room in rooms:
    assert getattr(tinygrad_lm, room) is sys.modules["tinygrad_lm." + room]
from tinygrad_lm import Tensor, models, nn, optim, runs
print(Tensor, nn.Linear, optim.SGD, models.load, runs.load)
"""
    run(sys.executable, "-c", code)


def test_type_checkers_see_the_rooms():
    tree = ast.parse((ROOT / "tinygrad_lm" / "__init__.py").read_text(encoding="utf-8"))
    found = [
        name
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.ImportFrom) and statement.module == "tinygrad_lm"
        for name in statement.names
    ]
    assert {name.asname for name in found} == set(ROOMS)  # "import x as x" hands it on
    assert all(name.name == name.asname for name in found)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The scripts folder of a fresh environment with the wheel; what it depends on is lent by this environment."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel; the test extra brings it")
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    (wheel,) = folder.glob("*.whl")
    run(*pip, "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    own = run(python, "-c", "import site; print(site.getsitepackages()[-1])").stdout.strip()
    (Path(own) / "lent.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    return scripts


def test_the_wheel_trains_outside_the_checkout(installed, tmp_path):
    where = run(installed / "python", "-c", "import tinygrad_lm; print(tinygrad_lm.__file__)", cwd=tmp_path).stdout
    assert str(installed.parent) in where
    printed = run(installed / "tinygrad-lm", "train", "--steps", "50", cwd=tmp_path).stdout
    assert "Twenty names from the model" in printed
    assert (tmp_path / "runs" / "mlp-1" / "model.safetensors").exists()
    assert (tmp_path / "runs" / "mlp-1" / "graph.svg").exists()
    again = run(installed / "python", "-m", "tinygrad_lm", "sample", "runs/mlp-1", "-n", "3", cwd=tmp_path).stdout
    assert len(again.splitlines()) == 3


def test_the_wheel_carries_types_data_and_pictures(installed):
    package = next(installed.parent.rglob("tinygrad_lm/__init__.py")).parent
    for name in ("py.typed", "data/names.txt", "data/README.md", "../visualize/__init__.py", "../visualize/py.typed"):
        assert (package / name).exists(), name


def test_nothing_in_the_package_runs_code_from_a_file():
    forbidden = {"eval", "exec", "compile", "__import__", "pickle", "marshal", "shelve", "yaml", "dill", "joblib"}
    sources = sorted(Path(tinygrad_lm.__file__).parent.rglob("*.py"))
    assert len(sources) > 20
    for path in sources:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                used = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                used = {(node.module or "").partition(".")[0]}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                used = {node.func.id}
            elif isinstance(node, ast.keyword):
                used = {"pickle"} if node.arg == "allow_pickle" else set()
            else:
                continue
            assert not used & forbidden, f"{path}: {used & forbidden}"


class TestMinimumVersions:
    """What ``python -m tests.versions`` installs. It runs the whole suite, so the tests do not run it."""

    def test_every_requirement_has_one_lower_bound(self):
        pins = versions.minimum(versions.declared())
        assert {pin.partition("==")[0] for pin in pins} >= {"numpy", "safetensors", "tqdm", "pytest", "hypothesis"}
        assert all(pin.count("==") == 1 for pin in pins)

    def test_releases_that_do_not_work_or_are_not_safe_are_left_out(self):
        lowest = dict(pin.split("==") for pin in versions.minimum(versions.declared()))
        least = {name: tuple(map(int, version.split("."))) for name, version in lowest.items()}
        assert least["tqdm"] >= (4, 66, 3)  # CVE-2024-34062
        assert least["safetensors"] >= (0, 4, 4)  # before, a file without arrays is not read back
        assert least["hypothesis"] >= (6, 140)  # before, settings do not tell the profile's name
        assert least["hatchling"] >= (1, 27)  # before, the licence expression is not written as it should be

    @pytest.mark.parametrize("requirement", ["numpy", "numpy==2.0", "numpy>=2.0,<3", "numpy<3"])
    def test_bounds_that_are_not_understood(self, requirement):
        with pytest.raises(ValueError, match="has no lower bound"):
            versions.minimum([requirement])

    def test_two_lower_bounds(self):
        with pytest.raises(ValueError, match=r"numpy has two lower bounds: 2\.0 and 2\.1"):
            versions.minimum(["numpy>=2.0", "numpy>=2.1"])
