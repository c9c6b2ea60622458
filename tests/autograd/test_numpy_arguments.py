"""NumPy's functions on tensors take NumPy's arguments: each by position, and each as number, array, list or tensor."""

import inspect
import itertools
import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest

from tinygrad_lm import Tensor
from tinygrad_lm.autograd import numpy_functions, numpy_handlers

X = np.arange(1.0, 7.0).reshape(2, 3)
ROW = np.array([3.0, 1.0, 2.0])
ALLOWED = (TypeError, ValueError, IndexError)

MATRIX_TRANSPOSE = getattr(np, "matrix_transpose", np.linalg.matrix_transpose)
FIRSTS = (X, ROW, np.array(2.0))
AXES = (0, -1, None, 5)
REDUCED = [FIRSTS, (*AXES, (0, 1))]
ARGUMENTS = {
    **{
        f: [*REDUCED, (None, np.float64), (None,), (False, True), (None,), (True,)]
        for f in (
            np.sum,
            np.prod,
        )
    },
    **{
        f: [*REDUCED, (None,), (False, True)]
        for f in (
            np.max,
            np.amax,
            np.min,
            np.amin,
        )
    },
    **{f: [*REDUCED, (None, np.float64), (None,), (False, True)] for f in (np.mean,)},
    **{
        f: [*REDUCED, (None, np.float64), (None,), (0, 1), (False, True)]
        for f in (
            np.var,
            np.std,
        )
    },
    **{
        f: [FIRSTS, AXES, (None,)]
        for f in (
            np.argmax,
            np.argmin,
        )
    },
    **{
        f: [*REDUCED, (None,), (False, True)]
        for f in (
            np.all,
            np.any,
        )
    },
    np.cumsum: [FIRSTS, AXES, (None, np.float64), (None,)],
    np.swapaxes: [FIRSTS, (0, 1, -1), (0, 1, 4)],
    np.squeeze: [(X[:1], X[:, :1], ROW), (0, 1, None, (0,))],
    np.expand_dims: [FIRSTS, (0, -1, (0, 1), 7)],
    np.flip: [FIRSTS, (*AXES, (0, 1))],
    np.roll: [FIRSTS, (1, -2, (1, 2)), (None, 0, (0, 1), (0, 0))],
    **{
        f: [FIRSTS, (0, 1, -1)]
        for f in (
            np.tril,
            np.triu,
        )
    },
    np.split: [(X, ROW), (1, 2, 3, 0, [1], (1, 2), np.array([0, 2])), (0, 1, -1)],
    np.take_along_axis: [
        (X, ROW, np.ones((1, 5)), X[:, :1], np.array(2.0)),
        (np.array([[0, 1]]), np.array([[1, 0], [0, 1]]), np.ones((5, 2), int), np.array([0, 2]), np.array(0)),
        (0, 1, -1),
    ],
    np.reshape: [FIRSTS, (-1, (3, 2), [6, 1], np.array([3, 2]), 3, (), 1), ("C",)],
    np.transpose: [FIRSTS, (None, (0, 1), [1, 0], np.array([1, 0]), 0)],
    np.broadcast_to: [FIRSTS, ((2, 3), [2, 2, 3], 3, np.array([2, 3]), ()), (False,)],
    np.ravel: [FIRSTS, ("C",)],
    np.copy: [FIRSTS, ("K",), (False,)],
    np.moveaxis: [FIRSTS, (0, (0, 1), [1], -1), (1, (1, 0), [0], 7)],
    np.clip: [FIRSTS, (None, 2, 2.5, ROW, X[:, :1]), (None, 4, ROW), (None,)],
    np.where: [(X > 2, True, ROW > 1, [True, False, True]), (X, 1.0, ROW), (0, ROW, X[:1])],
    np.concatenate: [((X, X), [X, X[:1]], X, (ROW, [1.0]), (ROW, 1.0)), (0, 1, None, -1, 4), (None,)],
    np.stack: [((X, X), [ROW, ROW], X), (0, 1, -1, 4), (None,)],
    np.vstack: [((X, X), [ROW, X], (1.0, 2.0), X)],
    np.hstack: [((X, X), [ROW, ROW], (1.0, ROW), X)],
    np.pad: [FIRSTS, (1, (1, 2), ((1, 0), (0, 2)), [1], np.array([1, 2]), 0), ("constant",)],
    np.dot: [(X, ROW, 2.0), (ROW, X.T, 3, X), (None,)],
    np.outer: [FIRSTS, (ROW, 2.0, X), (None,)],
    np.tensordot: [FIRSTS, (X, X.T, ROW), (0, 1, 2, (0, 0), [1, 0], ([1], [0]), np.array([1, 1]), 9)],
    np.einsum: [("ij,j->i", "ij,j", "...j,j->..."), (X,), (ROW, X)],
    np.linalg.norm: [FIRSTS, (None, 1, 2, np.inf), (None, 0, -1, (0, 1)), (False, True)],
    np.take: [
        FIRSTS,
        (0, [0, 0], np.array([[1, 0]]), [], np.array([True, False]), np.array([0.5]), 9, -1),
        (None, 0, 1, -1, 3),
        (None,),
        ("raise",),
    ],
    np.diagonal: [FIRSTS, (0, 1, -1), (0, -1), (1, 0)],
    np.trace: [FIRSTS, (0, 1, -1), (0, -1), (1, 0), (None,), (None,)],
    np.sort: [FIRSTS, AXES, (None, "stable"), (None,)],
    np.repeat: [FIRSTS, (0, 2, [1, 2], np.array([1, 2, 0])), (None, 0, 1, -1, 3)],
    np.tile: [FIRSTS, (0, 2, (2,), [2, 1], (2, 1, 2), np.array([1, 2]))],
    np.atleast_1d: [FIRSTS, FIRSTS],
    MATRIX_TRANSPOSE: [FIRSTS],
    np.vdot: [(ROW, 2.0), (ROW, 2.0, X)],
    np.inner: [(ROW, 1.5, X), (ROW, 2.0, X)],
}
UFUNCS = {
    (np.matmul, "__call__"): [(X, ROW, X.T), (ROW, X.T, X, 2.0)],
    **{
        (ufunc, "reduce"): [FIRSTS, (*AXES, (0, 1)), (None, np.float64), (None,), (False, True)]
        for ufunc in (np.add, np.multiply, np.maximum, np.minimum)
    },
    (np.add, "accumulate"): [FIRSTS, (0, 1, -1), (None, np.float64), (None,)],
}


