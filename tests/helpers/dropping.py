"""Users' models with Dropout, without a thought for modes."""

import numpy as np

from tinygrad_lm import nn
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.models import MLP, TrainableModel
from tinygrad_lm.nn import functional as F
from tinygrad_lm.text import NameDataset, Vocabulary


class Dropping(TrainableModel):
    """A user's model around a network with Dropout, without a thought for modes."""

    kind = "dropping"
    config = from_config = size_of = None

    def __init__(self):
        self.vocabulary = Vocabulary()
        self.net = nn.Sequential(
            nn.Embedding(27, 8, rng=0), nn.Flatten(), nn.Dropout(0.5, rng=1), nn.Linear(16, 27, rng=2)
        )

    def examples(self, names):
        return NameDataset(names, self.vocabulary, 2)

    def loss(self, inputs, targets):
        return F.cross_entropy(self.net(inputs), targets)

    def named_parameters(self):
        return self.net.named_parameters()

    def state_dict(self):
        return self.net.state_dict()

    def load_state_dict(self, state):
        self.net.load_state_dict(state)

    def next_logits(self, prefixes):
        contexts = np.array([([26, 26, *prefix])[-2:] for prefix in prefixes])
        with no_grad():
            return self.net(contexts).data

    def log_likelihoods(self, names):
        windows = self.examples(names)
        rows = F.log_softmax(self.net(windows.contexts)).data
        return rows[np.arange(len(rows)), windows.targets]


Dropping.__abstractmethods__ = frozenset()


class DroppingModule(nn.Module, Dropping):
    """The same as an ``nn.Module`` of its own."""

    kind = "dropping module"


class DroppingMLP(MLP):
    """The package's own model with a layer more."""

    kind = "dropping mlp"

    def __init__(self):
        super().__init__(context=2, embedding=4, hidden=(16,), rng=0)
        self.drop = nn.Dropout(0.5, rng=1)

    def forward(self, contexts):
        return self.output(self.drop(self.hidden(self.embedding(contexts).reshape((len(contexts), -1)))))
