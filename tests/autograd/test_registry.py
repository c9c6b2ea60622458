"""The registry is complete: every public operation has a row or a check, and none drops the graph silently."""

import inspect

import numpy as np
import pytest

from tests.helpers.registry import BY_NAME, ROWS
from tests.helpers.registry.members import CHECKS
from tests.helpers.registry.row import WIDE
from tinygrad_lm import Tensor, Value
from tinygrad_lm.autograd import (
    attention,
    kernels,
    normalisation,
    numpy_functions,
    numpy_handlers,
    operators,
    products,
    recurrent,
    reductions,
    rules,
    shaping,
)
from tinygrad_lm.autograd.elementwise import Elementwise
from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.autograd.remedies import Absent

SPELLED = {name.partition("(")[0] for row in ROWS for name in row.spellings}
SCALAR = {name.partition("(")[0] for row in ROWS if row.scalar for name in row.spellings}
WITHOUT_GRADIENT = (np.argmax, np.argmin, np.all, np.any)
CONSTANTS = (np.zeros_like, np.ones_like, np.empty_like)
LANGUAGE = {"__module__", "__doc__", "__slots__", "__weakref__", "__init__", "__annotations__", "__firstlineno__"}
LANGUAGE |= {"__static_attributes__", "__qualname__", "__dir__"}


def members(engine):
    """The public names and the operators that the engine's own classes define."""
    own = [kind for kind in engine.__mro__ if kind is not object]
    names = {name for kind in own for name, found in vars(kind).items() if not isinstance(found, Absent)} - LANGUAGE
    return sorted(name for name in names if not name.startswith("_") or name.startswith("__"))


def numpy_name(function):
    # Before 2.2 NumPy's ufuncs do not say where they live.
    return f"{getattr(function, '__module__', 'numpy').replace('numpy', 'np')}.{function.__name__}"


def operations():
    for module in (reductions, shaping, products, kernels, recurrent, attention, normalisation):
        for name, found in vars(module).items():
            if isinstance(found, Operation) and not name.startswith("_"):
                yield f"{module.__name__.rpartition('.')[2]}.{found.name}", found
    for name, rule in rules.TABLE.items():
        yield f"rules.{name}", rule


def test_names_are_unique():
    assert len(BY_NAME) == len(ROWS)
    assert set(BY_NAME) >= WIDE


def test_every_member_of_a_tensor_has_a_row():
    found = members(Tensor)
    assert len(found) > 150
    assert [name for name in found if f"Tensor.{name}" not in {*SPELLED, *CHECKS}] == []


def test_every_member_of_a_value_has_a_row():
    found = members(Value)
    assert len(found) > 70
    assert [name for name in found if f"Tensor.{name}" not in SCALAR and f"Value.{name}" not in CHECKS] == []


def test_no_row_or_check_is_stale():
    for name in CHECKS:
        engine, _, member = name.partition(".")
        assert member in members({"Tensor": Tensor, "Value": Value}[engine]), name
    for name in SPELLED:
        if name.startswith("Tensor."):
            assert name.partition(".")[2] in members(Tensor), name


def test_every_operation_has_a_row():
    tested = {operation for row in ROWS for operation in row.operations}
    found = list(operations())
    assert len(found) > 60
    for name, operation in found:
        assert name in SPELLED or (isinstance(operation, kernels.Kernel) and operation.name in BY_NAME), name
        assert operation in tested, name


def test_every_rule_is_in_the_table():
    rule_names = {name for name, found in vars(rules).items() if isinstance(found, Elementwise)}
    assert rule_names == set(rules.TABLE)
    assert all(rules.TABLE[name] is getattr(rules, name) for name in rule_names)


def test_every_numpy_function_has_a_row():
    handled = {numpy_name(f) for f in numpy_handlers.HANDLERS if f not in WITHOUT_GRADIENT}
    ufuncs = {f"np.{ufunc.__name__}" for ufunc in rules.UFUNCS}
    methods = {
        f"np.{ufunc.__name__}" + (f".{method}" if method != "__call__" else "")
        for ufunc, method in numpy_functions.UFUNC_METHODS
    }
    assert (handled | ufuncs | methods) - SPELLED == set()


def test_every_kernel_has_a_reference_that_is_spelled():
    found = [operation for _, operation in operations() if isinstance(operation, kernels.Kernel)]
    assert found
    for kernel in found:
        spelled = [call for row in ROWS for call in row.spellings.values()]
        assert kernel in spelled
        assert kernel.reference in spelled


def test_every_operation_has_each_derivative():
    for name, operation in operations():
        if isinstance(operation, Elementwise):
            formulas = [f for f in operation.derivatives if callable(f)]
            assert all(len(inspect.signature(f).parameters) == len(operation.derivatives) + 1 for f in formulas), name
        elif not isinstance(operation, kernels.Kernel):
            assert operation.every is not None or operation.vjps, name


@pytest.mark.parametrize("name", list(CHECKS))
def test_member(name):
    CHECKS[name]()


def arguments(function):
    """Arguments for a NumPy function of tensors that needs more than one tensor."""
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    more = {
        np.full_like: (x, 1.0),
        np.can_cast: (np.float32, np.float64),
        np.searchsorted: (x, 2.0),
        np.bincount: (Tensor([0, 1]),),
        np.array2string: (x.detach(),),
        np.array_repr: (x.detach(),),
        np.array_str: (x.detach(),),
    }
    pairs = (np.array_equal, np.array_equiv, np.allclose, np.isclose, np.shares_memory, np.may_share_memory)
    return more.get(function, (x, x) if function in pairs else (x,))


@pytest.mark.parametrize("function", sorted(numpy_handlers.PLAIN, key=numpy_name), ids=numpy_name)
def test_functions_without_gradient_give_no_float_that_depends_on_their_input(function):
    found = function(*arguments(function))
    for part in found if isinstance(found, tuple) else (found,):
        floating = isinstance(part, (float, np.ndarray, np.generic, Tensor)) and np.asarray(part).dtype.kind == "f"
        assert not floating or function in (*CONSTANTS, np.full_like), f"{function.__name__} drops the graph"


@pytest.mark.parametrize("ufunc", sorted(operators.WITHOUT_GRADIENT, key=numpy_name), ids=numpy_name)
def test_flat_ufuncs_agree_with_numpy(ufunc):
    """Their derivative is zero wherever it exists: plain results, equal to NumPy's."""
    inexact = ufunc not in (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert)
    data = np.array([0.5, -1.0, 2.5]) if inexact else np.array([True, False, True])
    others = (data[::-1],) * (ufunc.nin - 1)
    out = ufunc(Tensor(data), *others)
    assert not out.requires_grad
    np.testing.assert_array_equal(out.data, ufunc(data, *others))
