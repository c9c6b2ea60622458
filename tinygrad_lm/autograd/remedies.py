"""PyTorch's, NumPy's and micrograd's words that are not here, and what to write: the ends of ``AttributeError``s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_lm.autograd.numpy_functions import HANDLERS
from tinygrad_lm.autograd.operators import WITHOUT_GRADIENT
from tinygrad_lm.autograd.rules import UFUNCS

_DEVICE = "all is computed by NumPy on the processor: leave it out"
_PAIR = (
    "x.max(1) and x.max(axis=1) give only the values, as in NumPy; x.max(dim=1), x.min(dim=1), x.sort() and x.topk(k) "
    "give PyTorch's pair of values and indices"
)
_IN_PLACE = (
    "PyTorch's in-place words would change what a graph has used: make a new tensor (x = x * 2), or step a leaf within "
    "no_grad() (w -= lr * w.grad, w[...] = 0)"
)
_GENERATOR = "randomness is NumPy's: rng = np.random.default_rng(0), then"
_DRAW = f"{_GENERATOR} rng.choice(len(p), p=p.data)"
_DTYPE = "dtypes are NumPy's: np."

TENSOR: dict[str, str] = {
    **dict.fromkeys(("cuda", "cpu", "device", "is_cuda", "pin_memory", "get_device"), _DEVICE),
    **dict.fromkeys(("values", "indices"), _PAIR),
    "to": "there are no devices; for another dtype write x.astype(np.float32)",
    "type": "write x.dtype to see it and x.astype(np.float32) to change it",
    "zero_": "write x[...] = 0 within no_grad(), or x.zero_grad() for the gradient",
    "copy_": "write x.data = other, or x[...] = other within no_grad()",
    "retain_grad": "inner nodes keep the gradient of the last backward() anyway: read x.grad",
    "grad_fn": "x.operation is what made it (x.op is its name), x.parents are the operands",
    "register_hook": "inner nodes keep their gradients: read x.grad after backward()",
    "backward_hook": "inner nodes keep their gradients: read x.grad after backward()",
    "copy": "x.clone() is a copy with gradient, x.detach() one without",
    "nelement": "write x.numel()",
    "nonzero": "NumPy gives one array an axis, PyTorch one row an element: np.nonzero(x), or np.argwhere(x.data)",
    "median": "it has no gradient here: np.median(x.data)",
    "round": "write np.rint(x), which has no gradient",
    "floor_divide": "write np.floor(x / y), which has no gradient",
    "remainder": "write x - y * np.floor(x / y)",
    "rsqrt": "write x ** -0.5",
    "atan": "NumPy's name is here: x.arctan()",
    "absolute": "write x.abs()",
    "negative": "write -x",
    "multiply": "write x * y",
    "divide": "write x / y",
    "subtract": "write x - y",
    "masked_select": "write x[mask]",
    "index_fill": "write np.where(mask, value, x)",
    "scatter": "build it with np.where, or assign within no_grad()",
    "scatter_add": "write shaping.scatter_add, or sum the parts: x[ids] has it as its derivative",
    "diag": "write np.diagonal(x)",
    "outer": "write np.outer(x, y)",
    "ger": "write np.outer(x, y)",
    "movedim": "write np.moveaxis(x, source, destination)",
    "swapdims": "write x.swapaxes(0, 1)",
    "type_as": "write x.astype(other.dtype)",
    "reshape_as": "write x.view_as(other)",
    "new_zeros": "write Tensor(np.zeros(shape, x.dtype))",
    "new_ones": "write Tensor(np.ones(shape, x.dtype))",
    "new_tensor": "write Tensor(data, dtype=x.dtype)",
    "is_contiguous": "the memory's layout makes no difference here: leave it out",
    "stride": "the memory's layout makes no difference here: x.data.strides has it",
    "fill": "write x[...] = value within no_grad()",
    "multinomial": _DRAW,
    "count_nonzero": "write np.count_nonzero(x.data)",
    "ndimension": "write x.ndim",
}
"""What stands in an error where one of a tensor's attributes is asked for that it has not."""

