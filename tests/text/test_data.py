"""Tests of data/: the bundled names keep their promises, and the script that builds them is deterministic."""

import importlib.util
import json
import re
import subprocess
import sys
from importlib import metadata, resources

import pytest

from tests.helpers import ROOT
from tinygrad_lm.text import DataError, Vocabulary, bundled_names, clean_names, files

DATA = ROOT / "data"
README = (DATA / "README.md").read_text("utf-8")
NAMES = (DATA / "names.txt").read_bytes()
FAKER_JS = "`Aarya.Abani.Anand Swarup`.split(`.`)"


@pytest.fixture(scope="module")
def build():
    """The build script as a module."""
    spec = importlib.util.spec_from_file_location("build_names", DATA / "build.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_names"] = module  # dataclasses looks its module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["build_names"]


@pytest.fixture
def built_from(build, tmp_path, monkeypatch):
    """Runs the script in an empty folder on three small sources."""
    for name in ("NAMES", "NOT_INDIAN", "FAKER_JS"):
        monkeypatch.setattr(build, name, tmp_path / getattr(build, name).name)
    monkeypatch.setattr(build, "faker", lambda: build.source("Faker", "1", ["Meera", "Andrew", "Abi"]))
    monkeypatch.setattr(build, "indian_names", lambda: build.source("indian-names", "2", ["arjun   ", "meera"]))
    (tmp_path / "not_indian.txt").write_text("# Western\nandrew\n")
    (tmp_path / "faker_js_en_in.txt").write_text(
        "# First names of the en_IN locale of @faker-js/faker 3 (MIT)\nAnand Swarup\nZoë\nKiran\n", encoding="utf-8"
    )
    return lambda *arguments: build.main(list(arguments))


def npm_package(folder, name="@faker-js/faker", licence="MIT", person=FAKER_JS):
    """An unpacked npm package with one list of female and one of generic names."""
    (folder / "dist").mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": name, "license": licence, "version": "10.6.0"}))
    lists = f"female:{person},generic:`Kiran.Abani`.split(`.`)" if person else ""
    code = f"var e={{person:{{first_name:{{{lists}}},last_name:{{generic:`Rao.Das`.split(`.`)}}}}}}"
    (folder / "dist" / "en_IN-x.js").write_text(code)
    return folder


class TestNames:
    def test_promises(self):
        assert NAMES.endswith(b"\n") and b"\r" not in NAMES
        names = NAMES.decode("ascii").splitlines()
        assert len(names) >= 1400
        assert names == sorted(set(names))
        assert all(re.fullmatch("[a-z]{4,10}", name) for name in names)

    def test_the_names_of_the_lectures_are_there(self):
        assert {"aditya", "arjun", "kiran", "krishna", "lakshmi", "meera", "nisha", "priya"} <= set(bundled_names())

    def test_no_western_name(self):
        listed = [line for line in (DATA / "not_indian.txt").read_text("utf-8").splitlines() if line[0] != "#"]
        assert listed == sorted(set(listed)) and "andrew" in listed
        assert not set(listed) & set(bundled_names())

    def test_nothing_needs_cleaning(self):
        names = bundled_names()
        cleaned = clean_names(names, Vocabulary(), min_length=4, max_length=10)
        assert list(cleaned.kept) == names and not cleaned.dropped

    def test_they_are_found_in_a_wheel_and_in_a_checkout(self, tmp_path, monkeypatch):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "names.txt").write_text("abid\nzara\n")
        monkeypatch.setattr(resources, "files", lambda package: tmp_path)
        assert bundled_names() == ["abid", "zara"]
        (tmp_path / "data" / "names.txt").unlink()
        assert bundled_names() == NAMES.decode().splitlines()
        monkeypatch.setattr(files, "__file__", str(tmp_path / "a" / "b" / "files.py"))
        with pytest.raises(DataError, match=r"not installed\. Install the package again"):
            bundled_names()


