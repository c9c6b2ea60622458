"""What a course on small language models does in its labs, from counting to a saved model, without a detour."""

import numpy as np
import pytest

from tinygrad_lm import Tensor, models, nn, optim, sampling, text
from tinygrad_lm.nn import functional as F
from tinygrad_lm.training import Plan, Trainer

NAMES = text.bundled_names()[::9]


def test_a_bigram_counted_and_the_same_learned():
    """The lab on bigrams: counts, a table, samples at a temperature, and one linear layer that learns the same."""
    vocabulary = text.Vocabulary()
    counted = models.NGram(2, smoothing=0.01).fit(NAMES)
    table = counted.count_matrix() + 0.01
    assert np.allclose(table / table.sum(axis=1, keepdims=True), counted.table())

    windows = text.NameDataset(NAMES, vocabulary, 1)
    layer = nn.Linear(27, 27, bias=False, rng=0)
    optimizer = optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.0)
    x = Tensor(np.eye(27, dtype=np.float32)[windows.contexts[:, 0]])
    for _ in range(100):
        optimizer.zero_grad()
        loss = F.cross_entropy(layer(x), windows.targets)
        loss.backward()
        optimizer.step()
    assert loss.item() == pytest.approx(counted.evaluate(NAMES).loss, abs=0.05)

    rng, temperature = np.random.default_rng(0), 0.8
    ids = [vocabulary.boundary_id]
    while len(ids) < 12 and (len(ids) == 1 or ids[-1] != vocabulary.boundary_id):
        logits = layer(Tensor(np.eye(27, dtype=np.float32)[ids[-1:]]))
        chances = F.softmax(logits / temperature).data[0].astype(np.float64)
        ids.append(int(rng.choice(27, p=chances / chances.sum())))
    assert len(ids) > 1


def test_a_model_trained_saved_and_loaded(tmp_path, monkeypatch):
    """The lab on the neural model: a split, a training that shows itself, samples, a file for the next lab."""
    monkeypatch.chdir(tmp_path)
    split = text.split_names(NAMES, seed=0)
    model = models.MLP(text.Vocabulary(), context=3, embedding=4, hidden=(16,), rng=0)
    trainer = Trainer(model, split.train, split.validation, Plan(steps=60, evaluate_every=20))
    trainer.run()
    losses = [report.validation_loss for report in trainer.history]
    assert len(losses) == 3 and losses[-1] < losses[0]
    trainer.restore_best()
    model.eval()
    model.save("names")

    again = models.load("names")
    assert again.evaluate(split.test) == model.evaluate(split.test)
    settings = sampling.Settings(temperature=0.8, top_k=5)
    first, second = (list(sampling.samples(one, settings, np.random.default_rng(3), count=5)) for one in (model, again))
    assert [name.text for name in first] == [name.text for name in second]