PACKAGE: dict[str, str] = {
    "tensor": "write Tensor(data), which keeps NumPy's dtype: Tensor([1.0], dtype=np.float32)",
    "as_tensor": "write Tensor(data)",
    "from_numpy": "write Tensor(array), which copies it",
    "FloatTensor": "write Tensor(data, dtype=np.float32)",
    "LongTensor": "write Tensor(data, dtype=np.int64)",
    "is_tensor": "write isinstance(x, Tensor)",
    "zeros": "write Tensor(np.zeros((2, 3), dtype=np.float32)), or a plain array where no gradient is needed",
    "ones": "write Tensor(np.ones((2, 3), dtype=np.float32)), or a plain array where no gradient is needed",
    "empty": "write Tensor(np.zeros((2, 3), dtype=np.float32))",
    "full": "write Tensor(np.full((2, 3), value))",
    "eye": "write Tensor(np.eye(3)), or a plain array where no gradient is needed",
    "arange": "write np.arange(10), or Tensor(np.arange(10))",
    "linspace": "write np.linspace(0, 1, 11), or Tensor(np.linspace(0, 1, 11))",
    "randn": f"{_GENERATOR} Tensor(rng.normal(size=(2, 3)))",
    "rand": f"{_GENERATOR} Tensor(rng.random((2, 3)))",
    "randint": f"{_GENERATOR} rng.integers(0, 10, (2, 3))",
    "randperm": f"{_GENERATOR} rng.permutation(10)",
    "multinomial": _DRAW,
    "normal": f"{_GENERATOR} Tensor(rng.normal(0, 1, (2, 3)))",
    "bernoulli": f"{_GENERATOR} rng.random(p.shape) < p.data",
    "numel": "write x.numel()",
    "histc": "write np.histogram(x.data, bins)",
    "Generator": "write np.random.default_rng(seed)",
    "cat": "write np.concatenate([x, y], axis=1)",
    "concat": "write np.concatenate([x, y], axis=1)",
    "max": "write x.max(dim=1) for values and indices, np.max(x) for NumPy's, np.maximum(x, y) for two tensors",
    "min": "write x.min(dim=1) for values and indices, np.min(x) for NumPy's, np.minimum(x, y) for two tensors",
    "std": "write x.std(dim=0), which divides by n - 1 as PyTorch does; np.std(x) divides by n",
    "var": "write x.var(dim=0), which divides by n - 1 as PyTorch does; np.var(x) divides by n",
    "sort": "write x.sort(dim=-1) for values and indices, np.sort(x) for the values",
    "split": "write x.split(2, dim=0) for parts of 2, np.split(x, 2) for 2 parts",
    "transpose": "write x.swapaxes(0, 1); np.transpose takes the new order of the axes",
    "flatten": "write x.flatten(start_dim=1)",
    "norm": "write x.norm(), or np.linalg.norm(x)",
    "squeeze": "write x.squeeze(dim=0)",
    "repeat_interleave": "write x.repeat_interleave(2, dim=0)",
    "save": "write model.save(path); an array by np.save(path, x.data)",
    "load": "write models.load(path); an array by np.load(path)",
    "nonzero": "NumPy gives one array an axis: np.nonzero(x); PyTorch's rows are np.argwhere(x.data)",
    "from_dlpack": "write Tensor(np.from_dlpack(x))",
    "set_grad_enabled": "write with no_grad(): or with enable_grad():",
    "inference_mode": "write with no_grad():",
    "is_grad_enabled": "write tinygrad_lm.autograd.is_grad_enabled()",
    **dict.fromkeys(("device", "cuda", "set_default_device", "mps", "backends"), _DEVICE),
    **dict.fromkeys(("compile", "jit", "fx", "onnx"), "NumPy runs each line as it comes: leave it out"),
    **dict.fromkeys(
        ("set_default_dtype", "get_default_dtype"), "give each Tensor its dtype: Tensor(data, dtype=np.float32)"
    ),
    "set_printoptions": "write np.set_printoptions(...)",
    "utils": "batches come from the text room, gradients are clipped by the optim room",
    "Parameter": "write nn.Parameter(data)",
    "Module": "write nn.Module",
    "functional": "write nn.functional, often imported as F",
    **{f"{kind}{bits}": f"{_DTYPE}{kind}{bits}" for kind in ("float", "int") for bits in (16, 32, 64)},
    **{name: f"{_DTYPE}{name}" for name in ("int8", "uint8")},
    "float": f"{_DTYPE}float32",
    "double": f"{_DTYPE}float64",
    "half": f"{_DTYPE}float16",
    "long": f"{_DTYPE}int64",
    "int": f"{_DTYPE}int32",
    "bool": f"{_DTYPE}bool_",
    "sigmoid": "write x.sigmoid()",
    "relu": "write x.relu()",
    "softmax": "write x.softmax(dim=-1)",
    "log_softmax": "write x.log_softmax(dim=-1)",
    "clamp": "write np.clip(x, low, high) or x.clip(low, high)",
    "mm": "write x @ y",
    "bmm": "write x @ y",
    "pow": "write x ** y",
    "mul": "write x * y",
    "sub": "write x - y",
    "div": "write x / y",
    "topk": "write x.topk(k)",
    "gather": "write x.gather(dim, index)",
    "logsumexp": "write x.logsumexp(dim=-1)",
}
"""What stands in an error where the package is asked for one of PyTorch's functions."""

