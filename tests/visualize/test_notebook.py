"""Tests of pictures and steppers in a real JupyterLab: by real keys, beside the notebook's own, and without trust."""

import json

import pytest

import visualize
from tests.helpers.lab import NO_LAB, Lab, notebook

pytestmark = pytest.mark.skipif(bool(NO_LAB), reason=NO_LAB or "none")

CELLS = (
    "import visualize\nfrom tests.helpers.graphs import Net, diamond, net_loss, neuron\nprint(visualize.__file__)",
    "visualize.stepper(diamond, engine='builtin')",
    "",
    "visualize.stepper(neuron, engine='builtin')",
    "visualize.draw(neuron(), engine='builtin')",
    "net, loss = net_loss()\nvisualize.draw(loss, names=net, engine='builtin')",
)
FIRST, CODE, SECOND, PICTURE, WIDE = range(1, len(CELLS))

BOOK = "jupyterapp.shell.currentWidget"
STATE = f"""({{
  counts: [...document.querySelectorAll("[data-part=count]")].map((count) => count.textContent.split(" ")[0]),
  playing: [...document.querySelectorAll("[data-part=play]")].map((play) => play.ariaPressed),
  active: {BOOK}.content.activeCellIndex,
  mode: {BOOK}.content.mode,
  sources: {BOOK}.content.widgets.map((cell) => cell.model.sharedModel.source),
}})"""
IN_VIEW = ".jp-NotebookPanel:not(.lm-mod-hidden)"
OUTPUTS = f"[...document.querySelectorAll('{IN_VIEW} .jp-OutputArea-output')]"
WIDTHS = """(selector) => {
  const picture = document.querySelector(selector), area = picture.closest(".jp-OutputArea-output");
  return [picture.complete ?? true, ...[picture, area].map((each) => each.getBoundingClientRect().width)];
}"""


def cell(index, inside):
    return f'{IN_VIEW} .jp-Cell[data-windowed-list-index="{index}"] {inside}'


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def page(lab, browser):
    """A notebook, opened and run, in a window so tall that all of its cells are there."""
    (lab.notebooks / "own.ipynb").write_text(json.dumps(notebook(*CELLS)), encoding="utf-8")
    page = browser.page(width=1200, height=3000)
    page.open(lab.link("own.ipynb"))
    page.wait_for(f"window.jupyterapp?.shell.currentWidget && {BOOK}.content?.widgets?.length === {len(CELLS)}", 60)
    page.wait_for(f"{BOOK}.sessionContext.session?.kernel?.status === 'idle'", 60)
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells').then(() => true)", timeout=60)
    page.wait_for(f"{OUTPUTS}.length === {len(CELLS) - 1}")
    yield page
    page.close()


@pytest.fixture
def book(page, lab):
    """The notebook with both steppers before their first step; what is done with it has to go without a problem."""
    for index in (FIRST, SECOND):
        page.click(cell(index, "figure"))
        page.press("Home")
    yield page
    assert page.problems(lab.address, lab.address.replace("http", "ws", 1)) == []


def test_the_kernel_imports_the_tree_under_test(book):
    assert book.evaluate(f"{OUTPUTS}[0].innerText").strip() == visualize.__file__


def test_a_stepper_that_is_clicked_has_the_keys_and_the_notebook_has_none(book):
    book.click(cell(FIRST, "figure"))
    before = book.evaluate(STATE)
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home"):
        book.press(key)
        seen.append(book.evaluate(STATE)["counts"])
    assert seen == [["1", "0"], ["2", "0"], ["1", "0"], ["4", "0"], ["0", "0"]]
    book.press(" ")
    assert book.evaluate(STATE)["playing"] == ["true", "false"]
    book.press(" ")
    assert book.evaluate(STATE) == before
    assert (before["active"], before["mode"]) == (FIRST, "command")


