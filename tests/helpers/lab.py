"""A JupyterLab server of the tests' own: in a folder of its own, with a token, on the loopback interface alone."""

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import visualize
from tests.helpers.browser import NO_BROWSER

NO_LAB = NO_BROWSER or (
    "jupyterlab and ipykernel are not installed"
    if not all(map(importlib.util.find_spec, ("jupyterlab", "ipykernel")))
    else ""
)
"""Why the tests that need JupyterLab are skipped; empty where they are not."""

SERVER = {
    "LabApp": {"core_mode": True, "expose_app_in_browser": True, "extension_manager": "readonly", "news_url": None},
    "LanguageServerManager": {"autodetect": False},
    "ServerApp": {
        "ip": "127.0.0.1",
        "port": 0,
        "open_browser": False,
        "allow_root": True,
        "shutdown_no_activity_timeout": 300,
    },
    # Where the tests are killed, kernels and then the server end by themselves.
    "MappingKernelManager": {"cull_idle_timeout": 300, "cull_connected": True},
}
# News and updates would be asked for at other hosts.
PAGE = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}

OWN = "JUPYTER", "IPYTHON", "XDG_", "PYTHON", "COVERAGE"


class Lab:
    """A server on notebooks in ``folder``; ``close`` ends it with its kernels."""

    def __init__(self, folder):
        self.notebooks = folder / "notebooks"
        home, config, self._runtime = folder / "home", folder / "config", folder / "runtime"
        for each in (self.notebooks, home, config / "labconfig", self._runtime):
            each.mkdir(parents=True)
        self.token = secrets.token_hex(16)
        (config / "jupyter_server_config.json").write_text(json.dumps(SERVER), encoding="utf-8")
        (config / "labconfig" / "page_config.json").write_text(json.dumps(PAGE), encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(OWN)} | {
            "HOME": str(home),
            "JUPYTER_CONFIG_DIR": str(config),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self._runtime),
            "JUPYTER_TOKEN": self.token,
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
            # Kernels import the tree under test.
            "PYTHONPATH": str(Path(visualize.__file__).parents[1]),
        }
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab"],
                cwd=self.notebooks,
                env=environment,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.address = self._started(60)
        except BaseException:
            self.close()
            raise

    def _started(self, timeout):
        """The address, once the server has written where it listens."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.process.poll() is None:
            for file in self._runtime.glob("jpserver-*.json"):
                with contextlib.suppress(ValueError):  # half written
                    return json.loads(file.read_text(encoding="utf-8"))["url"]
            time.sleep(0.02)
        raise RuntimeError(f"JupyterLab did not start within {timeout} s: {self.log()[-2000:]}")

    def log(self):
        """What the server wrote."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def close(self):
        """End the server, which ends its kernels."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def link(self, name):
        """The address of JupyterLab with one notebook opened."""
        return f"{self.address}lab/tree/{name}?token={self.token}"


def notebook(*sources):
    """A notebook file's content: cells of code that have not been run."""
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    return {
        "cells": [cell | {"id": f"cell{i}", "source": source} for i, source in enumerate(sources)],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
