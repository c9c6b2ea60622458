"""Draw five graphs here and with other tools, the same architectures. ``python docs/beside.py [folder] [--png]``.

Writes a picture for each graph and tool and ``index.html`` with all of them at the width of a page, and prints a table.
The other tools are ``torchview``, ``torchlens``, ``torchviz`` and ``micrograd``; one that is not installed is left out
with a line that says so. ``--png`` renders every picture with ``chromium`` too; ``--page`` writes those that
``beside_other_pictures.md`` shows, to ``docs/pictures/beside/``.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import importlib.util
import math
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from html import escape, unescape
from pathlib import Path
from typing import NamedTuple

import numpy as np

import visualize
from tinygrad_lm import Tensor, Value, nn
from tinygrad_lm.models import MLP

GRAPHS = {
    "mlp": "An MLP language model with its loss: context 3, embedding 10, hidden 200, a batch of 32",
    "attention": "An attention block: width 32, 4 heads, causal, 2 sequences of 8",
    "recurrence": "One RNN cell for 30 steps, then a map to 27 logits: width 16, a batch of 4",
    "residual": "24 residual blocks of width 64, a batch of 8",
    "neuron": "The neuron of the micrograd lecture",
}
OURS: dict[str, dict[str, object]] = {
    "ours, architecture": {"engine": "builtin", "style": "architecture"},
    "ours, architecture, depth 1": {"engine": "builtin", "style": "architecture", "depth": 1},
    "ours": {"engine": "builtin"},
    "ours, by dot": {"engine": "dot"},
}
"""How ours are drawn: the options of ``visualize.draw``. Without a style it draws every operation."""
ON_THE_PAGE = [
    ("mlp", "ours, architecture", "ours", "torchview", "torchlens", "torchviz"),
    ("attention", "ours, architecture", "ours", "torchview", "torchlens, depth 1"),
    ("recurrence", "ours, architecture", "ours", "torchview, rolled", "torchlens, collapsed"),
    ("residual", "ours, architecture", "ours", "torchview, depth 1", "torchlens, folded"),
    ("neuron", "ours", "micrograd", "torchview", "torchlens", "torchviz"),
]
"""The pictures that the page shows."""
SAYS = {"values": r"\bdata (all )?-?\d", "gradients": r"\bgrad(-norm:)? (all )?-?\d", "local derivatives": "∂"}
"""What the text of a picture may say, each with an expression that finds it in one line of it."""
SHAPES = {
    "mlp": (r"\b32\W+(30|200)\b", r"\b200\W+30\b"),
    "attention": (r"\b2\W+8\W+32\b", r"\b96\W+32\b"),
    "recurrence": (r"\b4\W+16\b", r"\b16\W+16\b"),
    "residual": (r"\b8\W+64\b", r"\b256\W+64\b"),
}
"""Shapes of what a model computes, and of one of its weights."""
PAGE_WIDTHS = (400, 700, 1200)
LARGEST_PNG = 6000
"""Pixels; a larger picture is scaled down before it is rendered."""

Drawing = tuple[str, str, Callable[[], str]]
"""A graph, the tool and its settings, and a function that draws it as SVG."""


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

    @property
    def name(self) -> str:
        """What its files are called, without the suffix."""
        return re.sub(r"\W+", "_", f"{self.graph}_{self.tool}")

    def text_at(self, page: int) -> float:
        """The median size of its text where a page of that width scales it down to fit."""
        return self.text * min(1.0, page / self.width)

    def says(self) -> str:
        """What of ``SAYS`` its text says."""
        lines = [unescape(line) for line in re.findall(r"<text[^>]*>([^<]*)", self.svg)]
        found = {what: sum(bool(re.search(pattern, line)) for line in lines) for what, pattern in SAYS.items()}
        if self.graph in SHAPES:
            activation, weight = SHAPES[self.graph]
            # Twice, for the first may be that of the input or of the result.
            found["shapes"] = sum(bool(re.search(activation, line)) for line in lines) > 1
            found["weights"] = any(re.search(weight, line) for line in lines)
        return ", ".join(what for what, count in found.items() if count)


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


def function_of(name: str) -> tuple[Callable[..., Tensor], nn.Module, list[np.ndarray]]:
    """A function that computes what is drawn, with its gradients; the model that it calls, and its inputs."""
    model, inputs = MODELS[name]()
    called = model.loss if isinstance(model, MLP) else model

    @functools.wraps(model.loss if isinstance(model, MLP) else model.forward)
    def run(*given: np.ndarray) -> Tensor:
        # Numbers go in as tensors, which a recurrence can take apart, ids as they are.
        return _with_gradients(called(*(x if x.dtype.kind == "i" else Tensor(x) for x in given)))

    return run, model, inputs


def _with_gradients(result: Tensor) -> Tensor:
    result.sum().backward()
    return result


def neuron() -> Value:
    """The neuron of the micrograd lecture, with its gradients."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    o = (x1 * w1 + x2 * w2 + b).tanh()
    o.label = "o"
    o.backward()
    return o


def ours() -> Iterator[Drawing]:
    """Each graph in each of our settings; ``dot`` where there is one."""
    for settings, options in OURS.items():
        if options["engine"] == "dot" and shutil.which("dot") is None:
            print(f"left out: {settings}, for Graphviz is not installed")
            continue
        for name in MODELS:
            yield name, settings, _model_drawn(name, options)
        if "style" not in options:
            yield "neuron", settings, _neuron_drawn(options)