def forms(x):
    """The argument as NumPy would take it too: a Python object, its NumPy scalar, 0-d array, array, list, tensor."""
    if isinstance(x, (list, tuple)):
        yield x
        if x and all(isinstance(part, np.ndarray) for part in x):
            yield type(x)(map(Tensor, x))
            yield type(x)([Tensor(x[0], requires_grad=True), *x[1:]])
            yield [x[0].tolist(), *map(Tensor, x[1:])]
        elif x and all(isinstance(part, (int, bool)) for part in x):
            yield from (np.array(x), Tensor(x), type(x)(map(np.array, x)), type(x)(map(Tensor, x)))
        elif any(isinstance(part, np.ndarray) for part in x):
            yield type(x)(Tensor(part) if isinstance(part, np.ndarray) else part for part in x)
    elif isinstance(x, np.ndarray):
        yield x
        yield Tensor(x)
        yield x.tolist()
        if x.dtype.kind == "f":
            yield Tensor(x, requires_grad=True)
    elif type(x) in (int, float):
        yield from (x, np.array(x)[()], np.array(x), Tensor(x))
    else:
        yield x


def plain(x):
    if isinstance(x, Tensor):
        return x.data
    return type(x)(map(plain, x)) if isinstance(x, (list, tuple)) else x


def takes_part(x):
    return isinstance(x, Tensor) or (isinstance(x, (list, tuple)) and any(map(takes_part, x)))


def outcome(function, arguments):
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        try:
            return function(*arguments), None
        except Exception as error:
            return None, error


