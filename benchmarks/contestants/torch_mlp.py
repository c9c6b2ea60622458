"""The MLP in PyTorch; the names of the weights are this package's, so that these load as they are."""

import torch
from torch import nn


class MLP(nn.Module):
    """Embedding -> concatenate -> Linear -> tanh -> Linear."""

    def __init__(self, count: int, context: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(count, embedding)
        self.hidden = nn.Sequential(nn.Linear(context * embedding, hidden), nn.Tanh())
        self.output = nn.Linear(hidden, count)

    def forward(self, contexts: torch.Tensor) -> torch.Tensor:
        return self.output(self.hidden(self.embedding(contexts).flatten(1)))
