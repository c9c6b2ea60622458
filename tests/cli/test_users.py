"""Tests of what users of the command line met: pictures that fail, pipes, what is shown, and runs that go on."""

import contextlib
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import visualize
from tests.helpers import ROOT
from tinygrad_lm import cli, runs
from tinygrad_lm.cli import source
from tinygrad_lm.text import clean_names, files, split_names

NAMES = ["abid", "zeel", "nipun", "meera", "zara", "anya", "ravi", "kiran", "sunita", "vikash", "priya", "rajesh"]
TINY = ("--hidden", "4", "--batch-size", "8")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="pipes with names and terminals of a size are POSIX")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder of its own, with names; Graphviz has tests of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYGRAD_LM_DOT", "builtin")
    Path("names.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")


@pytest.fixture
def run(capsys):
    """Run a command; its output, and what it said of a failure."""

    def call(*arguments, code=0):
        assert cli.main([str(argument) for argument in arguments]) == code
        out, err = capsys.readouterr()
        assert bool(err) == (code != 0) and "Traceback" not in err
        return out + err

    return call


def weights(folder):
    return Path(folder, runs.WEIGHTS).read_bytes()


class TestPictures:
    TRAIN = ("train", "--data", "names.txt", "--steps", "8", *TINY)

    ERRORS = (KeyError("v10"), MemoryError(), RecursionError("deep"), OSError(28, "full"), ValueError("a\nb\nc" * 999))

    def test_whatever_fails_is_one_line_of_a_whole_run(self, run, monkeypatch):
        whole = run(*self.TRAIN, "--out", "whole")
        for error in self.ERRORS:
            self.fails_with(error, run, monkeypatch)
        assert "graph.svg" in whole

    def fails_with(self, error, run, monkeypatch):
        def fail(*arguments, **options):
            raise error

        monkeypatch.setattr(visualize, "draw", fail)
        folder = type(error).__name__
        out = run(*self.TRAIN, "--out", folder)
        lines = out.splitlines()
        (at,) = [number for number, line in enumerate(lines) if line.startswith("No picture of the graph: ")]
        assert folder in lines[at] and len(lines[at]) < 400 and lines[at + 1] == ""
        assert at > lines.index("Twenty names from the model") > lines.index("Training")
        assert weights(folder) == weights("whole") and not Path(folder, "graph.svg").exists()
        assert "graph.svg" not in out and f"Saved in {folder}. " in out

    def test_all_else_is_saved_and_said_before_it(self, run, monkeypatch, capsys):
        def interrupted(*arguments, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr(visualize, "draw", interrupted)
        assert "Twenty names from the model" in run(*self.TRAIN, "--out", "r", code=cli.INTERRUPTED)
        assert run("sample", "r", "-n", "2").count("\n") == 2
        monkeypatch.undo()

    @pytest.mark.slow
    def test_a_model_too_large_to_nudge(self, run):
        out = run("train", "--data", "names.txt", "--hidden", "1200,1200", "--steps", "1", "--out", "r")
        assert "No picture" not in out
        assert "tglm-stepper" in Path("r", "graph.html").read_text(encoding="utf-8")


@POSIX
class TestPipes:
    def write(self, content, path="pipe"):
        """A pipe by name, and a thread that writes into it once."""
        os.mkfifo(path)

        def writing():
            with contextlib.suppress(BrokenPipeError), Path(path).open("wb") as pipe:
                pipe.write(content)

        thread = threading.Thread(target=writing, daemon=True)
        thread.start()
        return thread

    @pytest.mark.parametrize("options", [("--model", "bigram"), ("--steps", "8", *TINY)])
    def test_a_run_from_a_pipe_is_that_from_the_file(self, run, options):
        content = Path("names.txt").read_bytes()
        run("train", "--data", "names.txt", *options, "--out", "file")
        thread = self.write(content)
        out = run("train", "--data", "pipe", *options, "--out", "r")
        thread.join()
        assert "Data: a pipe; the run keeps its lines in names.txt" in out and "all lines that came in" in out
        assert weights("r").partition(b"data")[2] and Path("r", source.OWN_COPY).read_bytes() == content
        assert run("sample", "r") == run("sample", "file")
        assert run("evaluate", "r").splitlines()[1] == run("evaluate", "file").splitlines()[1]

    @pytest.mark.parametrize("alphabet", ["latin", "data"])
    def test_what_the_run_keeps_is_what_it_read(self, run, alphabet, capsys, monkeypatch):
        lines = [*NAMES, "", "zo\u00eb", "jose\u0301", "  Anya ", "x" * 20_000, "\u2028odd\u2028"]
        self.write("\r\n".join(lines).encode())
        options = ("--steps", "9", *TINY, "--out", "r", "--alphabet", alphabet)
        with monkeypatch.context() as patch:
            stop_after(patch, 4)
            run_stopped(capsys, "train", "--data", "pipe", *options)
        Path("pipe").unlink()
        assert files.read_names(Path("r", source.OWN_COPY)) == lines
        assert "Going on with r after step 4 of 9" in run("train", "--resume", "r")
        assert "test split" in run("evaluate", "r")
        Path("r").rename("moved")
        assert "test split" in run("evaluate", "moved")

    def test_without_its_copy_a_run_says_so(self, run):
        self.write(Path("names.txt").read_bytes())
        run("train", "--data", "pipe", "--model", "bigram", "--out", "r")
        Path("r", source.OWN_COPY).unlink()
        assert "r has no names.txt, the copy of its names; give a file" in run("evaluate", "r", code=1)
        os.mkfifo(Path("r", source.OWN_COPY))  # nobody will ever write
        assert "r has no names.txt" in run("evaluate", "r", code=1)

    @pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="this system has no /dev/stdin")
    @pytest.mark.parametrize("shell", ["cat names.txt | {} --data /dev/stdin", "{} --data <(cat names.txt)"])
    def test_as_a_shell_gives_them(self, shell, run):
        command = f"{sys.executable} -m tinygrad_lm train --model bigram --out r"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        script = ["bash", "-c", shell.format(command)]
        done = subprocess.run(script, env=environment, capture_output=True, encoding="utf-8", check=False)
        assert (done.returncode, done.stderr) == (0, "") and "12 names kept" in done.stdout
        assert "test split" in run("evaluate", "r")

    def test_a_redirected_file_is_read_again_where_it_is(self, run, monkeypatch):
        if not Path("/dev/fd").exists():
            pytest.skip("this system has no /dev/fd")
        with Path("names.txt").open() as file:
            run("train", "--data", f"/dev/fd/{file.fileno()}", "--model", "bigram", "--out", "r")
        assert not Path("r", source.OWN_COPY).exists()
        assert "test split" in run("evaluate", "r")

    def test_an_endless_pipe_is_bounded(self, run, monkeypatch):
        monkeypatch.setattr(files, "MAX_SIZE", 1 << 16)
        self.write(b"abid\n" * (1 << 16))
        assert "is larger than 65,536 bytes" in run("train", "--data", "pipe", "--model", "bigram", code=1)
        assert not Path("runs").exists()

    def test_a_loop_of_links_is_a_sentence(self, run):
        Path("a").symlink_to("b")
        Path("b").symlink_to("a")
        assert "cannot be read" in run("train", "--data", "a", code=1)


