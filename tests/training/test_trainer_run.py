"""Tests of ``Trainer.run`` by itself: its bar, its history, its threads, and what an exception leaves behind."""

import io
import math
import signal
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tests.helpers.training import run, same, trainer
from tinygrad_lm.training import Report, TrainingError
from tinygrad_lm.training import trainer as loop


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal(monkeypatch):
    """A terminal for what goes to standard error (no fixture: pytest puts its own in place before the test)."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    return sys.stderr


class TestWithoutArguments:
    def test_it_trains_as_with_callbacks(self):
        plain, watched = trainer(), trainer()
        plain.run()
        losses, _ = run(watched)
        assert plain.step == 24 == len(losses)
        assert same(plain.state()[0], watched.state()[0])

    @pytest.mark.parametrize("one", ["on_step", "on_report"])
    def test_with_one_of_the_callbacks(self, one):
        seen = []
        trainer().run(**{one: lambda *found: seen.append(found)})
        assert len(seen) == (24 if one == "on_step" else 3)

    def test_the_history_is_kept(self):
        subject, reports = trainer(), []
        assert subject.history == []
        subject.run(on_report=reports.append)
        assert subject.history == reports and [report.step for report in reports] == [10, 20, 24]
        assert all(isinstance(report, Report) for report in reports)


class TestBar:
    def test_a_terminal_shows_one_and_the_losses(self, monkeypatch):
        subject, screen = trainer(), terminal(monkeypatch)
        subject.run()
        shown = screen.getvalue()
        assert "24/24" in shown and f"validation {subject.history[-1].validation_loss:.3f}" in shown

    def test_a_narrow_terminal_keeps_the_losses_in_view(self, monkeypatch):
        monkeypatch.setenv("COLUMNS", "60")
        monkeypatch.setenv("LINES", "30")
        subject, screen = trainer(), terminal(monkeypatch)
        subject.run()
        last = subject.history[-1]
        shown = screen.getvalue().rstrip().split("\r")[-1]
        assert len(shown) <= 60 and "100%" in shown and "24/24" in shown
        assert f"validation {last.validation_loss:.3f}, train {last.train_loss:.3f}" in shown

    def test_it_begins_where_the_training_stands(self, monkeypatch):
        subject = trainer(200)
        run(subject, 150)
        subject.stop, screen = False, terminal(monkeypatch)
        subject.run()
        assert "150/200" in screen.getvalue().split("\r")[1]

    def test_what_is_no_terminal_shows_nothing(self, capfd):
        trainer().run()
        assert capfd.readouterr() == ("", "")

    def test_a_notebook_shows_one(self, monkeypatch, capsys):
        shell = types.SimpleNamespace(config={"IPKernelApp": {}})
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
        trainer().run()
        assert "24/24" in capsys.readouterr().err

    def test_a_notebook_without_widgets_shows_it_as_text(self):
        """Nothing of the package's needs ipywidgets, and a warning of tqdm's says nothing of the training."""
        code = """
import sys, types
shell = types.SimpleNamespace(config={"IPKernelApp": {}})
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: shell)
sys.modules["ipykernel.zmqshell"] = types.ModuleType("zmqshell")
sys.modules["ipywidgets"] = None
from tinygrad_lm import progress
with progress.bar(24, 0, None) as bar:
    bar.update(24)
