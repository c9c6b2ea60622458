"""The machine that is measured on: one core of it, and what it is, for the table."""

import importlib.metadata
import os
import platform
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info


def pin() -> None:
    """Keep this process, and those that it starts, on one core, where the system can do that.

    The last of those that it may use: the first has most of what else the system does. What counts its threads by the
    cores that it may use, as JAX does, has to be imported after this.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def about(packages: tuple[str, ...]) -> dict[str, object]:
    """The machine, its BLAS, and the versions of what is installed of some packages."""
    kernels = [
        f"{pool['internal_api']} {pool.get('version')}, {pool.get('architecture', pool.get('threading_layer', ''))}"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "pinned": _cores(),
        "kernels": sorted(set(kernels)),
        "versions": {"Python": platform.python_version(), "NumPy": np.__version__, **_versions(packages)},
    }


def told(found: dict[str, object]) -> str:
    """What ``about`` found as a sentence."""
    kernels, versions = found["kernels"], found["versions"]
    assert isinstance(kernels, list) and isinstance(versions, dict)
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{found['machine']}, on {found['pinned']}; BLAS on one thread: {'; '.join(kernels)}; {named}."


def _cores() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return "one core" if cores == 1 else f"{cores} cores (not pinned)"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
