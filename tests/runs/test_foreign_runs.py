"""Tests of run folders that somebody else made: links, pipes, full disks and huge files."""

import errno
import json
import os
import shutil
import sys
import tracemalloc
import unicodedata
from pathlib import Path

import pytest

from tests.helpers.runs import NAMES, save, stop_at, trainer
from tinygrad_lm import cli, runs
from tinygrad_lm.models import MLP, ModelFileError, NGram, disk, files
from tinygrad_lm.text import DataError, Vocabulary
from tinygrad_lm.text.vocabulary import MAX_TOKEN
from tinygrad_lm.training import Report

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes are POSIX")
FAST = ("--steps", "4", "--hidden", "3", "--batch-size", "8")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("\n".join(NAMES), encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    subject = trainer()
    stop_at(subject, 7)
    save(tmp_path / "r", subject)
    return tmp_path / "r"


@pytest.fixture
def refused(capsys):
    def fail(*arguments):
        capsys.readouterr()
        code, err = cli.main([str(argument) for argument in arguments]), capsys.readouterr().err
        assert code == 1 and err.startswith("tinygrad-lm: ") and err.count("\n") == 1, err
        return err

    return fail


class TestFolders:
    @POSIX
    def test_a_link_that_leads_nowhere(self, refused):
        Path("runs").symlink_to("/nonexistent/place")
        assert "runs is there and is no folder; remove it, or say where" in refused("train", "--model", "bigram")
        assert "runs is there and is no folder; give another --out" in refused(
            "train", "--model", "bigram", "--out", "runs"
        )

    def test_a_file(self, refused):
        Path("runs").touch()
        assert "runs is there and is no folder" in refused("train", "--model", "bigram")
        assert "names.txt" in refused("train", "--model", "bigram", "--out", "names.txt/r")

    @POSIX
    def test_a_number_that_a_link_to_nowhere_takes(self):
        Path("runs").mkdir()
        Path("runs/mlp-1").symlink_to("/nonexistent/place")
        Path("runs/mlp-2").touch()
        assert runs.new_folder(None, "mlp") == Path("runs/mlp-3")

    def test_a_thousand_runs(self, monkeypatch):
        Path("runs").mkdir()
        for number in range(1, 1_001):
            Path("runs", f"mlp-{number}").touch()
        tried, whole = [], Path.mkdir

        def mkdir(path, *arguments, **options):
            tried.append(path)
            return whole(path, *arguments, **options)

        monkeypatch.setattr(Path, "mkdir", mkdir)
        assert runs.new_folder(None, "mlp") == Path("runs/mlp-1001")
        assert len(tried) == 2

    def test_another_process_that_takes_the_number_first(self, monkeypatch):
        whole = Path.mkdir

        def mkdir(path, *arguments, **options):
            if path.name == "mlp-1":
                whole(path)
            return whole(path, *arguments, **options)

        monkeypatch.setattr(Path, "mkdir", mkdir)
        assert runs.new_folder(None, "mlp") == Path("runs/mlp-2")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
    def test_where_nobody_may_write(self, refused):
        Path("runs").mkdir(mode=0o500)
        assert "Permission denied" in refused("train", "--model", "bigram")


REPORT = Report(5, 1.0, 2.0, 0.1, 3.0)


def append(folder, name):
    """A line more in log.txt or metrics.csv."""
    if name == runs.LOG:
        runs.append_log(folder, "x")
    else:
        runs.append_metrics(folder, REPORT)


WRITTEN = ["log.txt", "graph.dot", "graph.svg", "graph.html", "metrics.csv", "checkpoint.safetensors", "config.json"]
WRITTEN += ["model.safetensors", "training_names.txt", "training.lock"]


@POSIX
class TestLinksAndPipes:
    @pytest.mark.parametrize("name", WRITTEN)
    def test_a_run_is_not_written_through_a_link(self, refused, folder, tmp_path, name):
        if (folder / name).exists():
            (folder / name).rename(tmp_path / "target")
        else:
            (tmp_path / "target").write_bytes(b"precious")
        (folder / name).symlink_to(tmp_path / "target")
        before = (tmp_path / "target").read_bytes()
        assert f"{name} is a link: a run is written only to regular files" in refused("train", "--resume", "r")
        assert (tmp_path / "target").read_bytes() == before and (folder / name).is_symlink()

    @pytest.mark.parametrize("name", WRITTEN)
    def test_a_pipe_is_not_waited_for(self, refused, folder, name):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        assert f"{name} is no regular file" in refused("train", "--resume", "r")

    @pytest.mark.parametrize("name", [runs.CONFIG, runs.WEIGHTS, runs.TRAINING_NAMES])
    def test_nor_when_it_is_read(self, refused, folder, name):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert f"{name} is not a regular file" in refused("sample", "r")

    @pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
    def test_names_that_come_from_a_pipe(self, refused, folder, tmp_path, name):
        os.mkfifo(folder / "pipe")
        config = json.loads((folder / runs.CONFIG).read_text())
        config["data"]["file"] = name
        (folder / runs.CONFIG).write_text(json.dumps(config))
        assert "which is no file that is read again" in refused("train", "--resume", "r")
        assert "which is no file that is read again" in refused("evaluate", "r")

    @pytest.mark.parametrize("name", [runs.LOG, runs.METRICS])
    def test_appending_does_not_follow(self, folder, tmp_path, name):
        (folder / name).symlink_to(tmp_path / "names.txt")
        before = (tmp_path / "names.txt").read_bytes()
        with pytest.raises(ModelFileError, match=f"{name} is a link"):
            append(folder, name)
        assert (tmp_path / "names.txt").read_bytes() == before

    def test_nor_a_link_that_comes_after_the_look(self, folder, tmp_path, monkeypatch):
        if not hasattr(os, "O_NOFOLLOW"):
            pytest.skip("this system cannot refuse to follow a link")
        (folder / runs.LOG).symlink_to(tmp_path / "names.txt")
        monkeypatch.setattr(disk, "check_writable", lambda path: None)
        with pytest.raises(OSError, match=r"log\.txt"):
            runs.append_log(folder, "x")


class TestFullDisks:
    def full(self, *arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @pytest.mark.parametrize("failing", ["fsync", "replace"])
    def test_a_checkpoint(self, folder, monkeypatch, failing):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        subject, config = trainer(), files.read_json(folder / runs.CONFIG)
        with monkeypatch.context() as patch:
            patch.setattr(os, failing, self.full)
            with pytest.raises(OSError, match=r"No space left on device; it was not written, and all is as") as caught:
                runs.save_checkpoint(folder, subject, config)
        assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(folder / runs.CHECKPOINT)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
    @pytest.mark.parametrize("name", [runs.LOG, runs.METRICS])
    def test_a_line_more(self, folder, monkeypatch, name):
        monkeypatch.setattr(disk, "check_writable", lambda path: None)
        monkeypatch.setattr(os, "O_NOFOLLOW", 0)
        (folder / name).symlink_to("/dev/full")
        with pytest.raises(OSError, match="No space left") as caught:
            append(folder, name)
        assert caught.value.filename == str(folder / name)

    @pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
    def test_the_command_line_names_the_file(self, refused, monkeypatch, capsys):
        import resource
        import signal

        assert cli.main(["train", "--data", "names.txt", *FAST, "--out", "r"]) == 0
        weights = Path("r", runs.WEIGHTS).read_bytes()
        earlier = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, limits[1]))
        try:
            said = refused("train", "--data", "names.txt", "--steps", "4", "--out", "new")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, earlier)
        assert "new/checkpoint.safetensors: File too large; it was not written, and all is as it was last saved" in said
        assert Path("r", runs.WEIGHTS).read_bytes() == weights and not list(Path("new").glob(".*"))


