"""Tests of the engines: which one draws, what happens where there is none, and that nothing hangs or raises."""

import os
import stat
import sys
import time

import pytest

import visualize
from tests.helpers.graphs import ENGINES, neuron, read_svg, recurrence
from tinygrad_lm import Value
from visualize.formats import engines

native = pytest.mark.skipif(len(ENGINES) == 1, reason="needs Graphviz's dot or pygraphviz")
with_pygraphviz = pytest.mark.skipif("pygraphviz" not in ENGINES, reason="needs pygraphviz")
unix = pytest.mark.skipif(os.name == "nt", reason="writes a shell script")


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(engines.VARIABLE, raising=False)
    monkeypatch.setattr(engines, "installed", lambda package: False)


@pytest.fixture
def script(tmp_path):
    """A program in place of dot."""

    def write(text):
        path = tmp_path / "dot"
        path.write_text(f"#!{sys.executable}\n{text}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return write


@pytest.mark.parametrize("suffix", ["svg", "html", "dot", "json", "mmd", "txt"])
def test_a_plain_install_always_draws(nothing_installed, tmp_path, suffix):
    view = visualize.draw(neuron())
    assert view.engine == "builtin"
    path = view.save(tmp_path / f"graph.{suffix}")
    assert "x1" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_png_and_pdf_without_an_engine_say_how_to_get_one(nothing_installed, tmp_path, suffix):
    with pytest.raises(engines.DrawingError, match="pip install pygraphviz"):
        visualize.draw(neuron()).save(tmp_path / f"graph.{suffix}")
    assert not list(tmp_path.iterdir())


@native
@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
@pytest.mark.parametrize("engine", ENGINES[1:])
def test_png_and_pdf(tmp_path, suffix, start, engine):
    path = visualize.draw(neuron(), engine=engine).save(tmp_path / f"graph.{suffix}")
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_asked_for_draws(engine):
    view = visualize.draw(neuron(), engine=engine)
    read_svg(view.svg())
    assert view.engine == engine


@pytest.mark.parametrize("engine", ENGINES)
def test_the_environment_variable_names_an_engine(monkeypatch, engine):
    monkeypatch.setenv(engines.VARIABLE, engine)
    assert visualize.draw(neuron()).engine == engine
    assert visualize.draw(neuron(), engine="builtin").engine == "builtin"


def test_engines_that_are_not_there_are_named(nothing_installed, monkeypatch):
    for engine in ("dot", "pygraphviz", "/no/such/dot"):
        with pytest.raises(engines.DrawingError, match=engine):
            visualize.draw(neuron(), engine=engine).svg()
    monkeypatch.setenv(engines.VARIABLE, "/no/such/dot")
    with pytest.raises(engines.DrawingError, match=engines.VARIABLE):
        visualize.draw(neuron()).svg()


@unix
def test_an_engine_that_hangs_is_stopped_and_the_next_one_draws(script, monkeypatch):
    monkeypatch.setattr(engines, "LIMIT", 0.2)
    path = script("import time; time.sleep(60)")
    start = time.perf_counter()
    with pytest.raises(engines.DrawingError, match=r"took more than 0\.2 s"):
        visualize.draw(neuron(), engine=path).svg()
    assert time.perf_counter() - start < 30
    monkeypatch.setenv("PATH", os.path.dirname(path))  # noqa: PTH120
    monkeypatch.setattr(engines, "installed", lambda package: False)
    monkeypatch.delenv(engines.VARIABLE, raising=False)
    assert visualize.draw(recurrence(60), collapse="none").engine == "builtin"


@native
def test_the_built_in_layout_draws_what_is_not_large_and_graphviz_the_rest(monkeypatch, tmp_path):
    monkeypatch.delenv(engines.VARIABLE, raising=False)
    assert visualize.draw(neuron()).engine == "builtin"
    x = Value(0.5)
    for _ in range(300):
        x = x.tanh()
    assert visualize.draw(x, collapse="none").engine == ENGINES[1]
    assert visualize.draw(neuron()).save(tmp_path / "neuron.png").read_bytes().startswith(b"\x89PNG")


@unix
def test_an_engine_that_fails_says_why(script):
    path = script("import sys; sys.stderr.write('no fonts today'); sys.exit(3)")
    with pytest.raises(engines.DrawingError, match="exit code 3: no fonts today"):
        visualize.draw(neuron(), engine=path).svg()


@unix
def test_a_notebook_shows_the_table_where_no_picture_can_be_made(script):
    path = script("import sys; sys.exit(1)")
    bundle = visualize.draw(neuron(), engine=path)._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}
    assert "no picture" in bundle["text/plain"]
    bundle = visualize.draw(neuron(), engine="builtin")._repr_mimebundle_(include={"image/svg+xml"})
    assert set(bundle) == {"image/svg+xml"}


@pytest.mark.parametrize("engine", ["builtin", "pygraphviz"])
def test_graphs_too_large_for_an_engine_get_a_sentence(engine):
    if engine not in ENGINES:
        pytest.skip("pygraphviz is not installed")
    view = visualize.draw(recurrence(130), collapse="none", engine=engine)
    with pytest.raises(engines.DrawingError, match="draw fewer"):
        view.svg()