def test_no_key_in_a_stepper_is_a_command_of_the_notebook(book):
    book.evaluate("window.ran = []; jupyterapp.commands.commandExecuted.connect((_, done) => { ran.push(done.id); })")
    book.click(cell(CODE, ".cm-content"))
    book.press("Escape")
    book.wait_for("ran.includes('notebook:enter-command-mode')")
    book.evaluate("window.ran = []")
    before = book.evaluate(STATE)["sources"]
    book.click(cell(FIRST, "figure"))
    # Elsewhere they delete, add, cut and run cells, go to another, and hide the side bar.
    book.press("d", "d", "a", "b", "x", "j", "ArrowDown", "Enter", "Shift+Enter", "Escape", "Control+b")
    book.evaluate("new Promise((done) => setTimeout(done))")
    state = book.evaluate(STATE)
    assert book.evaluate("ran") == []
    assert (state["sources"], state["active"], state["mode"]) == (before, FIRST, "command")


def test_tab_and_buttons_stay_in_the_stepper(book):
    book.click(cell(FIRST, "[data-part=next]"))
    book.press("ArrowRight", "Tab", " ")
    assert book.evaluate("document.activeElement.dataset.part") == "last"
    state = book.evaluate(STATE)
    assert (state["counts"], state["active"]) == (["4", "0"], FIRST)


def test_what_is_typed_in_a_cell_stays_whole_and_moves_no_stepper(book):
    book.click(cell(CODE, ".cm-content"))
    book.type("x = 1 + 2")
    book.press("Home", "ArrowRight", " ", "End")
    state = book.evaluate(STATE)
    assert (state["sources"][CODE], state["active"], state["mode"]) == ("x  = 1 + 2", CODE, "edit")
    assert (state["counts"], state["playing"]) == (["0", "0"], ["false", "false"])


def test_two_steppers_in_two_cells_move_alone(book):
    book.click(cell(SECOND, "figure"))
    book.press("ArrowRight", "ArrowRight", "ArrowRight")
    assert book.evaluate(STATE)["counts"] == ["0", "3"]
    book.click(cell(FIRST, "figure"))
    book.press("ArrowRight")
    assert book.evaluate(STATE)["counts"] == ["1", "3"]


@pytest.mark.parametrize("index", [PICTURE, WIDE])
def test_a_picture_is_seen_and_not_wider_than_its_cell(book, index):
    is_loaded, width, room = book.evaluate(WIDTHS, cell(index, ".jp-OutputArea-output :is(img, svg)"))
    assert is_loaded and 100 < width <= room


@pytest.fixture(scope="module")
def untrusted(page, lab):
    """What is shown of the outputs of the same notebook as another's: their kinds, texts and pictures."""
    page.evaluate("jupyterapp.commands.execute('docmanager:save').then(() => true)")
    saved = json.loads((lab.notebooks / "own.ipynb").read_text(encoding="utf-8"))
    saved["cells"].append({"cell_type": "markdown", "id": "more", "metadata": {}, "source": "so it is another's"})
    (lab.notebooks / "other.ipynb").write_text(json.dumps(saved), encoding="utf-8")
    page.evaluate(
        "(path) => jupyterapp.commands.execute('docmanager:open', { path, kernelPreference: { shouldStart: false } })"
        ".then(() => true)",
        "other.ipynb",
    )
    page.wait_for(f"{BOOK}.context.path === 'other.ipynb' && {OUTPUTS}.length === {len(CELLS) - 1}")
    shown = page.evaluate(
        f"""{OUTPUTS}.map((output) =>
          [output.dataset.mimeType, output.innerText, output.querySelectorAll("img, svg").length])"""
    )
    page.evaluate("jupyterapp.commands.execute('docmanager:open', { path: 'own.ipynb' }).then(() => true)")
    return shown


def test_without_trust_no_script_runs(book, untrusted):
    kinds, texts, _ = zip(*untrusted, strict=True)
    assert kinds[:3] == ("application/vnd.jupyter.stdout", "text/html", "text/html")
    assert all("finite difference" not in text and "0 / 4" not in text for text in texts[1:3])


def test_without_trust_there_is_a_picture_or_a_table(book, untrusted):
    for _, text, pictures in untrusted[3:]:
        assert pictures or "made by" in text
