"""The recurrent, attention and normalisation layers against numbers that PyTorch gave: outputs, gradients, layout."""

import json

import numpy as np
import pytest

from tests.nn.pytorch_numbers import CASES, FILE, flat
from tinygrad_lm import Tensor, nn

WRITTEN = json.loads(FILE.read_text(encoding="utf-8"))["cases"]


def module_of(name, dtype=np.float64):
    case, written = CASES[name], WRITTEN[name]
    module = getattr(nn, name.split()[0])(*case["args"], **case.get("options", {}), dtype=dtype)
    numbers = {
        key: np.array(value, dtype if isinstance(value, list) else None) for key, value in written["state"].items()
    }
    module.load_state_dict(numbers)
    return module.train(not case.get("eval", False))


def inputs_of(name, dtype=np.float64):
    given = iter(Tensor(np.array(x, dtype), requires_grad=True) for x in WRITTEN[name]["inputs"])
    return [
        tuple(next(given) for _ in shape) if isinstance(shape[0], list) else next(given)
        for shape in CASES[name]["inputs"]
    ]


def uncounted(name):
    """What PyTorch's state has besides: batches are counted here only where the count is used."""
    momentum = CASES[name].get("options", {}).get("momentum", 0.1)
    return set() if momentum is None else {"num_batches_tracked"}


def call_of(name):
    return {key: np.array(v) if isinstance(v, list) else v for key, v in CASES[name].get("call", {}).items()}


@pytest.mark.parametrize("name", CASES)
def test_the_state_has_pytorchs_names_and_shapes(name):
    case, written = CASES[name], WRITTEN[name]
    own = getattr(nn, name.split()[0])(*case["args"], **case.get("options", {})).state_dict()
    needed = {key: np.shape(value) for key, value in written["state"].items() if key not in uncounted(name)}
    assert {key: array.shape for key, array in own.items()} == needed
    assert list(own) == list(needed)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_pytorchs(name, dtype):
    written, module, inputs = WRITTEN[name], module_of(name, dtype), inputs_of(name, dtype)
    bound = {"rtol": 1e-9, "atol": 1e-12} if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-5}
    outputs = flat(module(*inputs, **call_of(name)))
    assert len(outputs) == len(written["outputs"])
    for out, wanted in zip(outputs, written["outputs"], strict=True):
        np.testing.assert_allclose(out.data, wanted, **bound)
        assert out.data.dtype == dtype
    weighted = zip(outputs, written["weights"], strict=True)
    sum((out * np.array(weight, dtype)).sum() for out, weight in weighted).backward()
    for x, wanted in zip(flat(inputs), written["input_gradients"], strict=True):
        np.testing.assert_allclose(x.grad, wanted, **bound)
    for key, parameter in module.named_parameters():
        np.testing.assert_allclose(parameter.grad, written["gradients"][key], **bound)
    for key in written["buffers"].keys() - uncounted(name):
        np.testing.assert_allclose(dict(module.named_buffers())[key], written["buffers"][key], **bound)
