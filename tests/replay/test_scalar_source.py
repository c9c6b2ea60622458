"""The board's program of a scalar graph: run alone, it gives the engine's gradients bit for bit."""

import ast
import builtins
import itertools
import json
import keyword
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings

from tests.helpers.oracles import probe
from tests.helpers.registry import examples
from tests.helpers.registry.row import SEEDS
from tinygrad_lm import Tensor, Value, grad
from tinygrad_lm.autograd import custom, to_values
from tinygrad_lm.autograd.rules import TABLE
from tinygrad_lm.replay.scalar_source import scalar_source
from tinygrad_lm.replay.scalar_text import Text
from tinygrad_lm.testing.selfcheck.domains import of_elementwise
from tinygrad_lm.testing.strategies import programs

ALONE = """
import json, sys
sys.modules["tinygrad_lm"] = None  # an import of it raises
for source, names in json.load(sys.stdin):
    found = {}
    exec(compile(source, "program", "exec"), found)
    print(json.dumps({name: repr(found[f"d_{name}"]) for name in names}))
"""

DIAMOND = '''\
"""The forward and the backward pass of d, in plain assignments.

Nothing guards against 0 times inf or nan, which counts as 0 in a gradient: it does not occur with these numbers.
"""

a = 2.0

# forward
b = 2.0 * a
c = a + 3.0
d = b * c

# backward: d_x is the derivative of d with respect to x
d_d = 1.0
d_b = d_d * c
d_c = d_d * b
d_a = d_c + d_b * 2.0
'''

NEURON = '''\
"""The forward and the backward pass of o, in plain assignments.

Nothing guards against 0 times inf or nan, which counts as 0 in a gradient: it does not occur with these numbers.
"""

import math

x1 = 2.0
w1 = -3.0
x2 = 0.0
w2 = 1.0
b = 6.881373587019543

# forward
x1w1 = x1 * w1
x2w2 = x2 * w2
x1w1_x2w2 = x1w1 + x2w2
n = x1w1_x2w2 + b
o = math.tanh(n)

# backward: d_x is the derivative of o with respect to x
d_o = 1.0
d_n = d_o * (1 - o * o)  # o = math.tanh(n)
d_x1w1_x2w2 = d_n
d_b = d_n
d_x1w1 = d_x1w1_x2w2
d_x2w2 = d_x1w1_x2w2
d_x2 = d_x2w2 * w2
d_w2 = d_x2w2 * x2
d_x1 = d_x1w1 * w1
d_w1 = d_x1w1 * x1
'''


def labelled(label, node):
    node.label = label
    return node


def diamond():
    a = Value(2.0, label="a")
    b, c = labelled("b", 2 * a), labelled("c", a + 3)
    return labelled("d", b * c), {"a": a, "b": b, "c": c}


def neuron():
    """The lecture's, with the lecture's labels."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    products = labelled("x1w1", x1 * w1), labelled("x2w2", x2 * w2)
    n = labelled("n", labelled("x1w1 + x2w2", products[0] + products[1]) + b)
    return labelled("o", n.tanh()), {"x1": x1, "x2": x2, "w1": w1, "w2": w2, "b": b}


def demo():
    """micrograd's README."""
    a, b = Value(-4.0), Value(2.0)
    c, d = a + b, a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    f = (c - d) ** 2
    return f / 2.0 + 10.0 / f, {"x1": a, "x2": b}


def run_alone(sources):
    """The gradients that programs leave, each as it is printed, in a process that has nothing of the package."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE], input=json.dumps(sources), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(cases):
    """For each root, and nodes by their names in its program: all gradients are the engine's, to the bit."""
    sources, wanted = [], []
    for root, nodes in cases:
        source = scalar_source(root)
        assert all(node.grad is None for node in nodes.values())
        root.backward()
        assert scalar_source(root) == source
        reached = {name: repr(node.grad) for name, node in nodes.items() if node.grad is not None}
        sources.append((source, list(reached)))
        wanted.append(reached)
    found = run_alone(sources)
    assert len(found) == len(wanted) > 0
    for (source, _), one, other in zip(sources, found, wanted, strict=True):
        assert one == other, source
    return [source for source, _ in sources]


def body(source):
    """A program without its heading."""
    return source.split('"""', 2)[2].strip()


@pytest.mark.parametrize(("made", "text"), [(diamond, DIAMOND), (neuron, NEURON)])
def test_what_stands_on_the_board(made, text):
    root, _ = made()
    assert scalar_source(root) == text


