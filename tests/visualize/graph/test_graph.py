"""Tests of the plain-data graph: what is in it, in which order, and that it is the same every time."""

import ast
import json
import operator
import subprocess
import sys

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import Net, diamond, net_loss, neuron, recurrence, tensor
from tinygrad_lm import Tensor, Value, nn, no_grad
from tinygrad_lm.autograd import rules
from tinygrad_lm.autograd.symbols import local_formula
from visualize.graph.nodes import argument_names
from visualize.graph.quantities import number, summary


def by_label(graph):
    return {node.label: node for node in graph.nodes}


def test_a_value_used_twice_has_two_edges():
    x = Value(3.0, label="x")
    graph = visualize.graph_of(x * x)
    assert [(e.source, e.target, e.position) for e in graph.edges] == [("v0", "v1", 0), ("v0", "v1", 1)]
    assert visualize.draw(x * x).dot.count("v0 -> v1") == 2


def test_nodes_are_in_topological_order_with_ids_that_count():
    graph = visualize.graph_of(neuron())
    place = {node.id: i for i, node in enumerate(graph.nodes)}
    assert [node.id for node in graph.nodes] == [f"v{i}" for i in range(10)]
    assert all(place[edge.source] < place[edge.target] for edge in graph.edges)
    assert graph.roots == ("v9",)


@pytest.mark.parametrize("program", [neuron, diamond, lambda: net_loss()[1], lambda: recurrence(60)])
def test_the_same_program_gives_the_same_bytes(program):
    first, second = visualize.draw(program(), engine="builtin"), visualize.draw(program(), engine="builtin")
    assert first.dot == second.dot
    assert first.svg() == second.svg()
    assert first.json() == second.json()
    assert first.mermaid() == second.mermaid()


def test_the_same_program_gives_the_same_bytes_in_another_process():
    program = (
        "import sys; sys.path.insert(0, '.');"
        "from tests.helpers.graphs import net_loss; import visualize;"
        "net, loss = net_loss(); sys.stdout.buffer.write(visualize.draw(loss, names=net, depth=2).dot.encode())"
    )
    runs = {subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(runs) == 1


def test_kinds():
    x, w = tensor(2, 3, label="x"), tensor(3, requires_grad=True, label="w")
    graph = visualize.graph_of((x @ w).sum())
    kinds = {node.label or node.op: node.kind for node in graph.nodes}
    assert kinds == {"x": "constant", "w": "input", "matmul": "operation", "sum": "loss"}
    net, loss = net_loss()
    assert {node.kind for node in visualize.graph_of(loss, names=net).nodes if "weight" in node.label} == {"parameter"}


def test_kinds_differ_by_shape_and_by_colour():
    x, w = tensor(2, 3, label="x"), tensor(3, requires_grad=True, label="w")
    dot = visualize.draw((x @ w).sum()).dot
    boxes = [line for line in dot.splitlines() if line.startswith("  v") and "->" not in line]
    styles = {line.split("fillcolor")[0].partition("shape=")[2] for line in boxes}
    colours = {line.partition("fillcolor=")[2].split()[0] for line in boxes}
    assert len(styles) == len(colours) == 4


def test_a_gradient_is_a_dash_before_backward_and_a_number_after():
    o = neuron()
    assert {node.grad for node in visualize.graph_of(o).nodes} == {"-"}
    o.backward()
    assert by_label(visualize.graph_of(o))["x1"].grad == "-1.5"
    constant = Value(1.0, label="k", requires_grad=False)
    assert by_label(visualize.graph_of(constant * Value(2.0)))["k"].grad == ""


def test_nan_and_infinity_stand_out():
    x = Value(0.0, label="x")
    with np.errstate(all="ignore"):
        graph = visualize.graph_of(x.log() + 1)
    assert [node.alert for node in graph.nodes if node.op == "log"] == [True]
    assert not by_label(graph)["x"].alert
    view = visualize.draw(Tensor([1.0, np.nan], requires_grad=True) * 2, engine="builtin")
    assert view.theme.alert in view.svg()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (1.5, "1.5"),
        (-0.0, "0"),
        (3, "3"),
        (True, "True"),
        (float("nan"), "nan"),
        (-float("inf"), "-inf"),
        (np.arange(6.0).reshape(2, 3), "[[0, 1, 2], [3, 4, 5]]"),
        (np.arange(7.0), "0 … 6, norm 9.539"),
        (np.arange(7), "0 … 6"),
        (np.ones(9), "all 1"),
        (np.array([1.0] * 8 + [np.nan]), "all 1, 1 nan"),
        (np.array([3.0, 4.0, *[0.0] * 8, np.nan, np.inf, -np.inf, -np.inf]), "0 … 4, norm 5, 1 nan, 1 inf, 2 -inf"),
        (np.full(9, np.inf), "no finite element, 9 inf"),
        (np.full(9, 3e38, np.float32) * (np.arange(9) % 2), "0 … 3e+38, norm 6e+38"),
        (np.array([True] * 3 + [False] * 6), "3 of 9 true"),
        (np.zeros((0, 3)), "empty"),
        (np.float32(0.1), "0.1"),
        (np.array([1, 2]), "[1, 2]"),
    ],
)
def test_numbers_as_text(data, text):
    assert summary(data) == text


