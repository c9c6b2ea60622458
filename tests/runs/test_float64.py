"""Tests of runs of models in float64: their folders say so, and they go on bit by bit."""

import numpy as np
import pytest

from tests.helpers.runs import save
from tests.helpers.training import SPLIT, run, same
from tinygrad_lm import models, runs
from tinygrad_lm.models import ModelFileError, files
from tinygrad_lm.training import Plan, Trainer

MAKERS = {
    "mlp": lambda dtype: models.MLP(context=2, embedding=3, hidden=(8,), norm="batch", rng=0, dtype=dtype),
    "lstm": lambda dtype: models.LSTM(embedding=3, hidden=4, rng=0, dtype=dtype),
    "transformer": lambda dtype: models.Transformer(width=4, heads=2, layers=1, rng=0, dtype=dtype),
}


def trainer(make, dtype=np.float64):
    return Trainer(make(dtype), SPLIT.train[:200], SPLIT.validation[:20], Plan(16, 8, evaluate_every=5, ema_decay=0.9))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_it_is_loaded_and_goes_on_bit_by_bit(tmp_path, make):
    whole, stopped = trainer(make), trainer(make)
    run(whole)
    run(stopped, 7)
    save(tmp_path / "r", stopped)
    for load in (models.load, lambda folder: runs.load(folder).model):
        assert same(load(tmp_path / "r").state_dict(), stopped.best)
    _, model, plan = runs.open_stopped(tmp_path / "r")
    again = Trainer(model, SPLIT.train[:200], SPLIT.validation[:20], plan)
    runs.restore(tmp_path / "r", again)
    run(again)
    assert same(again.state()[0], whole.state()[0]) and again.best_loss == whole.best_loss
    assert {array.dtype for array in again.best.values()} == {np.dtype(np.float64)}


def test_only_what_is_unusual_is_written(tmp_path):
    for dtype, told in ((np.float64, "float64"), (np.float32, None)):
        save(tmp_path / "r", trainer(MAKERS["mlp"], dtype))
        for name in (runs.WEIGHTS, runs.CHECKPOINT):
            assert files.read_metadata(tmp_path / "r" / name).get("dtype") == told


def test_another_dtype_is_refused(tmp_path):
    save(tmp_path / "r", trainer(MAKERS["mlp"]))
    arrays, metadata = files.read_arrays(tmp_path / "r" / runs.WEIGHTS, 1 << 20)
    files.write_arrays(tmp_path / "r" / runs.WEIGHTS, arrays, {**metadata, "dtype": "int64"})
    with pytest.raises(ModelFileError, match="weights of the dtype 'int64' are not saved"):
        runs.load(tmp_path / "r")