def test_the_lectures_examples():
    root, nodes = diamond()
    leaf = Value(1.5, label="a")
    *_, readme, alone = check([(root, nodes), neuron(), demo(), (leaf, {"a": leaf})])
    assert "\nd_t21 = d_t22 * (2.0 * t21)\n" in readme  # 2.0 * t21**1.0, as the rule of powers has it
    assert body(alone) == "a = 1.5\n\n# backward: d_x is the derivative of a with respect to x\nd_a = 1.0"


def test_a_program_is_a_file_that_python_runs(tmp_path):
    root, nodes = neuron()
    file = tmp_path / "neuron.py"
    file.write_text(scalar_source(root) + "".join(f"print(repr(d_{name}))\n" for name in nodes))
    done = subprocess.run([sys.executable, "-I", file], capture_output=True, text=True, check=True)
    root.backward()
    assert done.stdout.split() == [repr(node.grad) for node in nodes.values()]


def every_operation():
    """Each of the table at random points, at the points where it has a corner, and with numbers for some operands."""
    rng = np.random.default_rng(0)
    for name, rule in TABLE.items():
        domains = of_elementwise(rule)
        points = [tuple(float(domain(rng, ())) for domain in domains) for _ in range(6)]
        if name in ("relu", "abs", "sigmoid", "silu", "softplus", "gelu_tanh", "maximum", "minimum", "clip"):
            points += list(itertools.product((-40.0, -1.0, -0.0, 0.0, 1.0), repeat=len(domains)))[::3]
        if name == "pow":
            points += [(2.0, 0.0), (-2.0, 0.0), (-2.0, 1.0), (-1.5, 3.0), (0.0, 2.0)]
        for number, point in enumerate(points):
            learns = [(number >> i) % 2 == 0 for i in range(len(point))]
            if name == "pow" and point[0] <= 0:
                learns = [True, False]  # the logarithm of a number below 0 is nan
            if not any(learns):
                learns = [True] * len(point)
            xs = [
                Value(x, label=f"v{i}") if learn else x for i, (x, learn) in enumerate(zip(point, learns, strict=True))
            ]
            inner = rule(*(x * 1.0 if isinstance(x, Value) else x for x in xs))
            root = (inner * -1.7 + xs[learns.index(True)] * 0.3).tanh()
            yield root, {x.label: x for x in xs if isinstance(x, Value)}


def test_every_operation_of_the_table():
    cases = list(every_operation())
    assert len(cases) > 6 * len(TABLE)
    sources = check(cases)
    text = "\n".join(sources)
    for written in ("relu_of_float(", "larger(", "float(np.cos(", "2.0 * t", "power_in_base(", "erf("):
        assert written in text, written


def test_random_programs():
    cases = []

    @settings(max_examples=examples(300))
    @given(programs(), SEEDS)
    def collect(program, seed):
        arrays = [to_values(x) for x in program.leaves]
        result = program.evaluate(arrays)
        root = np.sum(np.asarray(result * probe(result.shape, seed), dtype=object))
        leaves = {f"v{i}": leaf for i, leaf in enumerate(x for array in arrays for x in np.asarray(array).flat)}
        for label, leaf in leaves.items():
            leaf.label = label
        cases.append((root, leaves))

    collect()
    assert len(cases) >= 10
    check(cases)


def test_sums_and_products_of_many():
    xs = [Value(0.1 * i - 0.7, label=f"v{i}") for i in range(40)]
    names = {x.label: x for x in xs}
    few = Value.sum([xs[0], 2.5, xs[1], xs[0]])
    some = Value.dot([xs[0], xs[1], 3.0, 2.0], [xs[2], -2.0, xs[1], 4.0])
    many = Value.dot(xs, xs[::-1]) + Value.sum(xs)
    fan = sum((x * xs[0] for x in xs), xs[0])
    zero = Value.sum([Value(-0.0, label="v0"), -0.0])
    sources = check([(few * 2, {"v0": xs[0], "v1": xs[1]})])
    assert "t1 = sum([v0, 2.5, v1, v0])" in sources[0]
    for x in xs:
        x.zero_grad()
    sources = check([(some, {name: names[name] for name in ("v0", "v1", "v2")})])
    assert "out = sum([v0 * v2, v1 * -2.0, 3.0 * v1, 8.0])" in sources[0]
    for root in (many, fan):
        for x in xs:
            x.zero_grad()
        sources = check([(root, names)])
    assert "\nd_v0 += d_t" in sources[0]
    check([(zero, {"v0": zero.parents[0]})])


