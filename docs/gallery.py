"""Draw the gallery: one page of pictures, each from a graph that ran.

``python docs/gallery.py [gallery.html] [theme]`` writes the page, in the light theme by default. ``python
docs/gallery.py --readme [folder]`` writes the README's pictures instead, to ``docs/pictures/`` by default.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

import visualize
from tinygrad_lm import Tensor, Value, nn, optim
from tinygrad_lm.autograd import custom
from tinygrad_lm.models import MLP, Transformer
from tinygrad_lm.replay import replay
from tinygrad_lm.text import Vocabulary
from visualize.backward.modes import MODES
from visualize.formats.engines import DrawingError, candidates
from visualize.formats.page import page
from visualize.formats.themes import THEMES, theme_of

Section = tuple[str, str, str]


def neuron() -> Value:
    """The neuron of the micrograd lecture."""
    x1 = Value(2.0, label="x1")
    x2 = Value(0.0, label="x2")
    w1 = Value(-3.0, label="w1")
    w2 = Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    n = x1 * w1 + x2 * w2 + b
    n.label = "n"
    o = n.tanh()
    o.label = "o"
    return o


def diamond() -> Value:
    """Two ways from a to d."""
    a = Value(2.0, label="a")
    b = a * 2
    c = a + 3
    b.label = "b"
    c.label = "c"
    d = b * c
    d.label = "d"
    return d


def softmax_cross_entropy() -> Value:
    """The loss of one choice among three, from its logits."""
    logits = [Value(x, label=f"logit {i}") for i, x in enumerate((2.0, 1.0, -1.0))]
    exponentials = [logit.exp() for logit in logits]
    total = Value.sum(exponentials)
    probability = exponentials[1] / total
    probability.label = "p(1)"
    loss = -probability.log()
    loss.label = "loss"
    return loss


def language_model() -> tuple[MLP, Tensor]:
    """The MLP language model, with the gradients of one small batch."""
    model = MLP(context=3, embedding=4, hidden=[16], rng=0)
    rng = np.random.default_rng(0)
    loss = model.loss(rng.integers(0, 27, (8, 3)), rng.integers(0, 27, 8))
    loss.backward()
    return model, loss


def tiny_language_model() -> tuple[MLP, Tensor]:
    """The same family, small enough to see every number: three tokens, one of context."""
    model = MLP(Vocabulary("ab"), context=1, embedding=2, hidden=[2], rng=0)
    loss = model.loss(np.array([[0]]), np.array([1]))
    loss.backward()
    return model, loss


def replayed_step(theme: str = "light") -> visualize.PlanView:
    """The plan of a training step of the lectures' MLP: context 3, embedding 10, hidden 200, batch 32."""
    model = MLP(context=3, embedding=10, hidden=[200], rng=0)
    optimizer = optim.AdamW(model.parameters(), lr=0.001)

    def step(inputs: np.ndarray, targets: np.ndarray) -> Tensor:
        optimizer.zero_grad()
        loss = model.loss(inputs, targets)
        loss.backward(retain_graph=False)
        optimizer.step()
        return loss

    replayed, rng = replay(step), np.random.default_rng(0)
    for _ in range(3):
        replayed(rng.integers(0, 27, (32, 3)), rng.integers(0, 27, 32))
    return visualize.draw(replayed.plan, names=model, theme=theme)


def recurrence(steps: int) -> Value:
    """One cell, again and again."""
    w, u, h = Value(0.9, label="w"), Value(0.3, label="u"), Value(0.5, label="h0")
    for t in range(steps):
        h = (w * h + u * Value(t / steps, label=f"x{t}", requires_grad=False)).tanh()
    return h