def peak(call):
    """How many bytes a call takes at most, and what it raises."""
    tracemalloc.start()
    try:
        call()
    except ModelFileError as error:
        return tracemalloc.get_traced_memory()[1], str(error)
    finally:
        tracemalloc.stop()
    raise AssertionError("it was read")


class TestHugeFiles:
    """Sparse files take no space, so that a small archive can hold them."""

    @pytest.mark.parametrize("name", [runs.CONFIG, runs.WEIGHTS, runs.CHECKPOINT, runs.TRAINING_NAMES, runs.METRICS])
    @pytest.mark.parametrize("size", [(1 << 30) + 1, 1 << 30, 200 << 20])
    def test_a_sparse_file_is_refused_unread(self, folder, name, size):
        if name == runs.METRICS and size <= files.MAX_FILE:
            pytest.skip("it is read line by line")
        with (folder / name).open("ab") as file:
            file.truncate(size)

        def read():
            runs.restore(folder, trainer())
            runs.load(folder)

        taken, said = peak(read)
        assert name in said and taken < 16 << 20

    def test_sparse_metrics_are_read_line_by_line(self, folder):
        runs.append_metrics(folder, REPORT)
        whole = (folder / runs.METRICS).read_bytes()
        os.truncate(folder / runs.METRICS, 64 << 20)
        tracemalloc.start()
        runs.truncate_metrics(folder, 7)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
        tracemalloc.stop()
        assert (folder / runs.METRICS).read_bytes() == whole

    def test_a_whole_header_before_a_sparse_end(self, folder):
        """A file that is all it says, but not what its run needs."""
        header = json.dumps({"x": {"dtype": "U8", "shape": [1 << 29], "data_offsets": [0, 1 << 29]}}).encode()
        for name in (runs.WEIGHTS, runs.CHECKPOINT):
            (folder / name).write_bytes(len(header).to_bytes(8, "little") + header)
            os.truncate(folder / name, 8 + len(header) + (1 << 29))
        for read in (lambda: runs.load(folder), lambda: runs.restore(folder, trainer())):
            taken, said = peak(read)
            assert "is larger than" in said and taken < 16 << 20

    @pytest.mark.parametrize(
        "vocabulary",
        [
            {"tokens": ["a" + "\u0301" * 300_000], "boundary": "-"},
            {"tokens": ["a" + "\u0301\u0323" * 150_000], "boundary": "-"},
            {"tokens": ["x" * 600_000], "boundary": "-"},
            {"tokens": ["a"], "boundary": "-" + "\u0301" * 300_000},
            {"tokens": ["a", "b"] * 70_000, "boundary": "-"},
            {"tokens": [[["a"] * 100_000]], "boundary": "-"},
            {"x" * 600_000: 1},
        ],
    )
    def test_a_configuration_of_the_largest_size_takes_no_time(self, folder, vocabulary, monkeypatch):
        config = json.loads((folder / runs.CONFIG).read_text())
        config["model"]["vocabulary"] = vocabulary
        (folder / runs.CONFIG).write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
        monkeypatch.setattr(unicodedata, "normalize", self.short_normalize)
        with pytest.raises(ModelFileError) as caught:
            runs.load(folder)
        assert len(str(caught.value)) < 1_000

    def short_normalize(self, form, text, whole=unicodedata.normalize):
        """Its time grows with the square of the marks in a row."""
        assert len(text) <= MAX_TOKEN
        return whole(form, text)

    def test_metrics_with_broken_lines(self, folder):
        row = b"5,1.0,2.0,0.1,3.00\n"
        broken = b"1\n15\n5,1\n5,,,,\n" + b"9" * 5_000 + b"\n" + row + b"6,1,2,3,4\n7,1.0,2.0,0.1,3"
        (folder / runs.METRICS).write_bytes(broken)
        runs.truncate_metrics(folder, 7)
        assert (folder / runs.METRICS).read_bytes() == runs.COLUMNS.encode() + b"\n" + row + b"6,1,2,3,4\n"