def stop_after(patch, last):
    """Stop trainings after that step."""
    from tinygrad_lm.training import Trainer

    whole = Trainer._train_step

    def step(trainer):
        trainer.stop = trainer.step + 1 == last
        return whole(trainer)

    patch.setattr(Trainer, "_train_step", step)


def run_stopped(capsys, *arguments):
    assert cli.main(list(arguments)) == cli.INTERRUPTED
    assert capsys.readouterr().err == ""


class TestEvaluate:
    @pytest.mark.parametrize(
        "options", [("--model", "trigram"), ("--steps", "8", *TINY), ("--model", "bigram", "--seed", "7")]
    )
    def test_a_run_on_its_own_test_split(self, run, options):
        run("train", "--data", "names.txt", *options, "--out", "r")
        seed = 7 if "7" in options else 0
        model = runs.load(Path("r")).model
        split = split_names(clean_names(NAMES, model.vocabulary).kept, seed=seed)
        out = run("evaluate", "r")
        origin = f"(seed {seed}; {Path('names.txt').resolve()})"
        assert out.startswith(f"The test split of the run {origin}: 1 names, 0 of them in the training data\n")
        assert f"loss {model.evaluate(split.test).loss:.4f} nats" in out
        assert f"{model.evaluate(split.test).loss:.4f}" != f"{model.evaluate(split.validation).loss:.4f}"

    def test_of_the_bundled_names(self, run):
        run("train", "--model", "bigram", "--out", "r")
        assert "(seed 0; the bundled Indian names): 187 names, 0 of them in the training data" in run("evaluate", "r")

    def test_names_that_have_changed_since_are_refused_with_a_way_out(self, run):
        run("train", "--data", "names.txt", "--model", "bigram", "--out", "r")
        Path("names.txt").write_text("\n".join([*NAMES, "more"]))
        message = run("evaluate", "r", code=1)
        assert "have changed since r was started; give a file of names: tinygrad-lm evaluate r FILE" in message
        assert "13 names" in run("evaluate", "r", "names.txt")