def test_what_is_nearly_nothing_is_not_reported_as_a_mean():
    """The gradients of logits cancel out: their mean is rounding, their norm is not."""
    wide = Tensor(np.random.default_rng(0).normal(size=(64, 5)), requires_grad=True, label="logits")
    nn.functional.cross_entropy(wide, np.arange(64) % 5).backward()
    grad = visualize.graph_of(wide * 1).nodes[0].grad
    assert "norm 0.1" in grad and "mean" not in grad and "e-1" not in grad


def test_numbers_keep_the_format_asked_for():
    assert number(1.23456, ".2f") == "1.23"
    with pytest.raises(ValueError, match="fmt must be a format for numbers"):
        visualize.draw(Value(1.0) * 2, fmt=".4q")


def test_arguments_are_named_where_their_order_matters():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    assert [e.argument for e in visualize.graph_of(a / b).edges] == ["1st", "2nd"]
    assert [e.argument for e in visualize.graph_of(a + b).edges] == ["", ""]
    x, w = tensor(2, 3), tensor(3, 4, requires_grad=True)
    assert [e.argument for e in visualize.graph_of(x @ w).edges] == ["1st", "2nd"]
    assert [e.argument for e in visualize.graph_of(nn.functional.linear(x, w.T)).edges][1:] == ["input", "weight"]


def test_local_derivatives_are_the_numbers_of_the_formulas():
    a, b = Value(3.0, label="a"), Value(2.0, label="b")
    found = {(e.formula, e.local) for e in visualize.graph_of(a / b).edges}
    assert found == {("1 / b", "0.5"), ("-v2 / b", "-0.75")}
    dot = visualize.draw(a / b, show=("label", "local")).dot
    assert "∂v2/∂a = 1 / b = 0.5" in dot and "v2 = ÷" in dot
    assert "∂" not in visualize.draw(a / b).dot


FUNCTIONS = {"sigmoid": rules.sigmoid, "erf": rules.erf, "abs": abs}
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def computed(tree, words):
    """The value of a printed formula."""
    match tree:
        case ast.Constant():
            return tree.value
        case ast.Name():
            return words[tree.id]
        case ast.UnaryOp():
            return -computed(tree.operand, words)
        case ast.BinOp():
            return OPERATORS[type(tree.op)](computed(tree.left, words), computed(tree.right, words))
        case ast.Compare():
            return OPERATORS[type(tree.ops[0])](computed(tree.left, words), computed(tree.comparators[0], words))
        case ast.BoolOp():
            join = all if isinstance(tree.op, ast.And) else any
            return join(computed(part, words) for part in tree.values)
        case ast.Call():
            function = FUNCTIONS.get(tree.func.id) or getattr(np, tree.func.id)
            return function(*(computed(part, words) for part in tree.args))
    raise AssertionError(ast.dump(tree))


def spoken(root):
    """What stands on each edge: whose derivative it is, and its formula."""
    return [(e.derivative, e.formula) for e in visualize.graph_of(root).edges if e.derivative]


def test_formulas_speak_of_labels_or_else_of_numbered_nodes():
    a, b, nameless = Value(3.0, label="a"), Value(2.0, label="b"), Value(5.0)
    assert spoken(a * b) == [("∂v2/∂a", "b"), ("∂v2/∂b", "a")]
    assert spoken(a * nameless) == [("∂v2/∂a", "v1"), ("∂v2/∂v1", "a")]
    y = a.tanh()
    y.label = "y"
    assert spoken(y) == [("∂y/∂a", "1 - y · y")]
    assert spoken(y * nameless)[1:] == [("∂v3/∂y", "v2"), ("∂v3/∂v2", "y")]
    odd = Value(1.0, label="a * b")
    assert spoken(odd * a) == [("∂v2/∂v0", "a"), ("∂v2/∂a", "v0")]
    assert "v0: a * b" in visualize.draw(odd * a, show=("label", "local")).dot


def test_the_users_x_is_not_the_x_of_a_rule():
    """log's rule is 1 / x and multiplication's is y, of its own x and y: neither is what the user calls so."""
    x, y = Value(2.0, label="x"), Value(5.0, label="y")
    found = dict(spoken((x * 3).log() * (y + 1)))
    assert found == {"∂v2/∂x": "3", "∂v3/∂v2": "1 / v2", "∂v6/∂y": "1", "∂v7/∂v3": "v6", "∂v7/∂v6": "v3"}


