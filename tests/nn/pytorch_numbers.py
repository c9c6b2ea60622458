"""The numbers that PyTorch gives for the recurrent, attention and normalisation layers, written down.

    python -m tests.nn.pytorch_numbers          where PyTorch is installed: writes pytorch_numbers.json anew

The tests need the file alone. Each case holds a module's ``state_dict``, after the batches that came ``before``, its
inputs, its outputs, and the gradients of the sum of the outputs times the written weights, in float64.
"""

import json
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")

CASES = {
    "RNNCell": {"args": [2, 3], "inputs": [[2, 2], [2, 3]]},
    "RNNCell relu": {"args": [2, 3], "options": {"nonlinearity": "relu"}, "inputs": [[2, 2], [2, 3]]},
    "LSTMCell": {"args": [2, 3], "inputs": [[2, 2], [[2, 3], [2, 3]]]},
    "GRUCell": {"args": [2, 3], "inputs": [[2, 2], [2, 3]]},
    "RNN": {"args": [2, 3], "options": {"num_layers": 2}, "inputs": [[4, 2, 2], [2, 2, 3]]},
    "RNN relu": {"args": [2, 3], "options": {"nonlinearity": "relu", "bias": False}, "inputs": [[4, 2, 2]]},
    "LSTM": {"args": [2, 3], "options": {"num_layers": 2}, "inputs": [[4, 2, 2], [[2, 2, 3], [2, 2, 3]]]},
    "LSTM first": {"args": [2, 3], "options": {"batch_first": True, "bias": False}, "inputs": [[2, 4, 2]]},
    "GRU": {"args": [2, 3], "options": {"num_layers": 2, "batch_first": True}, "inputs": [[2, 4, 2], [2, 2, 3]]},
    "GRU single": {"args": [2, 3], "inputs": [[4, 2]]},
    "MultiheadAttention": {"args": [4, 2], "inputs": [[3, 2, 4], [5, 2, 4], [5, 2, 4]]},
    "MultiheadAttention masks": {
        "args": [4, 2],
        "options": {"batch_first": True},
        "inputs": [[2, 3, 4], [2, 3, 4], [2, 3, 4]],
        "call": {
            "attn_mask": [[False, True, True], [False, False, True], [False, False, False]],
            "key_padding_mask": [[False, False, False], [False, False, True]],
            "average_attn_weights": False,
        },
    },
    "RMSNorm": {"args": [4], "inputs": [[2, 3, 4]]},
    "BatchNorm1d": {"args": [3], "inputs": [[4, 3]]},
    "BatchNorm1d length": {"args": [3], "options": {"momentum": 0.3}, "inputs": [[2, 3, 4]]},
    "BatchNorm1d cumulative": {"args": [3], "options": {"momentum": None}, "inputs": [[4, 3]], "before": 2},
    "BatchNorm1d evaluated": {
        "args": [3],
        "options": {"momentum": None},
        "inputs": [[4, 3]],
        "before": 2,
        "eval": True,
    },
    "BatchNorm1d untracked": {"args": [3], "options": {"track_running_stats": False}, "inputs": [[4, 3]], "eval": True},
    "BatchNorm1d no bias": {"args": [3], "options": {"bias": False}, "inputs": [[4, 3]], "before": 1},
    "BatchNorm1d no bias evaluated": {
        "args": [3],
        "options": {"bias": False},
        "inputs": [[2, 3, 4]],
        "before": 1,
        "eval": True,
    },
    "LayerNorm": {"args": [4], "inputs": [[2, 3, 4]]},
    "LayerNorm shape": {"args": [[4]], "options": {"eps": 0.1}, "inputs": [[2, 4]]},
    "LayerNorm no bias": {"args": [4], "options": {"bias": False}, "inputs": [[2, 3, 4]]},
    "LayerNorm plain": {"args": [4], "options": {"elementwise_affine": False}, "inputs": [[2, 4]]},
    "RMSNorm eps": {"args": [[4]], "options": {"eps": 0.1, "elementwise_affine": False}, "inputs": [[2, 4]]},
}


def flat(found):
    """Every array of nested tuples, in order; what is None is left out."""
    if isinstance(found, (tuple, list)):
        return [array for part in found for array in flat(part)]
    return [] if found is None else [found]


def main():
    import torch

    generator = torch.Generator().manual_seed(0)

    def draw(shape):
        if shape and isinstance(shape[0], list):
            return tuple(map(draw, shape))
        return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)

    written = {}
    for name, case in CASES.items():
        torch.manual_seed(0)
        module = getattr(torch.nn, name.split()[0])(*case["args"], **case.get("options", {})).double()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.7)
        for _ in range(case.get("before", 0)):
            module(*(draw(shape).detach() for shape in case["inputs"]))
        module.train(not case.get("eval", False))
        state = {key: value.tolist() for key, value in module.state_dict().items()}
        inputs = [draw(shape) for shape in case["inputs"]]
        call = {key: torch.tensor(v) if isinstance(v, list) else v for key, v in case.get("call", {}).items()}
        outputs = flat(module(*inputs, **call))
        weights = [torch.randn(out.shape, generator=generator, dtype=torch.float64) for out in outputs]
        sum((out * weight).sum() for out, weight in zip(outputs, weights, strict=True)).backward()
        buffers = {key: value.tolist() for key, value in module.named_buffers()}
        written[name] = {
            "state": state,
            "inputs": [x.tolist() for x in flat(inputs)],
            "outputs": [x.tolist() for x in outputs],
            "weights": [x.tolist() for x in weights],
            "input_gradients": [x.grad.tolist() for x in flat(inputs)],
            "gradients": {key: value.grad.tolist() for key, value in module.named_parameters()},
            "buffers": buffers,
        }
    text = json.dumps({"torch": torch.__version__, "cases": written}, allow_nan=False)
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