"""
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
        )
        assert "24/24" in done.stderr and "Warning" not in done.stderr

    @pytest.mark.parametrize("shell", [None, types.SimpleNamespace(config={"TerminalIPythonApp": {}})])
    def test_an_ipython_that_writes_to_a_file_shows_nothing(self, monkeypatch, capsys, shell):
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
        trainer().run()
        assert capsys.readouterr().err == ""

    def test_switched_off_and_on(self, monkeypatch, capsys):
        with monkeypatch.context() as patch:
            screen = terminal(patch)
            trainer().run(progress=False)
            assert screen.getvalue() == ""
        trainer().run(progress=True)
        assert "24/24" in capsys.readouterr().err

    def test_without_a_stream(self, monkeypatch):
        monkeypatch.setattr(sys, "stderr", None)
        subject = trainer()
        subject.run()
        subject.run()
        assert subject.step == 24


class TestNothingLeft:
    def test_at_the_end_of_the_plan(self, capsys):
        subject = trainer()
        subject.run()
        before = subject.state()
        subject.run()
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1
        assert "nothing is left to do" in err and "all 24 steps" in err and "Plan(steps=" in err
        assert same(subject.state()[0], before[0]) and subject.state()[1] == before[1]

    def test_when_it_was_stopped(self, capsys):
        subject = trainer()
        run(subject, 7)
        subject.run()
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and "stopped at step 7 of 24" in err and "stop = False" in err
        assert subject.step == 7

    def test_who_shows_progress_in_another_way_says_it_in_another_way(self, capsys):
        subject = trainer()
        subject.run(progress=False)
        subject.run(progress=False)
        assert capsys.readouterr() == ("", "")


def blas_threads():
    return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]


class TestThreads:
    def test_one_for_each_step_and_then_as_before(self):
        with threadpool_limits(2, user_api="blas"):
            before, seen = blas_threads(), []
            trainer(2).run(lambda step, loss: seen.append(blas_threads()))
            assert seen == [[1] * len(before)] * 2
            assert blas_threads() == before

    def test_as_before_after_an_exception_too(self):
        with threadpool_limits(2, user_api="blas"):
            before = blas_threads()
            with pytest.raises(TrainingError):
                trainer(50, lr=1e30).run()
            assert blas_threads() == before


class Broken(Exception):
    pass


def breaking(subject, monkeypatch, what, at, error):
    """Let a part of a training raise once, in the step or report of a number."""
    owner, name = {
        "batch": (subject.examples, "sample"),
        "loss": (subject.model, "loss"),
        "optimizer": (subject.optimizer, "step"),
        "validation": (subject.model, "evaluate"),
    }[what]
    whole, count = getattr(owner, name), 0

    def broken(*arguments):
        nonlocal count
        count += 1
        if count == at and what == "optimizer":
            raise error
        found = whole(*arguments)
        if count == at:
            raise error
        return found

    if what == "batch":  # the data set has slots

        class Owner:
            sample = staticmethod(broken)

        monkeypatch.setattr(subject, "examples", Owner)
    else:
        monkeypatch.setattr(owner, name, broken)


class TestExceptions:
    @pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
    @pytest.mark.parametrize(
        ("what", "at", "step"),
        [("batch", 13, 12), ("loss", 13, 12), ("optimizer", 13, 12), ("validation", 1, 10), ("validation", 3, 24)],
    )
    def test_going_on_afterwards_ends_as_if_nothing_had_happened(self, monkeypatch, what, at, step, error):
        whole, subject = trainer(), trainer()
        whole.run()
        breaking(subject, monkeypatch, what, at, error)
        with pytest.raises(error):
            subject.run()
        assert subject.step == step
        arrays, data = subject.state()
        again = trainer()
        again.resume(arrays, data)
        for one in (subject, again):
            one.run()
            found, wanted = one.state(), whole.state()
            assert same(found[0], wanted[0])
            assert {**found[1], "seconds": 0} == {**wanted[1], "seconds": 0}
        assert [_plain(report) for report in subject.history] == [_plain(report) for report in whole.history]

    @pytest.mark.parametrize("callback", ["on_step", "on_report"])
    def test_a_callback_that_raises_loses_nothing(self, callback):
        whole, subject = trainer(), trainer()
        whole.run()

        def fail(*_):
            if subject.step == 10:
                raise Broken

        with pytest.raises(Broken):
            subject.run(**{callback: fail})
        assert subject.step == 10
        subject.run()
        assert same(subject.state()[0], whole.state()[0])
        assert [_plain(report) for report in subject.history] == [_plain(report) for report in whole.history]

    def test_the_time_until_then_counts(self, monkeypatch):
        clock = iter(range(0, 10**6, 100))
        monkeypatch.setattr(loop, "time", types.SimpleNamespace(perf_counter=lambda: next(clock)))
        subject = trainer()
        breaking(subject, monkeypatch, "loss", 3, Broken)
        with pytest.raises(Broken):
            subject.run()
        assert subject.seconds == 100
        run(subject, 7)
        assert subject.seconds == 200


def _plain(report):
    return (report.step, report.train_loss, report.validation_loss, report.lr)


class TestInterruption:
    def test_it_waits_for_the_step_under_way(self, monkeypatch):
        subject, reference = trainer(), trainer()
        whole = subject.optimizer.step

        def step():
            if subject.step == 5:
                signal.raise_signal(signal.SIGINT)
            whole()

        monkeypatch.setattr(subject.optimizer, "step", step)
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            subject.run()
        assert signal.getsignal(signal.SIGINT) is before and not subject.stop
        run(reference, 6)
        assert subject.step == 6 and same(subject.state()[0], reference.state()[0])
        run(reference)
        subject.run()
        assert same(subject.state()[0], reference.state()[0])

    def test_in_the_last_step_it_is_not_forgotten(self):
        subject = trainer()
        with pytest.raises(KeyboardInterrupt):
            subject.run(lambda step, loss: signal.raise_signal(signal.SIGINT) if step == 24 else None)
        assert subject.step == 24 and math.isfinite(subject.best_loss) and subject.history[-1].step == 24

    def test_a_second_does_not_wait(self):
        subject, twice = trainer(), []

        def interrupt(step, loss):
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            twice.append(step)

        with pytest.raises(KeyboardInterrupt):
            subject.run(interrupt)
        assert twice == [1]

    def test_handlers_of_others_and_other_threads_are_left_alone(self, monkeypatch):
        seen = []

        def own(number, frame):
            seen.append(number)

        earlier = signal.signal(signal.SIGINT, own)
        try:
            subject = trainer(2)
            subject.run(lambda step, loss: signal.raise_signal(signal.SIGINT))
            assert seen == [signal.SIGINT] * 2 and subject.step == 2
        finally:
            signal.signal(signal.SIGINT, earlier)
        other = trainer(2)
        thread = threading.Thread(target=other.run)
        thread.start()
        thread.join()
        assert other.step == 2


@pytest.mark.parametrize("loss", [0.0, np.nan])
def test_a_validation_that_fails_is_not_tried_again(monkeypatch, loss):
    subject = trainer(20)
    monkeypatch.setattr(subject.model, "evaluate", lambda names: types.SimpleNamespace(loss=loss))
    if loss:
        with pytest.raises(TrainingError, match="after step 10"):
            subject.run()
        assert subject.history == [] and subject.step == 10
    else:
        subject.run()
        assert len(subject.history) == 2
