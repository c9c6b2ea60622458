"""Tests of what keeps a model file honest: the checksum, finite numbers, and sizes that fit; planted bugs must fail."""

import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tests.helpers.model_files import ARRAYS, DATA, join, parts, with_fields
from tinygrad_lm.models import MLP, ModelFileError, files, loading


def signed(path, arrays, content):
    """Write arrays that ``write_arrays`` would refuse, with the checksum that belongs to them."""
    entry = json.dumps({"content": json.dumps(content), "sha256": files._checksum(arrays, json.dumps(content))})
    path.write_bytes(safetensors.numpy.save(arrays, metadata={files.ENTRY: entry}))


def test_the_checksum_knows_the_shapes():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        files.write_arrays(path, ARRAYS, DATA)
        header, data = parts(path.read_bytes())
        for shape in ([3, 2], [6], [1, 2, 3], [6, 1]):
            path.write_bytes(join(with_fields(header, **{"a.weight": "shape"}, to=shape), data))
            with pytest.raises(ModelFileError, match="its checksum is not that of its content"):
                files.read_arrays(path)


def test_the_checksum_knows_the_names_the_dtypes_and_the_plain_data():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        files.write_arrays(path, {"a": np.zeros(2), "b": np.ones(2)}, {"n": 1})
        header, data = parts(path.read_bytes())
        renamed = {"c" if name == "b" else name: entry for name, entry in header.items()}
        entry = header["__metadata__"][files.ENTRY].replace(" 1}", " 2}").replace(": 1", ": 2")
        other = {**header, "__metadata__": {files.ENTRY: entry}}
        assert other != header
        for changed in (renamed, other, with_fields(header, a="dtype", to="I64")):
            path.write_bytes(join(changed, data))
            with pytest.raises(ModelFileError, match="its checksum is not that of its content"):
                files.read_arrays(path)


def test_numbers_that_are_not_finite_are_not_loaded():
    model = MLP(hidden=(4,), rng=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        for bad in (math.nan, math.inf, -math.inf):
            state = model.state_dict()
            state["output.bias"][3] = bad
            signed(path, state, {"model": files.describe(model)})
            with pytest.raises(ModelFileError, match=r"'output\.bias' holds nan or inf"):
                files.load_weights(MLP(hidden=(4,), rng=0), path)
            with pytest.raises(ModelFileError, match=r"'output\.bias' holds nan or inf"):
                files.read_arrays(path)


def test_a_model_must_fit_the_file_of_its_weights():
    """Four bytes a number: one number more than the file can hold is too many."""
    model = MLP(hidden=(4,), rng=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        numbers = MLP.size_of(model.config(), model.vocabulary)
        for size, fits in ((4 * numbers, True), (4 * numbers - 1, False), (2 * numbers, False), (numbers, False)):
            path.write_bytes(b"\0" * size)
            if fits:
                loading.build(files.describe(model), Path("config.json"), path)
            else:
                with pytest.raises(ModelFileError, match=f"a model of {numbers:,} numbers, more than x holds"):
                    loading.build(files.describe(model), Path("config.json"), path)


def test_a_file_larger_than_its_model_is_not_read():
    model = MLP(hidden=(4,), rng=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        files.save_weights(model, path, {**model.state_dict(), "more": np.zeros(files.MAX_HEADER, np.float32)})
        with pytest.raises(ModelFileError, match="is larger than"):
            files.load_weights(model, path)


def test_what_the_reader_refuses_is_not_written():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        for content in ({"long": "x" * files.MAX_HEADER}, {"deep": "\\" * (files.MAX_HEADER // 4)}):
            with pytest.raises(ModelFileError, match="is not written, for it could not be read back"):
                files.write_arrays(path, ARRAYS, content)
            assert not path.exists()
