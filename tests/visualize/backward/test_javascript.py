"""The program of a page, run by Node.js: it computes what the engine computes, also for numbers that are edited."""

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import visualize
from tests.helpers.graphs import diamond, neuron, tensor
from tests.helpers.node import alone, run, same
from tests.helpers.registry import examples
from tests.helpers.registry.row import SEEDS
from tinygrad_lm import Value, grad
from tinygrad_lm.autograd import custom, to_values
from tinygrad_lm.autograd.custom import CustomElementwise, CustomOperation
from tinygrad_lm.autograd.elementwise import Elementwise
from tinygrad_lm.autograd.grad_functions import _Constant
from tinygrad_lm.autograd.graph import Operation, topological_order
from tinygrad_lm.autograd.nary import Dot, Sum, dot_of_scalars, sum_of_scalars
from tinygrad_lm.autograd.rules import TABLE
from tinygrad_lm.testing.strategies import programs
from visualize.backward.javascript import javascript

OPERATIONS = {**TABLE, "sum of scalars": sum_of_scalars, "dot of scalars": dot_of_scalars}
"""All of the scalar engine's own: a new one, too, has to be written in JavaScript."""

CANCELLING = {"gelu": 1e-14, "gelu_tanh": 1e-13, "silu": 1e-15, "logaddexp": 1e-15}
"""Operations that take nearly equal numbers from each other, and by how much they may be wrong, whatever the result."""

SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 3.0, math.inf, -math.inf, math.nan, 1e300, -1e300, 1e-300, 5e-324)
SPECIAL += (800.0, -800.0, 30.0, -30.0, 1e16)
FEW = (0.0, -0.0, 1.0, -1.0, 2.0, math.inf, -math.inf, math.nan)

DIAMOND = """\
(()=>{
return{forward:v=>{
v[2]=v[0]*v[1];
v[4]=v[0]+v[3];
v[5]=v[2]*v[4];
},local:v=>[
null,
null,
[v[1],null],
null,
[1,null],
[v[4],v[2]]
]}
})()"""

POWERS_OF_SIGMOID = """\
(()=>{
const f0=(x)=>{const t0=Math.exp(-Math.abs(x));return (x>=0?1:t0)/(1+t0)};
const f1=(x,y)=>x==1||x==-1&&Math.abs(y)==Infinity?1:Math.pow(x,y);
const f2=(x,y)=>{const t0=y-1;return y==2?y*x:y!=0?y*(x==1||x==-1&&Math.abs(t0)==Infinity?1:Math.pow(x,t0)):0};
return{forward:v=>{
v[1]=f0(v[0]);
v[3]=f1(v[1],v[2]);
v[5]=f1(v[3],v[4]);
},local:v=>[
null,
[v[1]*(1-v[1])],
null,
[f2(v[1],v[2]),null],
null,
[f2(v[3],v[4]),null]
]}
})()"""


@pytest.fixture(autouse=True)
def _quietly():
    with np.errstate(all="ignore"):
        yield


def nodes_of(root):
    return topological_order(root, constants=True)


def scale_of(operation, operands):
    """How far a result may be off, whatever its size."""
    if isinstance(operation, (Sum, Dot)):
        half = len(operands) // 2
        pairs = zip(operands[:half], operands[half:], strict=True)
        terms = operands if isinstance(operation, Sum) else [one * other for one, other in pairs]
        return 1e-15 * sum(map(abs, terms))  # before 3.12 Python's sum loses digits
    return CANCELLING.get(operation.name, 0.0)


def check_nodes(nodes, values, local):
    """Each number and each derivative is what the engine's operation makes of the numbers before it."""
    places = {each: i for i, each in enumerate(nodes)}
    for i, each in enumerate(nodes):
        if each.operation is None:
            assert local[i] is None
            continue
        operands = tuple(values[places[parent]] for parent in each.parents)
        operation, scale = each.operation, scale_of(each.operation, operands)
        assert same(values[i], operation.on_floats(operands), scale), (operation, operands, values[i])
        needed = [parent.requires_grad for parent in each.parents]
        wanted = operation.local_derivatives(values[i], operands, needed)
        assert len(wanted) == len(local[i])
        for found, slope in zip(local[i], wanted, strict=True):
            assert (found is None) == (slope is None)
            assert slope is None or same(found, slope, scale), (operation, operands, found, slope)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_at_special_numbers(node, name):
    operation = OPERATIONS[name]
    count = len(operation.derivatives) or 4
    grid = [*itertools.product(SPECIAL if count < 3 else FEW if count == 3 else FEW[:3] + FEW[-3:], repeat=count)]
    rng = np.random.default_rng(0)
    drawn = (scale * rng.normal(size=count) for scale in np.geomspace(1e-8, 100, 200))
    inputs = [*grid, *(tuple(x.tolist()) for x in drawn)]
    nodes = alone(operation, count)
    for values, local, _ in run(node, nodes, *([*each, 0.0] for each in inputs)):
        check_nodes(nodes, values, local)