@pytest.mark.slow
def test_any_depth_and_any_number_of_uses():
    x = Value(0.5, label="v")
    root = x
    for _ in range(10_000):
        root = x - root
    check([(root, {"v": x})])


LABELS = ["x 1", "x-1", "x_1", "class", "sum", "math", "np", "a", "a", "d_a", "d_d_a", "", "2nd", "ﬁ", "fi", "α²", "t1"]
LABELS += [
    "relu_of_float",
    "sigmoid",
    "_COEFFICIENTS",
    "COEFFICIENTS",
    "___",
    "out",
    "x1",
    "True",
    "print",
    "λ·μ",
    "erf",
]


@pytest.mark.parametrize("several", [1, 3])
def test_any_label_becomes_a_name_of_its_own(several):
    """Names are found by the numbers of the leaves: each has one of its own."""
    leaves = [Value(1.0 + i / 64, label=label) for i, label in enumerate(LABELS * several)]
    total = Value(0.0, label="d_out")
    for x in leaves:
        total = labelled(x.label, total + (x.softplus() * x).relu() + x.gelu())
    source = scalar_source(total)
    tree = ast.parse(source)
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assigned = [node.targets[0].id for node in tree.body if isinstance(node, ast.Assign)]
    assert {"relu_of_float", "sigmoid_of_float"} == set(defined)
    everything = [*defined, *assigned, "math", "np"]
    assert len(set(everything)) == len(everything)
    assert not [name for name in everything if keyword.iskeyword(name) or hasattr(builtins, name)]
    numbers = {
        node.value.value: node.targets[0].id
        for node in reversed(tree.body)  # the leaves come first
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    check([(total, {numbers[x.data]: x for x in leaves})])


def test_names_are_those_that_one_expects():
    x = Value(1.0, label="x 1")
    y = Value(2.0, label="class")
    k = Value(3.0, label="k", requires_grad=False)
    unlabelled = Value(4.0)
    assert body(scalar_source((x * y + k) * unlabelled - x / 2)) == (
        "x_1 = 1.0\nclass_ = 2.0\nk = 3.0  # a constant\nx1 = 4.0\n\n"
        "# forward\nt1 = x_1 * class_\nt2 = t1 + k\nt3 = t2 * x1\nt4 = x_1 / 2.0\nout = t3 - t4\n\n"
        "# backward: d_x is the derivative of out with respect to x\nd_out = 1.0\nd_t3 = d_out\nd_t4 = -d_out\n"
        "d_t2 = d_t3 * x1\nd_x1 = d_t3 * t2\nd_t1 = d_t2\nd_x_1 = d_t4 * 0.5 + d_t1 * class_\nd_class_ = d_t1 * x_1"
    )


def test_a_helper_is_the_engines_own_source():
    x = Value(0.5, label="x")
    text = body(scalar_source((1 - x).sigmoid().maximum(0.25)))
    assert text.startswith("import math\n\n\ndef sigmoid_of_float(x):\n")
    assert "    return (1.0 if x >= 0 else small) / (1 + small)\n\n\ndef larger(x, y):\n" in text
    assert "\n# forward\nt1 = 1.0 - x\nt2 = sigmoid_of_float(t1)\nout = larger(t2, 0.25)\n" in text
    assert "\nd_t2 = d_out * (0.5 if t2 == 0.25 else t2 > 0.25)  # out = larger(t2, 0.25)\n" in text
    assert "\nd_t1 = d_t2 * (t2 * (1 - t2))  # t2 = sigmoid_of_float(t1)\n" in text


def test_limits_on_one_side_and_infinite_numbers():
    x = Value(0.5, label="v")
    assert "out = smaller(larger(v, 0.0), math.inf)\n" in check([(x.clip(min=0), {"v": x})])[0]
    y = Value(math.inf, label="v")
    check([(y + 1.0, {"v": y})])


def test_gradients_of_gradients():
    x = Value(0.7, label="v")
    (slope,) = grad((x * x).tanh() * x.exp(), [x], create_graph=True)
    check([(slope, {"v": x})])


def softsign(x, *, one=1):
    return x / (one + np.abs(x))


def leaky(x):
    return np.where(x > 0, x, 0.1 * x)


def steep(x, out):
    """A derivative that decides."""
    if x > 0:
        return 1.0
    return 0.1


def test_operations_of_ones_own():
    made = custom.elementwise("softsign", softsign, lambda x, out: 1 / (1 + np.abs(x)) ** 2)
    decides = custom.elementwise("leaky", leaky, steep)
    x = Value(-0.7, label="v")
    source = check([(decides(made(x)) * 3, {"v": x})])[0]
    assert "t1 = v / (1 + abs(v))\n" in source
    assert "t2 = t1 if t1 > 0 else 0.1 * t1\n" in source
    assert '\ndef steep(x, out):\n    """A derivative that decides."""\n    if x > 0:\n' in source


@pytest.mark.parametrize(
    "formula",
    [
        lambda x, y: (x**2.5) ** y + x ** (y**2.5) - (-x) ** 2 - -(x**2) + 2.0**-y + (-3.0) ** (y > x),
        lambda x, y: x - (y - x) + (x + (y + 0.1)) - x / (y / x) * (x * (y * 0.3)) / (x / y),
        lambda x, y: -(x + y) * -x - (x - y) * -(x * y) + abs(-x - y),
        lambda x, y: ((x > y) == (y > x)) + ((x < y) | (x >= y) & (y <= 0)) * 2 + (x != (y == x)) * 4,
        lambda x, y: np.where(x > y, np.where(y > 0, x, y) + 1, np.where(x > 0, 2.0, x)) * 3 + y,
        lambda x, y: np.where(np.where(x > 1, y, 0.0) > 0.5, np.where(x > 1, x, 5.0), np.where(y > 9, 7.0, y)) / x,
        lambda x, y: np.where(np.where(x > 1, y > 1, x > 0.5), x, y),
    ],
)
def test_brackets_stand_where_a_bit_depends_on_them(formula):
    for x, y in ((1.7, 0.3), (0.3, 1.7), (1.1, 1.1), (2.9, 0.7)):
        written = formula(Text("x"), Text("y")).text
        assert repr(float(eval(written, {"x": x, "y": y}))) == repr(float(formula(x, y))), written


def test_no_brackets_stand_where_none_is_needed():
    x, y = Text("x"), Text("y")
    assert (2.0**-y * x + -x * -3.0 - x**y).text == "2.0**-y * x + -x * -3.0 - x**y"


def test_operations_that_no_program_can_have():
    lambdas = custom.elementwise("step", leaky, lambda x, out: 1.0 if x > 0 else 0.1)
    with pytest.raises(ValueError, match="cannot be run on text"):
        scalar_source(lambdas(Value(2.0)))
    factor = 3.0

    def closed(x, out):
        return factor if x > 0 else 0.1

    with pytest.raises(ValueError, match="closed uses factor"):
        scalar_source(custom.elementwise("closed", leaky, closed)(Value(2.0)))


def annihilated():
    """The product that is not chosen has derivative inf and gradient 0."""
    x = Value(2.0, label="x")
    return (x * math.inf).minimum(3.0) + x


def changed(number):
    x = Value(2.0, label="x")
    y = x * x + (x - 3).relu()
    x.data = number
    return y


def unseen_change():
    """No number that follows is another one, but a derivative is."""
    x, zero = Value(2.0), Value(0.0)
    y = x * zero
    x.data = 3.0
    return y


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("made", "words"),
    [
        (annihilated, "the engine counts 0 times inf or nan as 0"),
        (lambda: Value(0.0).log(), "plain Python, which raises: math domain error"),
        (lambda: Value(0.0).sqrt(), "the derivative of sqrt at 0.0 cannot be written .* division by zero"),
        (lambda: Value(800.0).exp(), "exp of 800.0 .* range error"),
        (lambda: Value(math.nan).maximum(1.0), "is nan, for which the engine has rules"),
        (lambda: changed(2.5), "a number was changed"),
        (unseen_change, "a number was changed"),
        (lambda: Value(2.0, requires_grad=False) * 3, "nothing that requires a gradient"),
    ],
)
def test_numbers_that_plain_python_does_not_have(made, words):
    with pytest.raises(ValueError, match=words):
        scalar_source(made())


def test_what_is_not_a_graph_of_values():
    with pytest.raises(TypeError, match="takes a Value, not Tensor"):
        scalar_source(Tensor([1.0], requires_grad=True))
    y = Value(2.0) * 3
    y.backward(retain_graph=False)
    with pytest.raises(RuntimeError, match="released"):
        scalar_source(y)