class TestLimitsOfTheWriter:
    def letters(self, count):
        return [chr(0x4E00 + i) for i in range(20_000)] + [chr(0x20000 + i) for i in range(count - 20_000)]

    def test_a_vocabulary_that_no_header_holds_is_refused_before_the_training(self, refused):
        letters = self.letters(60_000)
        Path("many.txt").write_text("\n".join("".join(letters[i : i + 20]) for i in range(0, 60_000, 20)), "utf-8")
        for more in ((), ("--model", "bigram")):
            said = refused("train", "--data", "many.txt", "--alphabet", "data", "--out", "r", *(more or FAST))
            assert "60,001 characters is too large for the files of a run" in said and "drop the names" in said
            assert not Path("r").exists()

    @pytest.mark.slow
    def test_the_largest_vocabulary_comes_back(self, tmp_path):
        low, high = 30_000, 40_000
        while high - low > 100:
            middle = (low + high) // 2
            try:
                files.check_limits(NGram(2, vocabulary=Vocabulary(self.letters(middle))))
            except ModelFileError:
                high = middle
            else:
                low = middle
        assert 30_000 < low < 39_900
        model = MLP(Vocabulary(self.letters(low)), context=1, embedding=1, hidden=(), rng=0)
        data = {"file": None, "fingerprint": "0"}
        subject = trainer()
        config = runs.save_config(tmp_path, model, data, subject.plan)
        runs.save_names(tmp_path, ["x"])
        arrays, state = subject.state()
        metadata = {"model": files.describe(model), "state": state, "run": config["data"]}
        files.write_arrays(tmp_path / runs.CHECKPOINT, arrays, metadata)
        assert files.read_metadata(tmp_path / runs.CHECKPOINT) == metadata
        runs.save_weights(tmp_path, model, config)
        assert runs.load(tmp_path).model.vocabulary == model.vocabulary

    def test_a_letter_with_thousands_of_marks(self, refused):
        Path("marks.txt").write_text("a" + "\u0301" * 5_000 + "\nbo\ncy\ndi\n", encoding="utf-8")
        said = refused("train", "--data", "marks.txt", "--alphabet", "data", *FAST)
        assert "a token is one character with its marks, at most 128" in said and not Path("runs").exists()
        with pytest.raises(DataError, match="got 150,001"):
            Vocabulary(["a" + "\u0301" * 150_000])
        assert len(Vocabulary(["a" + "\u0301" * 126]).tokens[0]) == 126

    def test_what_would_not_be_read_back_is_not_written(self, tmp_path):
        path = tmp_path / "x.safetensors"
        files.write_arrays(path, {}, {"a": 1})
        before = path.read_bytes()
        one = trainer().model.state_dict()["output.bias"]
        for arrays, metadata in (
            ({}, {"long": "x" * (1 << 20)}),
            ({str(i): one for i in range(files.MAX_ARRAYS + 1)}, {}),
            ({"x": one.reshape((1,) * 8 + (27,))}, {}),
        ):
            with pytest.raises(ModelFileError, match=r"x\.safetensors is not written, for it could not be read back"):
                files.write_arrays(path, arrays, metadata)
            assert path.read_bytes() == before

    def test_a_file_that_is_too_large_is_not_written(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "MAX_FILE", files.MAX_HEADER + 100)
        with pytest.raises(ModelFileError, match="108 bytes are more than such a file holds"):
            files.write_arrays(tmp_path / "x", {"x": trainer().model.state_dict()["output.bias"]})
        with pytest.raises(ModelFileError, match="give fewer names"):
            files.check_limits(NGram(3).fit(NAMES))

    def test_a_configuration_and_a_name_that_are_too_long(self, folder):
        with pytest.raises(ModelFileError, match=r"config\.json is not written"):
            runs.save_config(folder, trainer().model, {"file": "x" * (1 << 20)}, None)
        runs.save_names(folder, ["x" * (runs.MAX_LINE - 1)])
        assert runs.load(folder).training_names == {"x" * (runs.MAX_LINE - 1)}
        with pytest.raises(ModelFileError, match="--max-length"):
            runs.save_names(folder, ["x" * runs.MAX_LINE])
        shutil.rmtree(folder)
