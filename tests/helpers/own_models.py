"""One model written in each of the ways to predict, as a user would write them."""

import numpy as np
import pytest

from tinygrad_lm import nn
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.models import MLP, KneserNey, LanguageModel, NeuralBigram, NGram, TrainableModel, WindowModel
from tinygrad_lm.text import Vocabulary

NAMES = ["abid", "aabid", "zeel", "nipun", "meera", "a", "krishnamurthy"]
VOCABULARY = Vocabulary()


class Forward(nn.Module, TrainableModel):
    """Reads whole names at once: the mean of the embeddings so far."""

    def __init__(self, width=5, context=None):
        self.vocabulary = VOCABULARY
        if context is not None:
            self.context = context
        self.embedding = nn.Embedding(27, width, rng=0, dtype=np.float64)
        self.output = nn.Linear(width, 27, rng=1, dtype=np.float64)

    def forward(self, tokens):
        length = tokens.shape[1]
        mean = np.tril(np.ones((length, length))) / np.arange(1, length + 1)[:, None]
        return self.output(mean @ self.embedding(tokens))


class Stepping(nn.Module, TrainableModel):
    """The same a token at a time: the sum of the embeddings and how many they are."""

    def __init__(self):
        self.vocabulary = VOCABULARY
        self.embedding = nn.Embedding(27, 5, rng=0, dtype=np.float64)
        self.output = nn.Linear(5, 27, rng=1, dtype=np.float64)

    def start(self, n):
        return np.zeros((n, 5)), 0

    def step(self, tokens, state):
        total, count = state[0] + self.embedding(tokens), state[1] + 1
        return self.output(total / count), (total, count)


class Prefixes(LanguageModel):
    """The same from whole prefixes, as arrays."""

    def __init__(self):
        self.vocabulary, self.twin = VOCABULARY, Forward()

    def next_logits(self, prefixes):
        with no_grad():
            return np.array([self.twin(np.array([[26, *prefix]])).data[0, -1] for prefix in prefixes])


class Windows(nn.Module, WindowModel):
    """Sees three tokens and their places."""

    def __init__(self):
        self.vocabulary, self.context = VOCABULARY, 3
        self.embedding = nn.Embedding(27, 2, rng=0, dtype=np.float64)
        self.output = nn.Linear(6, 27, rng=1, dtype=np.float64)

    def forward(self, contexts):
        return self.output(self.embedding(contexts).reshape((len(contexts), 6)))


WAYS = {"forward": Forward(), "step": Stepping(), "next_logits": Prefixes()}
ALL = {**WAYS, "context": Forward(context=3), "window": Windows(), "mlp": MLP(hidden=(4,), rng=0, dtype=np.float64)}
ALL |= {"bigram": NGram(2, 0.1).fit(NAMES), "unigram": NGram(1, 0.1).fit(NAMES), "5gram": NGram(5, 0.1).fit(NAMES)}
ALL |= {"kneser-ney": KneserNey().fit(NAMES), "neural bigram": NeuralBigram(dtype=np.float64)}


of_all = pytest.mark.parametrize("model", ALL.values(), ids=ALL.keys())


def log_softmax(logits):
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
