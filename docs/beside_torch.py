"""The five graphs in PyTorch, and how torchview, torchlens and torchviz draw them: run by ``beside.py``."""

from __future__ import annotations

import importlib
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

Drawn = tuple[str, Callable[[], str]]
Drawing = tuple[str, str, Callable[[], str]]


class LanguageModel(nn.Module):
    """The MLP with its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(27, 10)
        self.hidden = nn.Sequential(nn.Linear(30, 200), nn.Tanh())
        self.output = nn.Linear(200, 27)

    def forward(self, contexts: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of a batch."""
        embedded = self.embedding(contexts)
        return F.cross_entropy(self.output(self.hidden(embedded.reshape(len(contexts), 30))), targets)


class Attention(nn.Module):
    """Causal attention of several heads, spelled out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.register_buffer("hidden", ~torch.ones(8, 8, dtype=torch.bool).tril(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Softmax(Q K^T / sqrt(d)) V, heads side by side, mixed."""
        n, length, width = x.shape
        parts = self.project(x).view(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        scores = query @ key.transpose(-2, -1) / math.sqrt(width // self.heads)
        weights = scores.masked_fill(self.hidden, -math.inf).softmax(dim=-1)
        return self.mix((weights @ value).transpose(1, 2).reshape(n, length, width))


class AttentionBlock(nn.Module):
    """Attention, then a small network for each place, each added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.network_norm = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A block of GPT-2."""
        x = x + self.attention(self.attention_norm(x))
        return x + self.network(self.network_norm(x))


class Recurrence(nn.Module):
    """One cell, again and again, then the logits after the last step."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.cell = nn.RNNCell(inputs, width)
        self.output = nn.Linear(width, outputs)

    def forward(self, xs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """``xs`` is (steps, n, inputs)."""
        for x in xs.unbind(0):
            state = self.cell(x, state)
        return self.output(state)


class Residual(nn.Module):
    """A block as in a Transformer, without the attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input plus what the block makes of it."""
        return x + self.down(self.up(self.norm(x)).tanh())


class Neuron(nn.Module):
    """The neuron of the micrograd lecture: two inputs, two weights and a bias, each a number."""

    def __init__(self) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.tensor(-3.0))
        self.w2 = nn.Parameter(torch.tensor(1.0))
        self.b = nn.Parameter(torch.tensor(6.8813735870195432))

    def forward(self, x1: torch.Tensor, x2: torch.Tensor) -> torch.Tensor:
        """Between -1 and 1."""
        return torch.tanh(x1 * self.w1 + x2 * self.w2 + self.b)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": LanguageModel,
    "attention": lambda: AttentionBlock(32, 4),
    "recurrence": lambda: Recurrence(8, 16, 27),
    "residual": lambda: nn.Sequential(*[Residual(64) for _ in range(24)]),
}


def pictures(
    graph: str, tools: Sequence[str], weights: dict[str, np.ndarray], inputs: list[np.ndarray], expected: np.ndarray
) -> Iterator[Drawing]:
    """The pictures of a model with these weights, after a check that it computes what is expected."""
    model = MODELS[graph]()
    model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    given = [torch.from_numpy(array) for array in inputs]
    np.testing.assert_allclose(model(*given).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    for tool in tools:
        for settings, draw in TOOLS[tool](graph, model, given):
            yield graph, settings, draw


def neuron(tools: Sequence[str]) -> Iterator[Drawing]:
    """The pictures of the neuron."""
    inputs = [torch.tensor(2.0, requires_grad=True), torch.tensor(0.0, requires_grad=True)]
    for tool in tools:
        for settings, draw in TOOLS[tool]("neuron", Neuron(), inputs):
            yield "neuron", settings, draw


def _torchview(graph: str, model: nn.Module, inputs: list[torch.Tensor]) -> Iterator[Drawn]:
    """Nested modules opened; modules of the first level alone; what repeats, rolled; a neuron's operations."""
    draw_graph = importlib.import_module("torchview").draw_graph
    variants: dict[str, dict[str, object]] = {"torchview": {"expand_nested": True}, "torchview, depth 1": {"depth": 1}}
    if graph == "recurrence":
        variants["torchview, rolled"] = {"expand_nested": True, "roll": True}
    if graph == "neuron":
        variants = {"torchview": {"hide_module_functions": False}}
    for settings, options in variants.items():

        def draw(options: dict[str, object] = options) -> str:
            dot = draw_graph(model, input_data=inputs, **options).visual_graph
            return dot.pipe(format="svg", encoding="utf-8")

        yield settings, draw


def _torchlens(graph: str, model: nn.Module, inputs: list[torch.Tensor]) -> Iterator[Drawn]:
    """Everything, as by default; the first level; gradients' norms; and where there are repeats its ways to fold."""
    torchlens = importlib.import_module("torchlens")
    gradients = {"node_overlay": "grad_norm"}
    variants: dict[str, dict[str, object]] = {"torchlens": {}, "torchlens, gradients": gradients}
    if graph != "neuron":
        variants["torchlens, depth 1"] = {"depth": 1}
    if graph == "recurrence":
        variants |= {"torchlens, rolled": {"view": "rolled"}, "torchlens, collapsed": {"collapse": "auto"}}
    if graph == "residual":
        variants["torchlens, folded"] = {"fold_repeats": True}
    for settings, options in variants.items():

        def draw(options: dict[str, object] = options) -> str:
            saved = torchlens.options.CaptureOptions(save_grads=options is gradients)
            trace = torchlens.trace(model, inputs, capture=saved)
            if options is gradients:
                trace.log_backward(trace[trace.output_layers[0]].out.sum())
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "graph"
                trace.draw(vis_outpath=str(path), vis_fileformat="svg", vis_save_only=True, **options)
                return path.with_suffix(".svg").read_text(encoding="utf-8")

        yield settings, draw


def _torchviz(graph: str, model: nn.Module, inputs: list[torch.Tensor]) -> Iterator[Drawn]:
    """With the parameters' names, and those of the neuron's inputs."""
    make_dot = importlib.import_module("torchviz").make_dot
    named = dict(model.named_parameters())
    if graph == "neuron":
        named |= dict(zip(("x1", "x2"), inputs, strict=True))
    yield "torchviz", lambda: make_dot(model(*inputs), params=named).pipe(format="svg", encoding="utf-8")


TOOLS = {"torchview": _torchview, "torchlens": _torchlens, "torchviz": _torchviz}
"""What draws a model, by its package."""
