"""The run that several files of tests change or damage, each a copy of its own."""

import shutil
from pathlib import Path

import pytest

from tests.helpers.runs import save, stop_at, trainer


@pytest.fixture(scope="session")
def stopped(tmp_path_factory):
    """A run that was stopped after 7 of 20 steps; copy it before changing it."""
    folder = tmp_path_factory.mktemp("runs") / "stopped"
    subject = trainer()
    stop_at(subject, 7)
    save(folder, subject)
    return folder


@pytest.fixture
def folder(stopped, tmp_path):
    return Path(shutil.copytree(stopped, tmp_path / "run"))
