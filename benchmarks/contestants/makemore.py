"""makemore's Transformer in PyTorch, written as A. Karpathy's makemore.py writes it (MIT licence).

The same modules in the same order, attention spelt out, and its own GELU, in whose place another may be given.
"""

import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.contestants.problems import Array
from tinygrad_lm import models


class NewGELU(nn.Module):
    """GPT-2's GELU, spelt out."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


class CausalSelfAttention(nn.Module):
    def __init__(self, context: int, width: int, heads: int) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.register_buffer("bias", torch.tril(torch.ones(context, context)).view(1, 1, context, context), False)
        self.heads, self.width = heads, width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, length, width = x.size()
        q, k, v = self.c_attn(x).split(self.width, dim=2)
        k = k.view(n, length, self.heads, width // self.heads).transpose(1, 2)
        q = q.view(n, length, self.heads, width // self.heads).transpose(1, 2)
        v = v.view(n, length, self.heads, width // self.heads).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :length, :length] == 0, float("-inf"))
        att = F.softmax(att, dim=-1)
        y = att @ v
        y = y.transpose(1, 2).contiguous().view(n, length, width)
        return self.c_proj(y)


class Block(nn.Module):
    def __init__(self, context: int, width: int, heads: int, activation: nn.Module) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(width), CausalSelfAttention(context, width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width), "act": activation}
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        m = self.mlp
        x = x + self.attn(self.ln_1(x))
        return x + m.c_proj(m.act(m.c_fc(self.ln_2(x))))


class Transformer(nn.Module):
    """makemore's Transformer."""

    def __init__(
        self, count: int, context: int, width: int, heads: int, layers: int, activation: nn.Module | None = None
    ) -> None:
        super().__init__()
        activation = NewGELU() if activation is None else activation
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(count, width),
                "wpe": nn.Embedding(context, width),
                "h": nn.ModuleList([Block(context, width, heads, activation) for _ in range(layers)]),
                "ln_f": nn.LayerNorm(width),
            }
        )
        self.lm_head = nn.Linear(width, count, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        places = torch.arange(0, tokens.size(1), dtype=torch.long).unsqueeze(0)
        x = self.transformer.wte(tokens) + self.transformer.wpe(places)
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))


MAKEMORE = {
    "tokens.": "transformer.wte.",
    "places.": "transformer.wpe.",
    "blocks.": "transformer.h.",
    "attention_norm.": "ln_1.",
    "network_norm.": "ln_2.",
    "project.": "attn.c_attn.",
    "mix.": "attn.c_proj.",
    "up.": "mlp.c_fc.",
    "down.": "mlp.c_proj.",
    "output.": "lm_head.",
}
"""What is called otherwise in makemore."""


def renamed(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Weights of this package's Transformer by their names in makemore."""
    return {_renamed(name): array for name, array in weights.items()}


def like(model: models.Transformer, activation: nn.Module | None = None) -> Transformer:
    """One of the sizes of a Transformer of this package."""
    sizes = model.configuration
    return Transformer(len(model.vocabulary), sizes.context, sizes.width, sizes.heads, sizes.layers, activation)


def _renamed(name: str) -> str:
    if name.startswith("norm."):
        return f"transformer.ln_f.{name.removeprefix('norm.')}"
    for ours, theirs in MAKEMORE.items():
        name = name.replace(ours, theirs)
    return name