FUNCTIONAL: dict[str, str] = {
    "pad": "write np.pad(x, widths), one (before, after) an axis, the first axis first",
    "nll_loss": "write F.cross_entropy(logits, targets), which takes the logits",
    "binary_cross_entropy_with_logits": "write (F.softplus(x) - x * y).mean()",
    "binary_cross_entropy": "write (F.softplus(x) - x * y).mean() of the logits x",
    "logsigmoid": "write -F.softplus(-x)",
    "normalize": "write x / x.norm(dim=1, keepdim=True)",
    "leaky_relu": "write np.where(x > 0, x, 0.01 * x)",
    "elu": "write np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)",
    "l1_loss": "write (x - y).abs().mean()",
    "softmin": "write F.softmax(-x)",
    "batch_norm": "write nn.BatchNorm1d(features), which keeps the running statistics",
    "swish": "write F.silu(x)",
}
"""What stands in an error where ``nn.functional`` is asked for a function that it has not."""

_FROM_LOGITS = "write nn.CrossEntropyLoss() of the logits"

NN: dict[str, str] = {
    **dict.fromkeys(("ParameterList", "ParameterDict"), "assign each nn.Parameter as an attribute of its own"),
    "Buffer": "write self.register_buffer(name, array)",
    "Softmax": "write x.softmax(dim=-1), or nn.functional.softmax(x, dim=-1), in forward",
    "LogSoftmax": "write x.log_softmax(dim=-1) in forward",
    "Identity": "write nn.Sequential(), which gives back what it is given",
    "LeakyReLU": "write np.where(x > 0, x, 0.01 * x) in forward",
    "MSELoss": "write nn.functional.mse_loss(x, y)",
    "L1Loss": "write (x - y).abs().mean()",
    "NLLLoss": _FROM_LOGITS,
    "BCELoss": "write (nn.functional.softplus(x) - x * y).mean() of the logits x",
    "BCEWithLogitsLoss": "write (nn.functional.softplus(x) - x * y).mean() of the logits x",
    **dict.fromkeys(("BatchNorm2d", "GroupNorm"), "nn.LayerNorm, nn.RMSNorm and nn.BatchNorm1d are here"),
    **dict.fromkeys(
        ("Transformer", "TransformerEncoderLayer", "TransformerEncoder", "TransformerDecoderLayer"),
        "write it of nn.MultiheadAttention, nn.LayerNorm and nn.Linear, or take models.Transformer",
    ),
    "utils": "gradients are clipped by optim.clip_grad_norm_(model.parameters(), 1.0)",
    "DataParallel": _DEVICE,
}
"""What stands in an error where ``nn`` is asked for a layer that it has not."""