def tidied(arguments):
    """The same with whole numbers in Python's own types behind the first argument, where NumPy may insist on them."""

    def tidy(x):
        array = np.asarray(x) if not isinstance(x, (tuple, list)) or all(np.ndim(part) == 0 for part in x) else None
        if array is None or array.dtype.kind != "i":
            return type(x)(map(tidy, x)) if isinstance(x, (tuple, list)) else x
        return array.item() if array.ndim == 0 else tuple(array.tolist())

    return [np.asarray(arguments[0]), *map(tidy, arguments[1:])]


def same(found, wanted):
    if isinstance(wanted, (list, tuple)):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    found = found.data if isinstance(found, Tensor) else found
    return np.shape(found) == np.shape(wanted) and np.allclose(found, wanted, equal_nan=True)


class Call(NamedTuple):
    """A call in words, written out where it fails alone."""

    function: Any
    arguments: Any

    def __format__(self, spec):
        return f"{self.function.__name__}({', '.join(map(repr, self.arguments))})"


def check(function, arguments, found, error):
    """What NumPy gives for plain arguments, or an error that says something; NumPy's errors are errors here too."""
    wanted, numpys = outcome(function, list(map(plain, arguments)))
    if function is np.split:  # NumPy counts along axis 0 of a list, whatever the axis
        wanted, numpys = outcome(function, [np.asarray(plain(arguments[0])), *map(plain, arguments[1:])])
    call = Call(function, arguments)
    if error is not None:
        assert isinstance(error, ALLOWED), f"{call}: {type(error).__name__}: {error}"
        assert len(str(error)) > 10, f"{call}: {error}"
        assert "<lambda>" not in str(error), f"{call}: {error}"
        if numpys is None:
            assert isinstance(error, TypeError), f"{call}: {type(error).__name__}: {error}, but NumPy gives {wanted}"
        return False
    if isinstance(numpys, (TypeError, AttributeError)):
        # The engine takes whole numbers in more forms than NumPy: what it then gives must be what they say.
        wanted, numpys = outcome(function, tidied(list(map(plain, arguments))))
        if numpys is not None:
            arrays = [np.asarray(x) if isinstance(x, list) else x for x in map(plain, arguments)]
            wanted, numpys = outcome(function, arrays)
    if numpys is None:
        assert same(found, wanted), f"{call} gives {found}, but NumPy {wanted}"
    elif function is np.clip:  # without any bound, which NumPy takes since 2.1
        assert all(x is None for x in arguments[1:]), f"{call} gives {found}, but NumPy: {numpys}"
        assert same(found, plain(arguments[0]))
    elif function is not np.take_along_axis:  # PyTorch's gather, which takes shorter indices
        raise AssertionError(f"{call} gives {found}, but NumPy: {type(numpys).__name__}: {numpys}")
    return True


def calls(given):
    """Every combination of values, the first argument and one other in each form."""
    for values in itertools.product(*given):
        for changed in range(min(1, len(values) - 1), len(values)):
            options = [list(forms(x)) if i in (0, changed) else [x] for i, x in enumerate(values)]
            yield from filter(lambda arguments: any(map(takes_part, arguments)), itertools.product(*options))


def sweep(function, given, ours):
    computed = 0
    for arguments in calls(given):
        ours.clear()
        found = outcome(function, arguments)
        if ours:
            computed += check(function, arguments, *found)
    assert computed


@pytest.fixture
def ours(monkeypatch):
    """A list that holds something after a call in which NumPy asked the engine."""
    asked = []

    def watched(method):
        def called(*args, **options):
            asked.append(method)
            return method(*args, **options)

        return called

    for name in ("__array_function__", "__array_ufunc__"):
        monkeypatch.setattr(Tensor, name, watched(getattr(Tensor, name)))
    return asked


def name_of(function):
    return f"{function.__module__}.{function.__name__}"


@pytest.mark.parametrize("function", ARGUMENTS, ids=name_of)
def test_functions(function, ours):
    sweep(function, ARGUMENTS[function], ours)


