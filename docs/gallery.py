"""Draw the gallery: one page of pictures, each from a graph that ran. ``python docs/gallery.py [gallery.html]``.

``python docs/gallery.py --readme [folder]`` writes the README's pictures instead, to ``docs/pictures/`` by default.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from pathlib import Path

import numpy as np

import visualize
from tinygrad_lm import Tensor, Value, nn, optim
from tinygrad_lm.autograd import custom
from tinygrad_lm.models import MLP
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


def sections() -> list[Section]:
    """Title, explanation and picture of each part."""
    made: list[Section] = []

    def add(title: str, words: str, picture: str) -> None:
        made.append((title, words, picture))

    def draw(title: str, words: str, make: Callable[[], visualize.GraphView]) -> None:
        start = time.perf_counter()
        view = make()
        svg = view.svg()
        took = f"{view.engine}, {1000 * (time.perf_counter() - start):.0f} ms"
        add(title, words, f"<figure>{svg}<figcaption>{took}</figcaption></figure>")

    o = neuron()
    o.backward()
    local = ("label", "data", "grad", "local")
    draw(
        "A neuron",
        "Each edge shows the local derivative: the formula of the derivative table, and its number.",
        lambda: visualize.draw(o, show=local),
    )
    d = diamond()
    draw(
        "The diamond, before backward", "Two ways from a to d; no gradient yet.", lambda: visualize.draw(d, show=local)
    )
    loss = softmax_cross_entropy()
    loss.backward()
    draw(
        "Softmax with cross-entropy",
        "From three logits to the loss of choosing the second, in single numbers.",
        lambda: visualize.draw(loss, show=local),
    )
    model, batch_loss = language_model()
    for depth in (0, 1, 2, None):
        words = "everything" if depth is None else f"opened to depth {depth}" if depth else "collapsed"
        draw(
            f"The MLP language model, {words}",
            "One batch of eight contexts of three letters.",
            lambda depth=depth: visualize.draw(batch_loss, names=model, depth=depth),
        )
    tiny, tiny_loss = tiny_language_model()
    draw(
        "A tiny language model, number by number",
        "Three tokens, one of context: embedding, Linear, Tanh, Linear, "
        "softmax and cross-entropy, each number a Value.",
        lambda: visualize.draw(tiny_loss, names=tiny, level="scalar"),
    )
    draw(
        "A recurrence of 50 steps, folded",
        "The first and the last step; what lies between uses the same weights.",
        lambda: visualize.draw(recurrence(50)),
    )
    rng = np.random.default_rng(0)
    deep = nn.Sequential(*[Residual(8, rng) for _ in range(24)])
    x = Tensor(np.ones((2, 8), np.float32), label="x")
    draw(
        "24 residual blocks, folded",
        "Equal blocks with weights of their own: the first, the last, and how many more.",
        lambda: visualize.draw(deep, x, show=("label", "shape")),
    )
    draw(
        "An operation of the user's own",
        "Its derivative is printed as it was written.",
        lambda: visualize.draw(user_defined(), show=local),
    )
    w = Tensor(np.array([1.0, 0.0, -1.0]), requires_grad=True, label="w")
    with np.errstate(all="ignore"):
        bad = w.log().sum()
    draw("Nan and infinity", "They stand out by colour and by border.", lambda: visualize.draw(bad))
    draw(
        "Hostile labels",
        "Every string shows as itself; what cannot be printed becomes �.",
        lambda: visualize.draw(Value.sum([Value(1.0, label=name) for name in HOSTILE]), show=("label",)),
    )
    for theme in THEMES:
        draw(f"Theme: {theme}", "", lambda theme=theme: visualize.draw(batch_loss, names=model, depth=2, theme=theme))
    for engine in ("dot", "pygraphviz", "builtin"):
        try:
            candidates(engine)
        except DrawingError as error:
            add(f"Engine: {engine}", str(error), "")
            continue
        draw(f"Engine: {engine}", "", lambda engine=engine: visualize.draw(batch_loss, names=model, engine=engine))
    for theme in ("light", "dark"):
        add(
            f"The plan of a training step, {theme}",
            "Calls from top to bottom, memory from left to right: arrays that are needed at different times share it.",
            f"<figure>{replayed_step(theme).svg()}</figure>",
        )
    large = recurrence(20_000)
    draw("A graph of 100,003 nodes", "Drawn in the time that is written below it.", lambda: visualize.draw(large))
    draw("One place in it", "Two edges around one node.", lambda: visualize.draw(large, focus="x10000"))
    for mode, (title, words) in MODES.items():
        add(f"The backward stepper: {title}", words, visualize.stepper(diamond).fragment(mode))
    add("The backward stepper on a neuron", "", visualize.stepper(neuron).fragment())
    add(
        "The backward stepper on tensors",
        "",
        visualize.draw(batch_loss, names=model).html(stepper=True).partition("<body>")[2].partition("</body>")[0],
    )
    add("The same in a terminal", "", f"<pre>{escape(visualize.stepper(diamond).text())}</pre>")
    return made


def gallery() -> str:
    """The whole page."""
    parts = ["<h1>Pictures of computation graphs</h1>", "<p>Every picture here was drawn from a graph that ran.</p>"]
    for title, words, picture in sections():
        parts.append(f"<h2>{escape(title)}</h2>\n<p>{escape(words)}</p>\n{picture}")
    return page("Pictures of computation graphs", "\n".join(parts), theme_of("light"))


def readme_pictures(folder: Path) -> list[Path]:
    """The README's pictures, laid out by the built-in engine, so that they are the same wherever they are made."""
    folder.mkdir(parents=True, exist_ok=True)
    o = neuron()
    o.backward()
    model, loss = language_model()
    views: dict[str, visualize.GraphView | visualize.PlanView] = {
        "neuron": visualize.draw(o, show=("label", "data", "grad", "local"), engine="builtin"),
        "recurrence": visualize.draw(recurrence(50), engine="builtin"),
        "model": visualize.draw(loss, names=model, depth=2, show=("label", "shape"), engine="builtin"),
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
    path.write_bytes(gallery().encode("utf-8"))
    print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