OPTIM: dict[str, str] = {
    "lr_scheduler": "set optimizer.scale = schedule(step) before each step, with schedule = optim.cosine(steps), say",
    **dict.fromkeys(("RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam"), "write optim.Adam(...)"),
    "LBFGS": "write optim.Adam(...)",
}
"""What stands in an error where ``optim`` is asked for an optimizer that it has not."""

MODULE: dict[str, str] = {
    **dict.fromkeys(("cuda", "cpu", "device", "share_memory"), _DEVICE),
    "float": "write model.to(np.float32)",
    "double": "write model.to(np.float64)",
    "half": "write model.to(np.float32): half precision is slower on the processor",
    "type": "write model.to(np.float32)",
    "register_parameter": "assign it: self.weight = nn.Parameter(data)",
    "add_module": "assign it, self.layer = module, or a list of them as nn.ModuleList(modules)",
    "register_module": "assign it, self.layer = module, or a list of them as nn.ModuleList(modules)",
    "register_forward_hook": "every node knows its module: visualize.draw(model, x) shows what each computed",
    "compile": "NumPy runs each line as it comes: leave it out",
}
"""What stands in an error where one of a module's attributes is asked for that it has not."""

VALUE: dict[str, str] = {
    "_prev": "write v.parents, a tuple in the order of the operands",
    "_op": "write v.op, its name, or v.operation.symbol",
    "_backward": "v.backward() goes through the whole graph; v.local_derivatives() are those of this one operation",
}
"""What stands in an error where a ``Value`` is asked for one of micrograd's attributes."""

_STEPPED = (
    *(
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "neg",
        "abs",
        "sqrt",
        "exp",
        "log",
        "sigmoid",
        "tanh",
        "relu",
        "clamp",
        "clip",
    ),
    *("fill", "masked_fill", "index_add", "index_fill", "index_copy", "scatter", "scatter_add", "tril", "triu"),
    *("normal", "uniform", "bernoulli", "random", "squeeze", "unsqueeze", "transpose", "t", "detach", "addmm", "lerp"),
    *("floor", "ceil", "round", "trunc", "reciprocal", "square", "cumsum", "eq", "copy", "set", "resize"),
)

_NUMPY = {function.__name__ for function in (*HANDLERS, *UFUNCS, *WITHOUT_GRADIENT)}


class Absent:
    """A word that a tensor has not: asking for it is an error that says what to write.

    One for each word, since a class with ``__getattr__`` looks up all its attributes slower, and a step has thousands.
    """

    __slots__ = ("name", "remedy")

    def __init__(self, name: str, remedy: str) -> None:
        self.name = name
        self.remedy = remedy

    def __get__(self, tensor: Any, kind: type) -> Any:
        """Raise ``AttributeError`` with the remedy."""
        raise AttributeError(f"{kind.__name__!r} object has no attribute {self.name!r}: {self.remedy}")


def refuse(kind: type, words: Mapping[str, str]) -> None:
    """Let a class answer for these words, those that it has apart."""
    for name, remedy in words.items():
        if not hasattr(kind, name):
            setattr(kind, name, Absent(name, remedy))


def unknown(module: str, name: str, words: Mapping[str, str]) -> AttributeError:
    """The error of a module that has no such name, with what to write where that is known."""
    remedy = words.get(name)
    return AttributeError(f"module {module!r} has no attribute {name!r}" + (f": {remedy}" if remedy else ""))


def of_a_tensor() -> dict[str, str]:
    """Every word known here with what to write where a tensor has not got it."""
    return {
        **{name: f"write np.{name}(x, ...)" for name in _NUMPY},
        **{f"{name}_": _IN_PLACE for name in _STEPPED},
        **TENSOR,
    }


def of_the_package(name: str) -> str | None:
    """What to write where the package has no such name."""
    if name in PACKAGE:
        return PACKAGE[name]
    if name in _NUMPY:
        return f"NumPy's functions take tensors: np.{name}"
    if not hasattr(np, name):
        return None
    return f"NumPy has it: np.{name}" + ("; what refuses a tensor takes x.data" if callable(getattr(np, name)) else "")