class TestWhatIsShown:
    def test_names_dropped_for_their_characters(self, run):
        Path("mixed.txt").write_text("\n".join([*NAMES, "zoë", "josé", "zoë", "x" * 200 + "é", "", "abid"]))
        out = run("train", "--data", "mixed.txt", "--model", "bigram", "--out", "r")
        assert "    4 names with characters outside the vocabulary: 'zoë', 'josé', 'zoë', ..." in out
        assert "      to keep them: --alphabet data\n" in out and "1 duplicate: 'abid'" in out
        out = run("train", "--data", "mixed.txt", "--model", "bigram", "--alphabet", "data", "--out", "all")
        assert "outside the vocabulary" not in out and "15 names kept" in out
        found = run("evaluate", "r", "mixed.txt")
        assert "4 more dropped, characters outside the vocabulary: 'zoë', 'josé', 'zoë', ..." in found

    def test_the_remedy_works_where_the_boundary_is_among_them(self, run):
        Path("mixed.txt").write_text("\n".join([*NAMES, "anne-marie"]))
        out = run("train", "--data", "mixed.txt", "--model", "bigram", "--out", "r")
        assert "    1 name with characters outside the vocabulary: 'anne-marie'" in out
        remedy = re.search(r"to keep them: (.*)", out)[1].split()
        assert "13 names kept" in run("train", "--data", "mixed.txt", "--model", "bigram", "--out", "all", *remedy)
        message = run("train", "--data", "mixed.txt", "--alphabet", "data", code=1)
        assert "On the command line: --boundary ." in message

    def test_long_lines_are_cut(self, run):
        lines = ["a" * 9_000, "b" * 20_000, "c" * 8_000 + "1", "dd", "ddd", "dddd"]
        Path("long.txt").write_text("\n".join(lines))
        out = run("train", "--data", "long.txt", "--steps", "2", *TINY, "--out", "r")
        assert max(map(len, out.splitlines())) < 200 and len(out.splitlines()) < 100
        assert "1 longer than 10,000 code points: 'bbbbb" in out

    def test_a_line_too_long_for_a_name_gives_no_letters(self, run):
        Path("long.txt").write_text("\n".join([*NAMES, "é\x07" * 6_000]), encoding="utf-8")
        out = run("train", "--data", "long.txt", "--alphabet", "data", "--model", "bigram", "--out", "r")
        assert "12 names kept" in out and "é" not in out.partition("Vocabulary")[2]

    def test_the_windows_of_a_long_name_are_not_all_printed(self, run):
        Path("long.txt").write_text("\n".join("abcdefghijklmnopqrstuvwxyz"[n:] * 10 for n in range(9)))
        out = run("train", "--data", "long.txt", "--steps", "2", *TINY, "--out", "r")
        assert out.count(" -> ") == 20 + 1 and re.search(r"  \.\.\. and \d+ more\n", out)

    def test_every_file_of_a_run_is_told(self, run):
        out = run("train", "--data", "names.txt", "--steps", "8", *TINY)
        told = re.findall(r"^  (\S+) {2,}\S", out.partition("Files of the run\n")[2], re.M)
        assert set(told) == {path.name for path in Path("runs/mlp-1").iterdir()}
        assert all(len(line) <= 60 for line in out.partition("Files of the run")[2].splitlines()[:10])

    def test_prefixes_are_written_as_the_names_are(self, run):
        run("train", "--data", "names.txt", "--model", "bigram", "--out", "r")
        assert run("sample", "r", "--prefix", "ZaR") == run("sample", "r", "--prefix", "zar")

    @pytest.mark.parametrize("sizes", [("30", "10"), ("30,10",), ("30", "10,7")])
    def test_hidden_sizes_apart_or_together(self, run, sizes):
        run("train", "--data", "names.txt", "--hidden", *sizes, "--steps", "2", "--out", "r")
        expected = [int(size) for part in sizes for size in part.split(",")]
        assert runs.load(Path("r")).config["model"]["config"]["hidden"] == expected

    COMMANDS = (("sample",), ("evaluate",), ("train", "--resume"))

    def test_a_missing_run_names_those_that_there_are(self, run):
        for command in self.COMMANDS:
            assert "train one with: tinygrad-lm train --out none" in run(*command, "none", code=1)
        for number in (1, 2, 10):
            run("train", "--data", "names.txt", "--model", "bigram", "--out", f"runs/bigram-{number}")
        run("train", "--data", "names.txt", "--model", "bigram", "--out", "runs/my own")
        Path("runs/empty").mkdir()
        there = [Path("runs/bigram-1"), Path("runs/bigram-2"), Path("runs/bigram-10")]
        for command in self.COMMANDS:
            message = run(*command, "bigram-1", code=1)
            assert f"there are {', '.join(map(str, there))}" in message and runs.typed("runs/my own") in message
            assert "empty" not in message
        for number in range(20, 40):
            Path(f"runs/bigram-{number}").symlink_to("bigram-1")
        for command in self.COMMANDS:
            assert "and 14 more" in run(*command, "bigram-1", code=1)

    @POSIX
    def test_sixty_columns_keep_the_validation_loss_in_view(self):
        """A terminal of that width, as tqdm asks for it; what would be on its lines."""
        import pty
        import termios

        main, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (24, 60))
        command = [sys.executable, "-m", "tinygrad_lm", "train", "--data", "names.txt", "--steps", "400", *TINY]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen(command, env=environment, stdout=terminal, stderr=terminal, stdin=terminal) as process:
            os.close(terminal)
            seen = b""
            with contextlib.suppress(OSError):  # Linux answers the end of a terminal with an error
                while part := os.read(main, 1 << 16):
                    seen += part
        os.close(main)
        assert process.returncode == 0
        lines = [line for line in re.split(r"[\r\n]+", seen.decode()) if line.strip()]
        bars = [line for line in lines if "%" in line and "|" in line and "validation" in line]
        reports = [line for line in lines if line.startswith("  step ")]
        assert bars and reports
        for line in (*bars, *reports):
            assert len(line) <= 60 and re.search(r"validation \d\.\d{3}", line), line