@pytest.mark.parametrize("key", UFUNCS, ids=lambda key: f"{key[0].__name__}.{key[1]}")
def test_ufuncs(key, ours):
    ufunc, method = key
    sweep(getattr(ufunc, method) if method != "__call__" else ufunc, UFUNCS[key], ours)


def test_every_function_is_swept():
    assert set(numpy_handlers.HANDLERS) - set(ARGUMENTS) <= {getattr(np, "permute_dims", None)}
    assert set(numpy_functions.UFUNC_METHODS) == set(UFUNCS)


@pytest.mark.parametrize("function", numpy_handlers.HANDLERS, ids=name_of)
def test_parameters_have_numpys_names_and_order(function):
    """Arguments by position are read as NumPy reads them, by whichever names this NumPy has."""
    handler = numpy_handlers.HANDLERS[function]
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        pytest.skip("NumPy does not say")
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    by_position = [p.name.replace("newshape", "shape") for p in parameters if p.kind in kinds]
    if handler.names and by_position:
        assert list(handler.names[: len(by_position)]) == by_position


@pytest.mark.parametrize("function", ARGUMENTS, ids=name_of)
def test_arguments_by_name(function):
    """By name the first value of each argument gives what it gives by position."""
    names = numpy_handlers.HANDLERS[function].names
    if not names or names[0] in ("arrays", "x") or function is MATRIX_TRANSPOSE:
        pytest.skip("NumPy takes these by position")
    values = [given[0] for given in ARGUMENTS[function]]
    first = tuple(map(Tensor, values[0])) if isinstance(values[0], tuple) else Tensor(values[0])
    wanted, refused = outcome(function, [first, *values[1:]])
    if function is np.reshape and np.lib.NumpyVersion(np.__version__) < "2.1.0":
        names = [name.replace("shape", "newshape") for name in names]
    try:
        found = function(first, **dict(zip(names[1:], values[1:], strict=False)))
    except TypeError as error:
        assert refused or "by position" in str(error) or "positional" in str(error), str(error)
    else:
        assert same(found, plain(wanted))


def test_a_dtype_by_position_is_no_keepdims():
    t = Tensor(X, requires_grad=True)
    for call in (
        lambda: np.sum(t, 0, np.float64),
        lambda: t.sum(0, np.float64),
        lambda: np.add.reduce(t, 0, np.float64),
    ):
        with pytest.raises(TypeError, match=r"dtype|no derivative"):
            call()
    assert np.sum(t, 0, None, None, True).shape == (1, 3)
    assert np.var(t, 0, None, None, 1).data.tolist() == [4.5] * 3
    with pytest.raises(TypeError, match="keepdims is True or False"):
        t.mean(0, keepdim="no")


def test_gradients_of_what_crashed():
    x = Tensor(3.0, requires_grad=True)
    (np.take(x, [0, 0], 0).sum() + np.repeat(x, 3, 0).sum() + np.cumsum(x, 0).sum()).backward()
    assert x.grad == 6.0
    row = Tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    np.take_along_axis(row, np.array([[0, 2], [2, 2]]), 1).sum().backward()
    assert row.grad.tolist() == [[1.0, 0.0, 3.0]]
    v = Tensor([1.0, 2.0], requires_grad=True)
    np.inner(1.5, v).sum().backward()
    assert v.grad.tolist() == [1.5, 1.5]
    m = Tensor(X, requires_grad=True)
    parts = m.split(np.int64(3), axis=1)
    assert [part.shape for part in parts] == [(2, 1)] * 3
    assert np.tensordot(m, m, (np.int64(0), np.int64(0))).shape == (3, 3)
    assert np.tile(m, np.int64(2)).shape == (2, 6)


def test_only_what_selects_is_a_tensor():
    """Then there is no gradient, and the result is a plain array."""
    ids = Tensor([[0, 1, 1]])
    for found in (np.take_along_axis(X, ids, 0), np.split(X, Tensor(2))[0], np.repeat(X, Tensor([1, 2]), 0)):
        assert type(found) is np.ndarray