def _model_drawn(name: str, options: dict[str, object]) -> Callable[[], str]:
    def draw() -> str:
        function, model, inputs = function_of(name)
        return visualize.draw(function, *inputs, names=model, **options).svg()

    return draw


def _neuron_drawn(options: dict[str, object]) -> Callable[[], str]:
    return lambda: visualize.draw(neuron(), show=("label", "data", "grad", "local"), **options).svg()


def theirs() -> Iterator[Drawing]:
    """Each graph by each of the other tools that is installed, with our weights and inputs."""
    if _is_there("micrograd"):
        yield "neuron", "micrograd", importlib.import_module("beside_micrograd").neuron
    if not _is_there("torch"):
        return
    module = importlib.import_module("beside_torch")
    tools = [tool for tool in module.TOOLS if _is_there(tool)]
    for name in MODELS:
        function, model, inputs = function_of(name)
        weights = {key: parameter.data for key, parameter in model.named_parameters()}
        yield from module.pictures(name, tools, weights, inputs, function(*inputs).data)
    yield from module.neuron(tools)


def _is_there(package: str) -> bool:
    there = importlib.util.find_spec(package) is not None and shutil.which("dot") is not None
    if not there:
        print(f"left out: {package}, for it or Graphviz is not installed")
    return there


def measured(graph: str, tool: str, draw: Callable[[], str]) -> Picture:
    """A picture, drawn twice, so that nothing is imported in the time that counts."""
    draw()
    start = time.perf_counter()
    svg = draw()
    seconds = time.perf_counter() - start
    width, height = (_pixels(svg, side) for side in ("width", "height"))
    box = re.search(r'viewBox="[-\d.]+ [-\d.]+ ([\d.]+)', svg)
    inner = re.search(r'class="graph"\s+transform="scale\(([\d.]+)', svg)
    scale = width / float(box[1] if box else width) * float(inner[1] if inner else 1)
    sizes = [float(size) * scale for size in re.findall(r'<text[^>]*font-size="([\d.]+)"', svg)]
    nodes, edges = (len(re.findall(rf'class="{kind}[ "]', svg)) for kind in ("node", "edge"))
    return Picture(graph, tool, svg, seconds, width, height, nodes, edges, statistics.median(sizes))


def _pixels(svg: str, side: str) -> float:
    found = re.search(rf'<svg[^>]* {side}="([\d.]+)(pt|px)?"', svg)
    if found is None:
        raise ValueError(f"a picture without a {side}: {svg:.100}")
    return float(found[1]) * (96 / 72 if found[2] == "pt" else 1)


def row(p: Picture) -> str:
    """A picture's row of the table."""
    size, text = f"{p.width:.0f} × {p.height:.0f}", [f"{p.text_at(page):.1f}" for page in PAGE_WIDTHS]
    cells = [p.graph, p.tool, size, str(p.nodes), str(p.edges), *text, f"{p.seconds:.2f}", p.says() or "–"]
    return "| " + " | ".join(cells) + " |"


def table(pictures: list[Picture]) -> str:
    """What was measured, in Markdown."""
    text = [f"text at {page}" for page in PAGE_WIDTHS]
    head = ["graph", "tool", "size, px", "nodes", "edges", *text, "seconds", "says"]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *map(row, pictures)])


def index(pictures: list[Picture]) -> str:
    """A page with every picture, no wider than the page."""
    parts = ["<!doctype html><meta charset=utf-8><style>img{max-width:100%;border:1px solid #ccc}</style>"]
    for graph, words in GRAPHS.items():
        parts.append(f"<h2>{escape(words)}</h2>")
        parts += [f'<h3>{escape(p.tool)}</h3><img src="{p.name}.svg" alt="">' for p in pictures if p.graph == graph]
    return "\n".join(parts)


def png(folder: Path, p: Picture) -> None:
    """Render a picture in a browser, as large as it is or as it may be."""
    scale = min(1.0, LARGEST_PNG / max(p.width, p.height))
    width, height = math.ceil(p.width * scale), math.ceil(p.height * scale)
    path = (folder / f"{p.name}.html").resolve()
    path.write_text(f'<body style="margin:0"><img width="{width}" src="{p.name}.svg">', encoding="utf-8")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={width},{height}"]
    command = ["chromium", *flags, f"--screenshot={path.with_suffix('.png')}", path.as_uri()]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    path.unlink()


def main() -> None:
    """Draw, write and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("beside"))
    parser.add_argument("--png", action="store_true", help="render each picture in a browser too")
    parser.add_argument("--page", action="store_true", help="only the pictures of the page, to docs/pictures/beside")
    arguments = parser.parse_args()
    folder = Path(__file__).parent / "pictures" / "beside" if arguments.page else arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [measured(*drawing) for source in (ours(), theirs()) for drawing in source]
    pictures.sort(key=lambda p: list(GRAPHS).index(p.graph))
    print(table(pictures))
    if arguments.page:
        wanted = {(graph, tool) for graph, *tools in ON_THE_PAGE for tool in tools}
        pictures = [p for p in pictures if (p.graph, p.tool) in wanted]
    else:
        (folder / "index.html").write_text(index(pictures), encoding="utf-8")
    for p in pictures:
        (folder / f"{p.name}.svg").write_text(p.svg, encoding="utf-8")
        if arguments.png:
            png(folder, p)


if __name__ == "__main__":
    main()