class TestGoingOn:
    """A finished run goes on with ``--steps``; ``runs.open_stopped`` gives it the new number."""

    LONG = ("train", "--data", "names.txt", *TINY, "--schedule", "constant")

    def test_a_finished_run_goes_on_with_more_steps(self, run):
        run(*self.LONG, "--steps", "24", "--out", "whole")
        run(*self.LONG, "--steps", "16", "--out", "r")
        assert "its training has ended; to go on" in run("train", "--resume", "r", code=1)
        message = run("train", "--resume", "r", "--steps", "16", code=1)
        assert "r has done 16 steps already; --steps is how many there are in all, so give more" in message
        out = run("train", "--resume", "r", "--steps", "24")
        assert "Going on with r after step 16 of 24" in out and "Trained 24 steps" in out
        # A constant rate: the weights of step 24 are those of one go, whatever was best on the way.
        whole, continued = (runs.files.read_arrays(Path(folder, runs.CHECKPOINT))[0] for folder in ("whole", "r"))
        assert all((whole[name] == continued[name]).all() for name in whole if name.startswith("model."))
        assert runs.load(Path("r")).config["training"]["steps"] == 24
        assert "Going on with r after step 24 of 30" in run("train", "--resume", "r", "--steps", "30")

    def test_a_stopped_run_too(self, run, monkeypatch, capsys):
        with monkeypatch.context() as patch:
            stop_after(patch, 5)
            run_stopped(capsys, *self.LONG, "--steps", "8", "--out", "r")
        assert "Going on with r after step 5 of 12" in run("train", "--resume", "r", "--steps", "12")

    def test_all_else_is_kept(self, run):
        run(*self.LONG, "--steps", "8", "--out", "r")
        for options in (("--lr", "1"), ("--epochs", "2"), ("--seed", "1"), ("--steps", "9", "--hidden", "5")):
            assert "--resume keeps the settings of the run" in run("train", "--resume", "r", *options, code=2)
