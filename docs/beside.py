"""Draw five graphs here and with other tools, the same architectures. ``python docs/beside.py [folder] [--png]``.

Writes a picture for each graph and tool, ``index.html`` with all of them at the width of a page, and prints a table.
The other tools are ``torchview``, ``torchlens``, ``torchviz`` and ``micrograd``; one that is not installed is left out
with a line that says so. ``--png`` renders every picture with ``chromium`` too.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

import visualize
from tinygrad_lm import Tensor, Value, nn
from tinygrad_lm.models import MLP

GRAPHS = {
    "mlp": "an MLP language model with its loss: context 3, embedding 10, hidden 200, a batch of 32",
    "attention": "an attention block: width 32, 4 heads, causal, 2 sequences of 8",
    "recurrence": "one RNN cell for 30 steps, then a map to 27 logits: width 16, a batch of 4",
    "residual": "24 residual blocks of width 64, a batch of 8",
    "neuron": "the neuron of the micrograd lecture",
}
PAGE_WIDTHS = (400, 700, 1200)
LARGEST_PNG = 6000
"""Pixels; beyond them a picture is scaled down before it is rendered."""

Draw = Callable[[], str]
"""Draws, and returns SVG."""


class Picture(NamedTuple):
    """What a tool made of a graph, measured."""

    graph: str
    tool: str
    svg: str
    seconds: float
    width: float
    height: float
    nodes: int
    edges: int
    text: float
    """The median size of its text, in px at natural size."""

    def text_at(self, page: int) -> float:
        """The median size of its text where a page of that width scales it down to fit."""
        return self.text * min(1.0, page / self.width)


# The five graphs, here. Those of PyTorch, in beside_torch.py, are the same line by line.


class Attention(nn.Module):
    """Causal attention of several heads, spelled out."""

    def __init__(self, width: int, heads: int, rng: np.random.Generator) -> None:
        self.heads = heads
        self.project = nn.Linear(width, 3 * width, rng=rng)
        self.mix = nn.Linear(width, width, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """Softmax(Q K^T / sqrt(d)) V, heads side by side, mixed."""
        n, length, width = x.shape
        parts = self.project(x).view(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        scores = query @ key.transpose(-2, -1) / math.sqrt(width // self.heads)
        hidden = ~np.tri(length, dtype=bool)
        weights = scores.masked_fill(hidden, -math.inf).softmax(dim=-1)
        return self.mix((weights @ value).transpose(1, 2).reshape(n, length, width))


class AttentionBlock(nn.Module):
    """Attention, then a small network for each place, each added to what came in."""

    def __init__(self, width: int, heads: int, rng: np.random.Generator) -> None:
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads, rng)
        self.network_norm = nn.LayerNorm(width)
        self.network = nn.Sequential(
            nn.Linear(width, 4 * width, rng=rng), nn.GELU(), nn.Linear(4 * width, width, rng=rng)
        )

    def forward(self, x: Tensor) -> Tensor:
        """A block of GPT-2."""
        x = x + self.attention(self.attention_norm(x))
        return x + self.network(self.network_norm(x))


class Recurrence(nn.Module):
    """One cell, again and again, then the logits after the last step."""

    def __init__(self, inputs: int, width: int, outputs: int, rng: np.random.Generator) -> None:
        self.cell = nn.RNNCell(inputs, width, rng=rng)
        self.output = nn.Linear(width, outputs, rng=rng)

    def forward(self, xs: Tensor, state: Tensor) -> Tensor:
        """``xs`` is (steps, n, inputs)."""
        for x in xs.unbind(0):
            state = self.cell(x, state)
        return self.output(state)


class Residual(nn.Module):
    """A block as in a Transformer, without the attention."""

    def __init__(self, width: int, rng: np.random.Generator) -> None:
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width, rng=rng)
        self.down = nn.Linear(4 * width, width, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what the block makes of it."""
        return x + self.down(self.up(self.norm(x)).tanh())


def mlp() -> tuple[MLP, list[np.ndarray]]:
    """The model, and contexts and targets."""
    rng = np.random.default_rng(0)
    return MLP(context=3, embedding=10, hidden=[200], rng=0), [rng.integers(0, 27, (32, 3)), rng.integers(0, 27, 32)]


def attention() -> tuple[nn.Module, list[np.ndarray]]:
    """The model and its input."""
    rng = np.random.default_rng(0)
    return AttentionBlock(32, 4, rng), [rng.normal(size=(2, 8, 32)).astype(np.float32)]


def recurrence() -> tuple[nn.Module, list[np.ndarray]]:
    """The model, and its inputs and first state."""
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(30, 4, 8)).astype(np.float32), np.zeros((4, 16), np.float32)]
    return Recurrence(8, 16, 27, rng), inputs


def residual() -> tuple[nn.Module, list[np.ndarray]]:
    """The model and its input."""
    rng = np.random.default_rng(0)
    return nn.Sequential(*[Residual(64, rng) for _ in range(24)]), [rng.normal(size=(8, 64)).astype(np.float32)]


MODELS = {"mlp": mlp, "attention": attention, "recurrence": recurrence, "residual": residual}


def result_of(name: str) -> tuple[nn.Module, list[np.ndarray], Tensor]:
    """A model, its input, and what it made of it, with gradients."""
    model, inputs = MODELS[name]()
    if isinstance(model, MLP):
        result = model.loss(*inputs)
    else:
        labels = ("xs", "h0") if name == "recurrence" else ("x",)
        result = model(*(Tensor(array, label=label) for array, label in zip(inputs, labels, strict=True)))
    result.sum().backward()
    return model, inputs, result