class Residual(nn.Module):
    """A block as in a Transformer, without the attention."""

    def __init__(self, width: int, rng: np.random.Generator) -> None:
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width, rng=rng)
        self.down = nn.Linear(4 * width, width, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what the block makes of it."""
        return x + self.down(np.tanh(self.up(self.norm(x))))


class Attention(nn.Module):
    """One head of attention, written out, with what went in added to what comes out."""

    def __init__(self, width: int, rng: np.random.Generator) -> None:
        self.q, self.k, self.v, self.mix = (nn.Linear(width, width, rng=rng) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what each position takes from those before it."""
        query, key, value = self.q(x), self.k(x), self.v(x)
        scores = query @ key.swapaxes(-1, -2) * query.shape[-1] ** -0.5
        mask = np.tril(np.ones((x.shape[-2],) * 2, bool))
        weights = nn.functional.softmax(np.where(mask, scores, -np.inf))
        return x + self.mix(weights @ value)


class Cell(nn.Module):
    """A recurrent cell, and a loop over the steps of its input."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.own, self.before = nn.Linear(4, 8, rng=rng), nn.Linear(8, 8, rng=rng)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """The next state."""
        return np.tanh(self.own(x) + self.before(h))


class Recurrence(nn.Module):
    """The same cell at every step."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.cell, self.out = Cell(rng), nn.Linear(8, 3, rng=rng)

    def forward(self, xs: Tensor) -> Tensor:
        """What the last state says."""
        h = Tensor(np.zeros((xs.shape[1], 8), np.float32))
        for x in xs:
            h = self.cell(x, h)
        return self.out(h)


def user_defined() -> Value:
    """An operation that the user wrote, with its derivative."""
    swish = custom.elementwise(
        "swish", lambda x: x / (1 + np.exp(-x)), lambda x, out: out + (1 - out) / (1 + np.exp(-x))
    )
    x = Value(0.5, label="x")
    y = swish(x) * 2
    y.backward()
    return y


HOSTILE = [
    '"quoted" \\back\\slash',
    "</text><script>alert(1)</script>",
    "<b>bold?</b> &amp; &lt;",
    "{record|fields} \\N \\l",
    "名前 é ā ñ 🙂",
    "javascript:alert(1)",
    "a\tb\nc\0d",
    "$x^2$ `code` #35; %n",
]


Picture = Callable[[], visualize.GraphView]
LOCAL = ("label", "data", "grad", "local")


class Sections:
    """The parts of the page, in one theme."""

    def __init__(self, theme: str) -> None:
        self.theme = theme
        self.made: list[Section] = []

    def add(self, title: str, words: str, picture: str) -> None:
        """A part that is there already."""
        self.made.append((title, words, picture))

    def draw(self, title: str, words: str, root: object, *inputs: object, **options: Any) -> None:
        """A graph, with the time that its picture took."""
        start = time.perf_counter()
        view = visualize.draw(root, *inputs, **{"theme": self.theme, **options})
        picture = view._repr_mimebundle_()["text/html"]
        took = f"{view.engine}, {1000 * (time.perf_counter() - start):.0f} ms"
        self.add(title, words, f"{picture}<p class=took>{took}</p>")


def numbers(page: Sections) -> None:
    """Graphs of single numbers."""
    o = neuron()
    o.backward()
    page.draw("A neuron", "Each edge says whose derivative it is, its formula and its number.", o, show=LOCAL)
    page.draw("The diamond, before backward", "Two ways from a to d; no gradient yet.", diamond(), show=LOCAL)
    loss = softmax_cross_entropy()
    loss.backward()
    words = "From three logits to the loss of choosing the second, in single numbers."
    page.draw("Softmax with cross-entropy", words, loss, show=LOCAL)
    words = "The user's x and y are not those of a rule: what has no name is numbered, as in Wengert's lists."
    page.draw("Names", words, lambda x, y: (x * 3).log() * (y + 1), Value(2.0), Value(5.0), show=LOCAL)
    page.draw(
        "An operation of the user's own", "Its derivative is printed as it was written.", user_defined(), show=LOCAL
    )
    a = Value(2.0, label="a")
    b = a * 3 + 1
    a.data -= 0.5
    page.draw("Stale numbers", "a was stepped after b was computed from it.", b)
    words = "The first two, the last two, and how many stand between."
    page.draw("The sum of 200 numbers", words, Value.sum([Value(float(i), label=f"x{i}") for i in range(200)]))
    page.draw("29 steps", "Folded by their width: in full these were 11,060 pixels.", recurrence(29))
    page.draw("50 steps", "The first and the last step; what lies between uses the same weights.", recurrence(50))


def tensors(page: Sections) -> None:
    """Graphs of arrays, and of models in all their operations."""
    model, loss = language_model()
    for depth in (0, 1, 2, None):
        words = "everything" if depth is None else f"opened to depth {depth}" if depth else "collapsed"
        title = f"The MLP language model, {words}"
        page.draw(title, "One batch of eight contexts of three letters.", loss, names=model, depth=depth)
    words = "Weights, results and masks as small pictures."
    page.draw("Arrays as small pictures", words, loss, names=model, show=("label", "shape", "heat"))
    tiny, tiny_loss = tiny_language_model()
    words = "Three tokens, one of context, each number a Value; each weight stands in its own module's frame."
    page.draw("A tiny language model, number by number", words, tiny_loss, names=tiny, level="scalar")
    rng = np.random.default_rng(0)
    deep = nn.Sequential(*[Residual(8, rng) for _ in range(24)])
    x = Tensor(np.ones((2, 8), np.float32), label="x")
    words = "Equal blocks with weights of their own: the first, the last, and how many more."
    page.draw("24 residual blocks, folded", words, deep, x, show=("label", "shape"))
    page.draw("24 residual blocks, closed", words, deep, x, depth=1)
    x = Tensor(rng.normal(size=(1, 4, 8)).astype(np.float32))
    words = "The -inf of its mask is no alarm."
    page.draw("An attention block", words, Attention(8, rng), x, show=("label", "shape", "heat"))
    w = Tensor(np.array([1.0, 0.0, -1.0]), requires_grad=True, label="w")
    with np.errstate(all="ignore"):
        bad = w.log().sum()
        model = nn.Sequential(nn.Linear(2, 2, rng=0), Broken(), nn.Tanh())
        broken = model(np.ones((1, 2), np.float32)).sum()
    page.draw("Nan and infinity", "They stand out, and say where they begin.", bad)
    page.draw("Nan within a closed module", "The module says so, and what follows is red, too.", broken, depth=1)


class Broken(nn.Module):
    """A module in which a nan arises."""

    def forward(self, x: Tensor) -> Tensor:
        """The root of a negative number."""
        return np.sqrt(x - 100.0) * 2


def architectures(page: Sections) -> None:
    """Models as their modules."""
    rng = np.random.default_rng(0)
    ids, targets = rng.integers(0, 27, (32, 3)), rng.integers(0, 27, 32)
    model = MLP(context=3, embedding=10, hidden=[200], rng=0)
    style: dict[str, Any] = {"style": "architecture"}
    words = "A box for each module, with its weights, what goes in and what comes out."
    page.draw("Architecture: the MLP of the lectures", words, model.loss, ids, targets, names=model, **style)
    x = Tensor(rng.normal(size=(2, 6, 8)).astype(np.float32))
    page.draw("Architecture: an attention block", "q, k, v, and the mask.", Attention(8, rng), x, **style)
    transformer = Transformer(context=8, width=16, heads=2, layers=6, rng=0)
    words = "The first of six blocks, and how many more."
    page.draw("Architecture: a Transformer", words, transformer, rng.integers(0, 27, (4, 8)), **style)
    xs = Tensor(rng.normal(size=(30, 4, 4)).astype(np.float32))
    page.draw("Architecture: 30 steps of a recurrence", "The same cell again.", Recurrence(rng), xs, **style)
    deep = nn.Sequential(*[Residual(8, rng) for _ in range(24)])
    words = "One block open."
    page.draw("Architecture: 24 residual blocks", words, deep, Tensor(np.ones((2, 8), np.float32)), **style)


def looks(page: Sections) -> None:
    """Themes, engines, labels, plans and large graphs."""
    model, loss = language_model()
    hostile = Value.sum([Value(1.0, label=name) for name in HOSTILE])
    words = "Every string shows as itself; what cannot be printed becomes �."
    page.draw("Hostile labels", words, hostile, show=("label",))
    for theme in THEMES:
        page.draw(f"Theme: {theme}", "", loss, names=model, depth=2, show=("label", "shape"), theme=theme)
    for engine in ("dot", "pygraphviz", "builtin"):
        try:
            candidates(engine)
        except DrawingError as error:
            page.add(f"Engine: {engine}", str(error), "")
            continue
        page.draw(f"Engine: {engine}", "", loss, names=model, engine=engine, show=("label", "shape"))
    words = "Calls from top to bottom, memory from left to right: arrays that are needed at different times share it."
    plan = replayed_step(page.theme)._repr_mimebundle_()["text/html"]
    page.add(f"The plan of a training step, {page.theme}", words, plan)
    large = recurrence(20_000)
    page.draw("A graph of 100,003 nodes", "Drawn in the time that is written below it.", large)
    page.draw("One place in it", "Two edges around one node, which is marked.", large, focus="x10000")


def steppers(page: Sections) -> None:
    """The passes to step through."""
    for mode, (title, words) in MODES.items():
        fragment = visualize.stepper(diamond, theme=page.theme).fragment(mode)
        page.add(f"The stepper: {title}", words, fragment)
    page.add("The stepper on a neuron", "", visualize.stepper(neuron, theme=page.theme).fragment())
    model, loss = language_model()
    page.add("The stepper on tensors", "", visualize.stepper(loss, names=model, theme=page.theme).fragment())
    head, x = Attention(4, np.random.default_rng(0)), Tensor(np.random.default_rng(1).normal(size=(1, 3, 4)))
    adam = optim.AdamW(head.parameters(), lr=0.01)
    stepper = visualize.stepper(lambda x: (head(x) ** 2).mean(), x, names=head, optimizer=adam, theme=page.theme)
    words = "Every product of the block, its mask, its softmax, and a step of AdamW."
    page.add("The stepper on an attention block, and a step of its optimizer", words, stepper.fragment())
    page.add("The same in a terminal", "", f"<pre>{escape(visualize.stepper(diamond).text())}</pre>")


def sections(theme: str = "light") -> list[Section]:
    """Title, explanation and picture of each part."""
    page = Sections(theme)
    for part in (numbers, tensors, architectures, looks, steppers):
        part(page)
    return page.made


def gallery(theme: str = "light") -> str:
    """The whole page."""
    parts = ["<h1>Pictures of computation graphs</h1>", "<p>Every picture here was drawn from a graph that ran.</p>"]
    for title, words, picture in sections(theme):
        parts.append(f"<article><h2>{escape(title)}</h2>\n<p>{escape(words)}</p>\n{picture}</article>")
    return page("Pictures of computation graphs", "\n".join(parts), theme_of(theme))


def readme_pictures(folder: Path) -> list[Path]:
    """The README's pictures, laid out by the built-in engine, so that they are the same wherever they are made."""
    folder.mkdir(parents=True, exist_ok=True)
    o = neuron()
    o.backward()
    model, loss = language_model()
    views: dict[str, visualize.GraphView | visualize.PlanView] = {
        "neuron": visualize.draw(o, show=("label", "data", "grad", "local"), engine="builtin"),
        "recurrence": visualize.draw(recurrence(50), engine="builtin"),
        "model": visualize.draw(loss, names=model, style="architecture", engine="builtin"),
        "plan": replayed_step(),
    }
    return [view.save(folder / f"{name}.svg") for name, view in views.items()]


def main(arguments: list[str]) -> None:
    """Write what was asked for, and say where."""
    if arguments[:1] == ["--readme"]:
        folder = Path(arguments[1]) if arguments[1:] else Path(__file__).parent / "pictures"
        for path in readme_pictures(folder):
            print(path)
        return
    path = Path(arguments[0] if arguments else "gallery.html")
    path.write_bytes(gallery(arguments[1] if arguments[1:] else "light").encode("utf-8"))
    print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