class TestReadme:
    def test_the_counts_are_those_of_the_files(self):
        assert f"`names.txt` holds {len(bundled_names()):,} Indian first names" in README
        western = [line for line in (DATA / "not_indian.txt").read_text("utf-8").splitlines() if line[0] != "#"]
        assert f"lists the {len(western)} Western names" in README

    @pytest.mark.parametrize(
        "notice",
        [
            "Copyright (c) 2012 Daniele Faraglia",
            "Copyright (c) 2022-2025",
            "Copyright (c) 2011-2020 Marak Squires",
            "Copyright (c) 2021, Shraddha Kishan Tripathi",
            "Permission is hereby granted, free of charge",
            "Redistributions in binary form must reproduce the above copyright notice",
        ],
    )
    def test_the_licence_notices_travel_with_the_names(self, notice):
        """The wheel carries README.md beside names.txt; both licences ask for their text in every copy."""
        assert notice in README


class TestBuild:
    def test_lower_case_letters_length_and_western_names(self, built_from, tmp_path, capsys):
        assert built_from() == 0
        assert (tmp_path / "names.txt").read_bytes() == b"arjun\nkiran\nmeera\n"
        assert "| Faker | 1 | 3 | 2 | 1 | 1 | 0 |" in capsys.readouterr().out

    def test_check_writes_nothing_and_fails_when_out_of_date(self, built_from, tmp_path, capsys):
        assert built_from("--check") == 1
        assert not (tmp_path / "names.txt").exists()
        assert built_from() == 0 == built_from("--check")
        (tmp_path / "names.txt").write_bytes(b"arjun\r\nkiran\r\nmeera\r\n")
        assert built_from("--check") == 1
        assert "names.txt is out of date" in capsys.readouterr().err

    def test_a_stale_western_name_is_reported(self, built_from, tmp_path, capsys):
        (tmp_path / "not_indian.txt").write_text("andrew\nbob\n")
        assert built_from() == 1
        assert "names that no source has: bob" in capsys.readouterr().err

    def test_faker_js_is_copied(self, build, built_from, tmp_path):
        package = npm_package(tmp_path / "package")
        assert built_from("--check", "--faker-js", str(package)) == 1
        assert built_from("--faker-js", str(package)) == 0
        copy = (tmp_path / "faker_js_en_in.txt").read_text("utf-8").splitlines()
        assert copy[0].endswith("@faker-js/faker 10.6.0 (MIT)")
        assert copy[1:] == ["Aarya", "Abani", "Anand Swarup", "Kiran"]
        assert (tmp_path / "names.txt").read_bytes() == b"aarya\nabani\narjun\nkiran\nmeera\n"

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"licence": "GPL-3.0"}, "under licence GPL-3.0"),
            ({"name": "left-pad"}, "holds left-pad"),
            ({"person": ""}, "no en_IN names found"),
        ],
    )
    def test_another_package_is_refused(self, built_from, tmp_path, capsys, changes, message):
        assert built_from("--faker-js", str(npm_package(tmp_path / "package", **changes))) == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / "names.txt").exists()

    def test_missing_sources_are_named(self, build, built_from, monkeypatch, capsys):
        def missing():
            raise ModuleNotFoundError("No module named 'faker'")

        monkeypatch.setattr(build, "faker", missing)
        assert built_from() == 1
        assert "python -m pip install Faker indian-names" in capsys.readouterr().err
        assert built_from("--faker-js", "/no/such/folder") == 1

    def test_the_bundled_list_is_up_to_date(self):
        pytest.importorskip("faker", reason="Faker is not installed (extra: data)")
        pytest.importorskip("indian_names", reason="indian-names is not installed (extra: data)")
        for package in ("Faker", "indian-names"):
            if f"| {package} | {metadata.version(package)} |" not in README:
                pytest.skip(f"the list was built from another version of {package}")
        command = [sys.executable, str(DATA / "build.py"), "--check"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        table, _, total = done.stdout.strip().rpartition("\n")
        assert table in README
        assert total == f"names.txt: {len(bundled_names())} names"
