"""What is done in a process of its own, which nothing that was done before can help or hinder.

    python -m benchmarks.children MODULE FUNCTION ARGUMENTS

calls a function, with the arguments as a list in JSON, and prints what it gives as JSON.
"""

import importlib
import json
import os
import subprocess
import sys
from typing import Any

from threadpoolctl import threadpool_limits


def call(module: str, function: str, *arguments: object) -> Any:
    """What a function gives in a new process, on the cores that this one may use."""
    return json.loads(printed("-m", "benchmarks.children", module, function, json.dumps(arguments)))


def seconds_of(statement: str) -> float:
    """How long a statement takes in a new process that has imported NumPy, and nothing of this package."""
    return float(
        printed(
            "-c",
            f"import numpy, time\nstarted = time.perf_counter()\n{statement}\nprint(time.perf_counter() - started)",
        )
    )


def printed(*words: str, **variables: str) -> str:
    """The last line that Python prints, with some variables in its environment; those that are empty are left out.

    It keeps compiled files even where this process was told not to.
    """
    told = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **variables}
    environment = {name: value for name, value in told.items() if value}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(words)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.splitlines()[-1]


def main(module: str, function: str, arguments: str) -> None:
    """Call it, and print what it gives."""
    with threadpool_limits(1):
        print(json.dumps(getattr(importlib.import_module(module), function)(*json.loads(arguments))))


if __name__ == "__main__":
    main(*sys.argv[1:])
