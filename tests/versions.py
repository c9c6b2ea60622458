"""Run the suite in fresh environments with the oldest versions that pyproject.toml allows, and with the newest.

``python -m tests.versions [--end minimum|newest|both] [--python PATH] [arguments of pytest]``. The oldest versions want
the oldest Python. Each environment is installed as a user would do it: the package with its ``test`` extra.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tests.helpers import ROOT


def declared(extra="test"):
    """What the package requires, what the extra adds, and what builds it."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = content["project"]
    return [*project["dependencies"], *project["optional-dependencies"][extra], *content["build-system"]["requires"]]


def minimum(requirements):
    """The requirements with each lower bound as the only version; ``ValueError`` for one without."""
    pins = {}
    for requirement in requirements:
        found = re.fullmatch(r"([\w.-]+)(?:\[[^\]]*\])?\s*>=\s*([\w.]+)(?:\s*;.*)?", requirement)
        if not found:
            raise ValueError(f"{requirement!r} has no lower bound, or more than that: write name>=version")
        name, version = found.groups()
        if pins.setdefault(name, version) != version:
            raise ValueError(f"{name} has two lower bounds: {pins[name]} and {version}")
    return [f"{name}=={version}" for name, version in pins.items()]


def run(end, python, arguments):
    """Build an environment and run the suite in it; pytest's exit code."""
    with tempfile.TemporaryDirectory(prefix=f"versions-{end}-") as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        inside = Path(folder) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        pip = [inside, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        if end == "minimum":
            # hatchling asks for editables by itself, in the isolation that would bring its own newest version.
            subprocess.run([*pip, *minimum(declared()), "editables"], check=True)
            subprocess.run([*pip, "--no-build-isolation", "--no-deps", "--editable", ROOT], check=True)
        else:
            subprocess.run([*pip, "--upgrade", "--editable", f"{ROOT}[test]"], check=True)
        subprocess.run([inside, "-m", "pip", "--disable-pip-version-check", "list"], check=True)
        return subprocess.run([inside, "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--end", choices=("minimum", "newest", "both"), default="both")
    parser.add_argument("--python", default=sys.executable, help="the Python of the environments")
    options, arguments = parser.parse_known_args()
    ends = ("minimum", "newest") if options.end == "both" else (options.end,)
    codes = {end: run(end, options.python, arguments) for end in ends}
    for end, code in codes.items():
        print(f"{end}: {'passed' if code == 0 else f'failed, exit code {code}'}")
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main())