def neuron() -> Value:
    """The neuron of the micrograd lecture, with its gradients."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    o = (x1 * w1 + x2 * w2 + b).tanh()
    o.label = "o"
    o.backward()
    return o


def here() -> Iterator[tuple[str, str, Draw]]:
    """Graph, settings and picture: ours."""
    for engine in ("dot", "builtin"):
        for name in MODELS:
            model, _, result = result_of(name)
            for depth in (None, 1, 2):
                settings = f"ours, {engine}" + (f", depth {depth}" if depth else "")
                yield name, settings, _drawn(result, names=model, engine=engine, depth=depth)
        yield "neuron", f"ours, {engine}", _drawn(neuron(), engine=engine, show=("label", "data", "grad", "local"))


def _drawn(root: object, **options: object) -> Draw:
    return lambda: visualize.draw(root, **options).svg()


def micrograd() -> Iterator[tuple[str, str, Draw]]:
    """The picture of micrograd's notebook: of single numbers, so of the neuron alone."""
    module = importlib.import_module("beside_micrograd")
    yield "neuron", "micrograd", module.neuron


def torch_tools() -> Iterator[tuple[str, str, Draw]]:
    """What draws PyTorch's graphs, with the same weights and input."""
    module = importlib.import_module("beside_torch")
    for name in MODELS:
        model, inputs, result = result_of(name)
        weights = {key: parameter.data for key, parameter in model.named_parameters()}
        yield from module.pictures(name, weights, inputs, result.data)
    yield from module.neuron()


# Measuring.


def measured(graph: str, tool: str, draw: Draw) -> Picture:
    """A picture drawn twice, so that nothing is imported in the time that counts."""
    draw()
    start = time.perf_counter()
    svg = draw()
    seconds = time.perf_counter() - start
    width, height = (_pixels(svg, side) for side in ("width", "height"))
    scale = _scale(svg, width)
    sizes = [float(size) * scale for size in re.findall(r'<text[^>]*font-size="([\d.]+)"', svg)]
    count = {kind: len(re.findall(rf'class="{kind}[ "]', svg)) for kind in ("node", "edge")}
    text = statistics.median(sizes) if sizes else math.nan
    return Picture(graph, tool, svg, seconds, width, height, count["node"], count["edge"], text)


def _pixels(svg: str, side: str) -> float:
    found = re.search(rf'<svg[^>]* {side}="([\d.]+)(pt|px)?"', svg)
    assert found, "a picture without a size"
    return float(found[1]) * (96 / 72 if found[2] == "pt" else 1)


def _scale(svg: str, width: float) -> float:
    """Pixels for a unit of the drawing."""
    box = re.search(r'viewBox="[-\d.]+ [-\d.]+ ([\d.]+)', svg)
    inner = re.search(r'class="graph"\s+transform="scale\(([\d.]+)', svg)
    return width / float(box[1] if box else width) * float(inner[1] if inner else 1)


# Writing.


def table(pictures: list[Picture]) -> str:
    """The measured part, in Markdown."""
    head = ["graph", "tool", "size, px", "nodes", "edges", "seconds", *(f"text at {w}" for w in PAGE_WIDTHS)]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for p in pictures:
        size, text = f"{p.width:.0f} x {p.height:.0f}", [f"{p.text_at(page):.1f}" for page in PAGE_WIDTHS]
        cells = [p.graph, p.tool, size, str(p.nodes), str(p.edges), f"{p.seconds:.2f}", *text]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def index(pictures: list[Picture]) -> str:
    """A page with every picture, no wider than the page."""
    parts = ["<!doctype html><meta charset=utf-8><style>img{max-width:100%;border:1px solid #ccc}</style>"]
    for graph, words in GRAPHS.items():
        parts.append(f"<h2>{escape(words)}</h2>")
        for p in pictures:
            if p.graph == graph:
                parts.append(f'<h3>{escape(p.tool)}</h3><img src="{file_name(p)}.svg" alt="">')
    return "\n".join(parts)


def file_name(p: Picture) -> str:
    """What its files are called, without the suffix."""
    return f"{p.graph}_" + re.sub(r"\W+", "_", p.tool)


def png(folder: Path, p: Picture) -> None:
    """Render a picture in a browser, as large as it is or as it may be."""
    scale = min(1.0, LARGEST_PNG / max(p.width, p.height))
    width, height = math.ceil(p.width * scale), math.ceil(p.height * scale)
    path = folder / f"{file_name(p)}.html"
    path.write_text(f'<body style="margin:0"><img width="{width}" src="{file_name(p)}.svg">', encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={width},{height}"]
    picture = f"--screenshot={path.with_suffix('.png').resolve()}"
    subprocess.run(["chromium", *options, picture, path.resolve().as_uri()], check=True, capture_output=True)
    path.unlink()


def main() -> None:
    """Draw, write and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("beside"))
    parser.add_argument("--png", action="store_true", help="render each picture in a browser too")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    sources = [here()]
    for source, needs in ((micrograd, ["micrograd"]), (torch_tools, ["torch"])):
        if missing := [name for name in needs if importlib.util.find_spec(name) is None]:
            print(f"left out: {source.__name__}, for {', '.join(missing)} is not installed")
        else:
            sources.append(source())
    pictures = [measured(*drawing) for source in sources for drawing in source]
    pictures.sort(key=lambda p: list(GRAPHS).index(p.graph))
    for p in pictures:
        (arguments.folder / f"{file_name(p)}.svg").write_text(p.svg, encoding="utf-8")
        if arguments.png:
            png(arguments.folder, p)
    (arguments.folder / "index.html").write_text(index(pictures), encoding="utf-8")
    print(table(pictures))


if __name__ == "__main__":
    main()