@native
@pytest.mark.parametrize("engine", ENGINES[1:])
def test_graphviz_is_stopped_after_a_time(engine, monkeypatch):
    monkeypatch.setattr(engines, "LIMIT", 0.001)
    with pytest.raises(engines.DrawingError, match=rf"{engine}.* took more than 0\.001 s and was stopped; draw fewer"):
        visualize.draw(neuron(), engine=engine).svg()


class TestWhatEnginesSay:
    """Graphviz brings libraries along that print in C: none of it reaches the terminal, and errors reach the user."""

    @pytest.fixture
    def noisy(self, tmp_path, monkeypatch):
        """Settings of fontconfig that it warns of."""
        path = tmp_path / "fonts.conf"
        path.write_text("<fontconfig><nonsense/></fontconfig>", encoding="utf-8")
        monkeypatch.setenv("FONTCONFIG_FILE", str(path))

    @native
    @pytest.mark.parametrize("engine", ENGINES[1:])
    @pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
    def test_noise_stays_away(self, noisy, tmp_path, engine, suffix, capfd):
        visualize.draw(neuron(), engine=engine).save(tmp_path / f"graph.{suffix}")
        assert capfd.readouterr() == ("", "")

    @native
    @pytest.mark.parametrize("engine", ENGINES[1:])
    def test_an_error_is_told(self, noisy, engine, capfd):
        (chosen,) = engines.candidates(engine)
        with pytest.raises(engines.DrawingError, match=r" failed with exit code 1: .*syntax error") as caught:
            engines.run(chosen, "digraph { -> }", "svg", 1)
        assert engine in str(caught.value) and "Fontconfig" not in str(caught.value)
        assert capfd.readouterr() == ("", "")

    @with_pygraphviz
    def test_a_crash_in_c_is_told(self, monkeypatch, capfd):
        """It ends the process of the drawing, not this one, and the next engine draws."""
        crash = "import os; os.write(2, b'Fontconfig warning: no\\nno fonts today'); os.abort()"
        monkeypatch.setattr(engines, "_PYGRAPHVIZ", crash)
        with pytest.raises(engines.DrawingError, match=r"pygraphviz.* failed with exit code .*: no fonts today$"):
            visualize.draw(neuron(), engine="pygraphviz").svg()
        monkeypatch.delenv(engines.VARIABLE, raising=False)
        monkeypatch.setenv("PATH", "")
        assert visualize.draw(recurrence(60), collapse="none").engine == "builtin"
        assert capfd.readouterr() == ("", "")

    @with_pygraphviz
    def test_pygraphviz_is_found_where_this_process_finds_it(self, tmp_path, monkeypatch):
        """And not in the folder that is current, nor with the settings of another Python."""
        (tmp_path / "pygraphviz.py").write_text(
            "import warnings\n"
            "warnings.warn('this is old')\n"
            "class AGraph:\n"
            "    def __init__(self, string):\n"
            "        self.string = string\n"
            "    def draw(self, format, prog):\n"
            "        return (format + prog + self.string).encode()\n"
        )
        monkeypatch.chdir(tmp_path)
        engine = engines.Engine("pygraphviz")
        assert engines.run(engine, "digraph {}", "svg", 1).startswith(b"<?xml")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("PYTHONWARNINGS", "error")
        assert engines.run(engine, "é", "svg", 1) == "svgdoté".encode()

    @pytest.mark.parametrize(("name", "value"), [("executable", None), ("frozen", True)])
    def test_a_program_that_is_not_run_by_python_does_not_start_itself(self, monkeypatch, name, value):
        monkeypatch.setattr(sys, name, value, raising=False)
        with pytest.raises(engines.DrawingError, match="brings no Python"):
            engines.run(engines.Engine("pygraphviz"), "digraph {}", "svg", 1)


def test_an_unknown_suffix_gets_a_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"must end in one of \.svg"):
        visualize.draw(neuron()).save(tmp_path / "graph.gif")


def test_doctor_says_what_is_there(monkeypatch):
    monkeypatch.delenv(engines.VARIABLE, raising=False)
    text = visualize.doctor()
    assert "draw(...) uses: builtin" in text
    assert ENGINES[1:] == [] or f", and {ENGINES[1]}" in text


def test_doctor_without_engines_says_how_to_get_them(nothing_installed, monkeypatch):
    text = visualize.doctor()
    assert "draw(...) uses: builtin" in text
    assert "apt install graphviz" in text
    monkeypatch.setenv(engines.VARIABLE, "/no/such/dot")
    assert "cannot draw" in visualize.doctor()


@pytest.mark.parametrize("engine", ENGINES)
def test_small_pictures_are_quick(engine):
    o = neuron()
    visualize.draw(o, engine=engine).svg()
    best = 60.0
    for _ in range(3):
        start = time.perf_counter()
        visualize.draw(o, engine=engine).svg()
        best = min(best, time.perf_counter() - start)
    # 50 ms and 300 ms on an idle machine; the tests may share theirs.
    assert best < (0.2 if engine == "builtin" else 1.5)


def test_the_picture_as_an_object_of_the_graphviz_package():
    view = visualize.draw(neuron())
    assert view.source().source.rstrip("\n") == view.dot.rstrip("\n")