def test_every_kind_of_operation_of_the_scalar_engine_is_known():
    """What computes on floats in another way than these is to be written in JavaScript, too."""
    kinds, left = set(), [Operation]
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__.startswith("tinygrad_lm.") and {"on_floats", "local_derivatives"} & set(vars(kind)):
            kinds.add(kind)
    assert kinds == {Operation, CustomElementwise, CustomOperation, Sum, Dot, _Constant}
    assert all(type(rule) is Elementwise for rule in TABLE.values())


def halved(x):
    return x / 2 if x > 1 else x


OWN = (
    custom.elementwise("softsign", lambda x: x / (1 + np.abs(x)), lambda x, out: 1 / (1 + np.abs(x)) ** 2),
    custom.elementwise("branches", lambda x: halved(halved(x)), lambda x, out: 0.25 if x > 2 else 0.5 if x > 1 else 1),
    custom.elementwise(
        "window",
        lambda x, y: np.where((x > -1) & ~(y > 1), np.clip(x, -0.5, y), math.sqrt(2)),
        (lambda x, y, out: (x > -0.5) | np.isnan(y), lambda x, y, out: np.logical_xor(x > 0, y == x)),
    ),
)


@st.composite
def graphs(draw):
    """A graph of any operations, and numbers for its leaves, of which one is a constant."""
    number = st.sampled_from(SPECIAL) | st.floats(-3, 3) | st.floats()
    inputs = [[draw(number) for _ in range(4)] for _ in range(3)]
    nodes = [Value(x, requires_grad=i > 0) for i, x in enumerate(inputs[0])]
    for _ in range(draw(st.integers(1, 12))):
        operation = draw(st.sampled_from([*OPERATIONS.values(), *OWN]))
        count = len(operation.derivatives) or 2 * draw(st.integers(1, 3))
        nodes.append(operation(*(draw(st.sampled_from(nodes)) for _ in range(count))))
    root = Value.sum([node for node in nodes if node.operation is not None] or nodes)
    return root, nodes[:4], inputs


@settings(max_examples=examples(2_000))
@given(drawn=graphs())
def test_random_graphs_with_any_numbers(node, drawn):
    """Node by node, so that what one of them makes of a last digit is not held against another one."""
    root, leaves, inputs = drawn
    nodes = nodes_of(root)
    numbers = [dict(zip(map(id, leaves), each, strict=True)) for each in inputs]
    for values, local, _ in run(node, nodes, *([each.get(id(x), 0.0) for x in nodes] for each in numbers)):
        check_nodes(nodes, values, local)


@settings(max_examples=examples(2_000))
@given(program=programs(), seed=SEEDS)
def test_gradients_of_random_programs_with_edited_numbers(node, program, seed):
    """The engine runs the whole program anew for the numbers that the page was given."""

    def build(arrays):
        leaves = [to_values(x) for x in arrays]
        result = program.evaluate(leaves)
        return Value.sum([*np.ravel(result), *(x for leaf in leaves for x in np.ravel(leaf))])

    rng = np.random.default_rng(seed)
    edited = [x * (1 + 1e-3 * rng.normal(size=np.shape(x))) for x in program.leaves]
    one, other = (nodes_of(build(arrays)) for arrays in (program.leaves, edited))
    first, second = run(node, one, [x.data for x in one], [x.data if x.is_leaf else 0.0 for x in other])
    for nodes, (values, _, gradients) in ((one, first), (other, second)):
        assert len(nodes) == len(values)
        nodes[-1].backward()
        scale = max(abs(x.grad or 0.0) for x in nodes)
        for each, value, gradient in zip(nodes, values, gradients, strict=True):
            assert same(value, each.data, 1e-12 * max(1.0, abs(each.data)), 1e-12)
            if each.requires_grad:
                assert same(gradient, each.grad, 1e-12 * scale, 1e-12)


@pytest.mark.parametrize("numbers", [(1.0, 1e100, 1.0, -1e100), (1e16, 1.0, -1e16), (0.1,) * 10, (1.0, math.inf)])
def test_a_sum_loses_nothing(node, numbers):
    """As Python's own from 3.12 on."""
    nodes = alone(sum_of_scalars, len(numbers))
    ((values, _, _),) = run(node, nodes, [*numbers, 0.0])
    assert values[-1] == math.fsum(numbers)