def test_two_nodes_of_one_name_and_names_like_numbers_are_told_apart():
    first, second, third = Value(2.0, label="x"), Value(3.0, label="x"), Value(4.0, label="v1")
    assert spoken(first * second) == [("∂v2/∂v0", "v1"), ("∂v2/∂v1", "v0")]
    assert spoken(first * second * third)[:2] == [("∂n2/∂n0", "n1"), ("∂n2/∂n1", "n0")]


@pytest.mark.parametrize("rule", rules.TABLE.values(), ids=lambda rule: rule.name)
def test_the_printed_formula_computes_what_the_rule_computes(rule):
    names = tuple(argument_names(rule, len(rule.derivatives)))
    inputs = [0.7, 0.3, 1.1][: len(names)]
    out = rule.on_floats(inputs)
    locals_ = rule.local_derivatives(out, inputs, [True] * len(inputs))
    words = {"inf": np.inf, "out": out, **dict(zip(names, inputs, strict=True))}
    for position, expected in enumerate(locals_):
        text = local_formula(rule, position, names)
        assert text
        python = text.replace("·", "*").replace("≥", ">=").replace("≤", "<=").replace("≠", "!=").replace(" = ", " == ")
        assert float(computed(ast.parse(python, mode="eval").body, words)) == pytest.approx(expected, rel=1e-4)


def test_a_constant_argument_stands_in_the_formula_as_a_number():
    x = Value(3.0, label="x")
    assert visualize.graph_of(x**2).edges[0].formula == "2 · x"
    assert visualize.graph_of(x**3).edges[0].formula == "3 · x**2"


def test_names_give_labels():
    x, parts = Value(1.0), [Value(2.0), Value(3.0)]
    graph = visualize.graph_of(x * parts[0] + parts[1], names={"x": x, "parts": parts, "other": 3})
    assert set(by_label(graph)) >= {"x", "parts[0]", "parts[1]"}
    net = Net()
    graph = visualize.draw(net, np.array([[0, 1]])).graph
    assert "layers.0.weight" in by_label(graph)
    with pytest.raises(TypeError, match="names must be a dictionary"):
        visualize.draw(x * 2, names=3)


def test_several_roots():
    a = Value(2.0, label="a")
    graph = visualize.draw([a * 2, a + 1, a * 2]).graph
    assert len(graph.roots) == 3
    assert sum(node.label == "a" for node in graph.nodes) == 1


def test_a_deep_chain_does_not_recurse():
    x = h = Value(1.0)
    for _ in range(5_000):
        h = h + x
    graph = visualize.graph_of(h)
    assert len(graph.nodes) == 5_001
    assert len(graph.edges) == 10_000
    assert len(visualize.draw(h).graph.nodes) <= 150


@pytest.mark.parametrize("thing", [3, None, [1, 2], np.ones(3), [Value(1.0), 2]])
def test_what_cannot_be_drawn_gets_a_sentence(thing):
    with pytest.raises(TypeError, match="a picture is made of a Value, a Tensor"):
        visualize.draw(thing)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"show": ("label", "colour")}, "show holds 'colour'"),
        ({"level": "bit"}, "level is 'tensor' or 'scalar'"),
        ({"direction": "up"}, "direction is 'auto' or one of"),
        ({"theme": "pink"}, "theme must be one of"),
        ({"depth": -1}, "depth is how many levels"),
        ({"collapse": "all"}, "collapse is 'auto', 'none'"),
        ({"max_nodes": 0}, "max_nodes must be at least 2"),
        ({"radius": -2}, "radius is how many edges"),
        ({"focus": "nobody"}, "nothing in this graph is called"),
    ],
)
def test_wrong_options_get_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        visualize.draw(neuron(), **options)


def test_inputs_need_a_model():
    with pytest.raises(TypeError, match="inputs go after a model"):
        visualize.draw(neuron(), 3.0)


def test_results_without_a_graph_are_drawn_alone():
    with no_grad():
        view = visualize.draw(neuron())
    assert len(view.graph.nodes) == 1


def test_json_is_the_graph():
    view = visualize.draw(neuron())
    content = json.loads(view.json())
    assert content["format"] == 1
    assert len(content["nodes"]) == 10
    assert content["edges"][0] == {
        "source": "v0",
        "target": "v2",
        "position": 0,
        "argument": "",
        "derivative": "",
        "formula": "",
        "local": "",
        "uses": 1,
    }


def test_the_text_form_is_a_row_a_node():
    text = visualize.draw(neuron()).text()
    assert len(text.splitlines()) == 11
    assert "tanh(n)" in text


def test_user_defined_operations_are_drawn_with_their_formula():
    from tinygrad_lm.autograd import custom

    cube = custom.elementwise("cube", lambda x: x**3, lambda x, out: 3 * x**2)
    x = Value(2.0, label="x")
    edge = visualize.graph_of(cube(x)).edges[0]
    assert (edge.formula, edge.local) == ("3 · x**2", "12")


def test_importing_visualize_is_light():
    heavy = ("graphviz", "pygraphviz", "matplotlib", "IPython", "scipy", "tinygrad_lm.nn")
    code = f"import sys, visualize; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
