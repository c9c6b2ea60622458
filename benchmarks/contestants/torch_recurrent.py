"""The GRU and the LSTM in PyTorch: Embedding, recurrent layer, Linear; padded, and packed by length."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from tinygrad_lm.text import Vocabulary

KINDS = {"gru": nn.GRU, "lstm": nn.LSTM}


class Recurrent(nn.Module):
    """Ids (n, length) in, logits (n, length, count) out; the names of the weights are this package's."""

    def __init__(self, kind: str, count: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(count, embedding)
        self.recurrent = KINDS[kind](embedding, hidden, batch_first=True)
        self.output = nn.Linear(hidden, count)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        states, _ = self.recurrent(self.embedding(tokens))
        return self.output(states)


def maker(kind: str, embedding: int, hidden: int) -> Callable[[], Recurrent]:
    """What makes the network."""
    return lambda: Recurrent(kind, len(Vocabulary()), embedding, hidden)


def of_packed(net: Recurrent) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The loss over what is no padding; the longest names of a batch come first."""

    def loss(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        lengths = (targets >= 0).sum(1)
        states, _ = net.recurrent(pack_padded_sequence(net.embedding(inputs), lengths, batch_first=True))
        return F.cross_entropy(net.output(states.data), pack_padded_sequence(targets, lengths, batch_first=True).data)

    return loss