def test_a_sum_may_overflow(node):
    nodes = alone(sum_of_scalars, 2)
    (values, _, _), (back, _, _) = run(node, nodes, [1.7e308, 1.7e308, 0.0], [-1.7e308, -1.7e308, 0.0])
    assert (values[-1], back[-1]) == (math.inf, -math.inf)


def test_the_diamond():
    assert javascript(nodes_of(diamond())) == DIAMOND


def test_long_formulas_are_functions_that_are_written_once():
    x = Value(2.0)
    assert javascript(nodes_of((x.sigmoid() ** 2) ** 0.5)) == POWERS_OF_SIGMOID


def test_the_neuron(node):
    root = neuron()
    root.backward()
    nodes = nodes_of(root)
    ((values, _, gradients),) = run(node, nodes, [x.data if x.is_leaf else 0.0 for x in nodes])
    assert values == pytest.approx([x.data for x in nodes], rel=1e-15)
    assert gradients == pytest.approx([x.grad for x in nodes], rel=1e-14)


def test_the_nodes_of_a_pass_are_its_operands():
    steps = visualize.backward_steps(neuron())
    text = javascript([steps.nodes[entry.id] for entry in steps.graph.nodes])
    assert text == javascript(nodes_of(neuron()))


def test_gradients_of_gradients_are_written_too(node):
    x = Value(0.3)
    curved, straight = grad(x.tanh() * 3, x, create_graph=True), grad(2 * x, x, create_graph=True)
    nodes = nodes_of(curved * straight)
    assert any(isinstance(each.operation, _Constant) for each in nodes)
    ((values, local, _),) = run(node, nodes, [each.data for each in nodes])
    check_nodes(nodes, values, local)


def test_nothing_that_a_user_wrote_is_in_the_text():
    evil = "</script><script>alert(1)//*/"
    own = custom.elementwise(evil, lambda x: np.exp(x) * x * x - 1, lambda x, out: out + x, symbol=evil)
    plain = custom.elementwise("own", lambda x: np.exp(x) * x * x - 1, lambda x, out: out + x)
    texts = [javascript([x := Value(1.0, label=label), use(x)]) for label, use in ((evil, own), ("x", plain))]
    assert texts[0] == texts[1]
    assert not re.search("script|alert|own", texts[0])


def test_it_is_short_and_the_same_each_time():
    def build():
        x, y = Value(0.5), Value(-1.5)
        nodes = [x, y]
        for name in ("tanh", "relu", "exp", "sigmoid", "softplus", "gelu", "log", "square", "sqrt", "silu"):
            nodes.append(TABLE[name](nodes[-1] * nodes[-2]))
            nodes.append((nodes[-1] + x) ** 2)
        return nodes_of(nodes[-1])

    nodes = build()
    assert len(nodes) >= 40
    assert len(javascript(nodes)) < 6_000
    assert javascript(nodes) == javascript(build())


def loop(x):
    while x > 1:
        x = x / 2
    return x


REFUSED = {
    "a function that takes plain numbers": lambda x: math.exp(x),
    "it decides by numbers again and again": loop,
    "more than 200 operations": lambda x: sum(x * k for k in range(300)),
    "np.nan_to_num, called in this way": np.nan_to_num,
    "np.floor_divide, called in this way": lambda x: x // 2,
    "np.add, called in this way": lambda x: np.add(x, 1, dtype=np.float32),
    "it has to do with ndarray": lambda x: x * np.array([1.0, 2.0]),
    "unhashable type": lambda x: {0.0: 1.0}.get(x, x),
    "does it lack a return": lambda x: None,
    "float32 has no counterpart": lambda x: (x * 2).astype(np.float32),
    "no truth away": lambda x: (x > 1) - (x < 0),
    "division by zero": lambda x: 1 / 0,
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_written_says_why(why):
    nodes = alone(custom.elementwise("mine", lambda x: x, lambda x, out: REFUSED[why](x)), 1)
    with pytest.raises(
        ValueError, match=f"'mine' cannot be computed in a page: of its derivative to operand 0, .*{why}"
    ):
        javascript(nodes)


def test_a_result_that_cannot_be_written_says_why_too():
    made = custom.elementwise("mine", lambda x: math.exp(x), lambda x, out: out)
    with pytest.raises(ValueError, match="'mine' cannot be computed in a page: of its result, a function that takes"):
        javascript(alone(made, 1))


def test_what_is_no_graph_of_numbers_is_refused():
    with pytest.raises(ValueError, match="single numbers alone"):
        javascript([tensor(2, requires_grad=True)])
    x = Value(2.0)
    y = x * x
    y.backward(retain_graph=False)
    with pytest.raises(ValueError, match="released"):
        javascript([x, y])
