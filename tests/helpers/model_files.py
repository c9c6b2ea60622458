"""The parts of a model file, taken apart and put together again, whole or damaged."""

import json

import numpy as np

ARRAYS = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1.5, -0.0])}
DATA = {"model": {"kind": "mlp"}, "state": {"generator": 2**127, "loss": 0.1}}


def parts(content):
    """The header, as JSON, and the data of a file."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join(header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def same(one, other):
    return one.keys() == other.keys() and all(
        (one[n].dtype, one[n].shape, one[n].tobytes()) == (other[n].dtype, other[n].shape, other[n].tobytes())
        for n in one
    )


def with_fields(header, to, **which):
    ((name, key),) = which.items()
    return {**header, name: {**header[name], key: to}}
