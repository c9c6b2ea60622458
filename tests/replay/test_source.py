"""Written programs: run without the package they give the engine's bits, and they read as one would write them."""

import ast
import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.helpers.registry import ROWS
from tests.replay.programs import Net, bits, functions, graph, run, training
from tinygrad_lm import Tensor, Value, nn, optim
from tinygrad_lm.autograd import custom
from tinygrad_lm.models import loading
from tinygrad_lm.nn import functional as F
from tinygrad_lm.replay import source
from tinygrad_lm.replay.statements import Statements
from tinygrad_lm.replay.traced import Tape
from tinygrad_lm.text import Vocabulary, bundled_names


def tensor(*shape, label, seed=0):
    """A leaf that learns."""
    return Tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True, label=label)


def diamond():
    a = Tensor(2.0, requires_grad=True, label="a")
    b = 2 * a
    c = a + 3
    b.label, c.label = "b", "c"
    d = b * c
    d.label = "d"
    return d


def neuron():
    x = Tensor([0.5, -2.0, 0.25], label="x")
    o = (tensor(3, label="w") @ x + tensor(label="b")).tanh()
    o.label = "o"
    return o


def softmax_cross_entropy():
    return F.cross_entropy(tensor(4, 5, label="logits"), np.array([0, 2, 4, 1]))


def products():
    x = tensor(3, 4, label="x")
    return (x.T @ x * (x.sum(axis=0) - x.mean(axis=1).sum())).sum()


def by_mask():
    x = tensor(3, 4, label="x")
    return (x[np.arange(3), [0, 0, 2]] * x[[0, 0, 1], 1]).sum() + x[1:, :2].exp().sum()


def powers():
    """Exponents that are numbers, among them 0, and one that learns."""
    x, y = Tensor([[-2.0], [3.0]], requires_grad=True, label="x"), tensor(label="y")
    return (x**0.0).sum() + (x**3 * (x * x) ** y).sum()


def long_constant():
    """Numbers that are written before the function, some with an exponent."""
    x = tensor(3, label="x")
    return (Tensor(np.geomspace(1e-9, 1, 60).reshape(20, 3)) @ x).sum()


def labels():
    """Names that are no names, that Python has, and that come twice."""
    each = [tensor(2, label=label, seed=i) for i, label in enumerate(("W.1", "sum", "class", "W_1", "np", "2d"))]
    return functools.reduce(lambda x, y: x * y, each).sum()


GRAPHS = {f.__name__: f for f in (diamond, neuron, softmax_cross_entropy, products, by_mask, powers, long_constant)}

rng = np.random.default_rng(0)
IDS, WANTED = rng.integers(0, 9, (5, 3)), rng.integers(0, 9, 5)
ROWS_OF_NUMBERS = rng.normal(size=(6, 3)).astype(np.float32)


def step_of(model, optimizer, loss, clip=None):
    """An ordinary step: gradients anew, clipped or not, and the update."""

    def step(*inputs):
        optimizer.zero_grad()
        found = loss(model, *inputs)
        found.backward()
        if clip is not None:
            optim.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return found

    return step


def trained(model, optimizer, *inputs, loss=None, clip=None):
    """The jobs of such a step."""
    named = loss or (lambda model, x: (model(x) * model(x)).sum())
    step = step_of(model, optimizer, named, clip)

    def of_two(contexts, targets):
        return step(contexts, targets)

    return training(
        of_two if len(inputs) == 2 else step_of_one(step), model, optimizer, *inputs, clips=clip is not None
    )


def step_of_one(step):
    def of_one(x):
        return step(x)

    return of_one


def mlp():
    parameters = {
        name: nn.Parameter(np.random.default_rng(i).normal(size=shape).astype(np.float32))
        for i, (name, shape) in enumerate({"C": (9, 2), "W1": (6, 4), "b1": (4,), "W2": (4, 9), "b2": (9,)}.items())
    }

    def call(self, contexts):
        h = (self.C[contexts].reshape(-1, 6) @ self.W1 + self.b1).tanh()
        return h @ self.W2 + self.b2

    return Net(call, **parameters)


def of_mlp(optimizer, clip=None, **options):
    model = mlp()
    loss = lambda model, x, y: F.cross_entropy(model(x), y, **options)  # noqa: E731
    return trained(model, optimizer(model), IDS, WANTED, loss=loss, clip=clip)


def two_groups(model):
    weights, others = [model.W1, model.W2], [model.C, model.b1, model.b2]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0, "lr": 0.5}]
    return optim.AdamW(groups, lr=0.01)


def residual():
    parts = {"norm": nn.LayerNorm(3), "up": nn.Linear(3, 3, rng=0), "act": nn.GELU(), "tanh": nn.GELU("tanh")}
    return Net(lambda self, x: x + self.tanh(self.up(self.act(self.norm(x)))), **parts)


def normalised():
    parts = {"layer": nn.Linear(3, 4, rng=0), "norm": nn.BatchNorm1d(4)}
    return Net(lambda self, x: self.norm(self.layer(x)), **parts)


def dropping():
    return Net(lambda self, x: self.drop(self.layer(x)), layer=nn.Linear(3, 4, rng=0), drop=nn.Dropout(0.5, rng=1))


def lstm_cell():
    def call(self, x):
        h, c = self.cell(x, (np.ones((6, 4), np.float32), np.full((6, 4), 0.5, np.float32)))
        return h * c

    return Net(call, cell=nn.LSTMCell(3, 4, rng=0))


def gru_cell():
    return Net(lambda self, x: self.cell(x, np.full((6, 4), 0.5, np.float32)), cell=nn.GRUCell(3, 4, rng=0))


def attention_head():
    parts = {name: nn.Linear(3, 2, bias=False, rng=i) for i, name in enumerate(("query", "key", "value"))}

    def call(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        scores = np.where(np.tri(3, dtype=bool), q @ k.mT / np.sqrt(2), -np.inf)
        return F.softmax(scores, axis=-1) @ v

    return Net(call, **parts)


def sgd(model):
    return optim.SGD(model.parameters(), lr=0.1)


def family(kind, optimizer=optim.AdamW, clip=1.0, **options):
    model = loading.family(kind)(Vocabulary(), **options)
    x, y = model.examples(bundled_names()).sample(4, np.random.default_rng(0))
    loss = lambda model, x, y: model.loss(x, y)  # noqa: E731
    return trained(model, optimizer(model.parameters(), lr=0.01), x, y, loss=loss, clip=clip)


SMALL = {
    **{kind: {"hidden": 6, "embedding": 3, "rng": 0} for kind in ("rnn", "gru", "lstm")},
    "mlp": {"hidden": (6,), "rng": 0},
    "neural-bigram": {},
    "transformer": {"width": 8, "heads": 2, "layers": 1, "rng": 0},
    "wavenet": {"rng": 0},
}

STEPS = {
    "the MLP with SGD": lambda: of_mlp(sgd),
    "momentum": lambda: of_mlp(lambda model: optim.SGD(model.parameters(), lr=0.1, momentum=0.9)),
    "Adam": lambda: of_mlp(lambda model: optim.Adam(model.parameters(), lr=0.01)),
    "AdamW in two groups": lambda: of_mlp(two_groups),
    "clipping": lambda: of_mlp(sgd, clip=0.01),
    "no clipping": lambda: of_mlp(sgd, clip=1e9),
    "label smoothing": lambda: of_mlp(sgd, label_smoothing=0.1),
    "residual, LayerNorm, GELU": lambda: trained(net := residual(), sgd(net), ROWS_OF_NUMBERS),
    "BatchNorm": lambda: trained(net := normalised(), sgd(net), ROWS_OF_NUMBERS),
    "dropout": lambda: trained(net := dropping(), sgd(net), ROWS_OF_NUMBERS),
    "an LSTM cell": lambda: trained(net := lstm_cell(), sgd(net), ROWS_OF_NUMBERS),
    "a GRU cell": lambda: trained(net := gru_cell(), sgd(net), ROWS_OF_NUMBERS),
    "an attention head": lambda: trained(net := attention_head(), sgd(net), ROWS_OF_NUMBERS.reshape(2, 3, 3)),
    **{f"the family {kind}": functools.partial(family, kind, **options) for kind, options in SMALL.items()},
}


@pytest.fixture(scope="module")
def ran():
    """What each program gives, by its name, with what the engine gives; all were run in one process."""
    jobs = {name: [graph(make())] for name, make in GRAPHS.items()}
    jobs |= {name: make() for name, make in STEPS.items()}
    found = iter(run([job for each in jobs.values() for job in each]))
    return {name: [(job, next(found)) for job in each] for name, each in jobs.items()}


@pytest.mark.parametrize("name", [*GRAPHS, *STEPS])
def test_a_program_gives_the_bits_of_the_engine(ran, name):
    for job, (result, after) in ran[name]:
        assert bits(result) == bits(job.result)
        assert bits(after) == bits(job.after)


@pytest.mark.parametrize("name", [*GRAPHS, *STEPS])
def test_a_program_is_readable(ran, name):
    job, _ = ran[name][0]
    assert max(map(len, job.text.splitlines())) <= 100
    (documented,) = [f for f in ast.parse(job.text).body if getattr(f, "name", "") == "gradients"]
    for argument, x in job.given.items():
        if isinstance(x, np.ndarray):
            assert f"{x.shape} {x.dtype}" in ast.get_docstring(documented), argument
    for parameter in job.given.get("parameters", ()):
        assert f"# d loss / d {parameter}\n" in job.text
    assert "tinygrad" not in job.text.partition("import numpy")[2]


def test_dropout_draws_from_a_generator_that_is_given(ran):
    (job, _), *_ = ran["dropout"]
    assert functions(job.text)["step"][-1] == "rng"


DIAMOND = '''\
"""d, and its gradients."""

import numpy as np


def gradients(a):
    """d, and its derivative with respect to each parameter: d_x is d d / d x.

    a  () float64
    """
    # forward
    b = 2.0 * a
    c = a + 3.0
    d = b * c

    # backward
    d_d = np.float64(1.0)
    d_b = d_d * c
    d_c = d_d * b
    d_a = d_c + d_b * 2.0  # d d / d a

    return d, {"a": d_a}
'''

SOFTMAX = '''\
"""A graph, and its gradients."""

import numpy as np


def gradients(logits):
    """The loss, and its derivative with respect to each parameter: d_x is d loss / d x.

    Products with ones are sums: np.dot(x, ones) over the last axis, np.dot(ones, x) over rows.

    logits  (4, 5) float64
    """
    # forward
    # cross_entropy
    shifted = logits - logits.max(axis=1, keepdims=True)
    places = np.arange(0, 20, 5) + np.array([0, 2, 4, 1])
    wanted = shifted.reshape(-1)[places]
    e = np.exp(shifted)
    sums = np.dot(e, np.ones(5))
    probabilities = e / sums.reshape(4, 1)
    losses = np.log(sums) - wanted
    loss = losses.sum() * 0.25

    # backward
    d_loss = np.float64(1.0)
    # back through cross_entropy
    scale = d_loss * 0.25
    d_logits = probabilities * scale  # d loss / d logits
    d_logits.reshape(-1)[places] -= scale

    return loss, {"logits": d_logits}
'''


@pytest.mark.parametrize(("make", "text"), [(diamond, DIAMOND), (softmax_cross_entropy, SOFTMAX)])
def test_the_text(make, text):
    assert source(make()) == text


def test_names_are_identifiers_each_of_its_own():
    text = source(labels())
    names = functions(text)["gradients"]
    assert sorted(names) == ["W_1", "W_1_2", "_2d", "class_2", "np_2", "sum_2"]


def test_a_value_is_written_in_plain_assignments():
    v = Value(2.0, label="v")
    assert "d_v = " in source(v * v) and "numpy" not in source(v * v)


def test_a_program_without_a_gradient_is_a_forward_pass():
    assert functions(source(lambda x: x * 2, np.ones(3))).keys() == {"forward"}


doubled = custom.operation("doubled", lambda x: 2 * x, lambda g, out, x: 2 * g)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda: source(tensor(3, label="x")), "this tensor is a leaf"),
        (lambda: source(lambda x: x * Tensor(x).sum().item(), np.ones(3)), "read into Python by item"),
        (lambda: source(doubled(tensor(3, label="x"))), "'doubled' has no formulas that can be written down"),
        (lambda: source(lambda x: [1 if Tensor(x).sum() > 0 else 2, "s", object()], np.ones(3)), "object"),
    ],
)
def test_what_cannot_be_written_is_refused_with_a_sentence(write, words):
    with pytest.raises(ValueError, match=words):
        write()


def cases(count, **more):
    """A graph of each operation of the registry, at random inputs."""
    for row in ROWS:
        yield row.name, drawn(row, count) or drawn(row, 20 * count)


def drawn(row, count):
    """The jobs of one operation."""
    found = []
    how = {"database": None, "deadline": None, "derandomize": True, "suppress_health_check": [*HealthCheck]}

    @settings(max_examples=count, phases=[Phase.generate], **how)
    @given(row.cases)
    def draw(case):
        inputs = [Tensor(np.array(x), requires_grad=True, label=f"x{i}") for i, x in enumerate(case.inputs)]
        out = row.call(*inputs, **case.attributes)
        if isinstance(out, Tensor) and not out.is_leaf and out.size:
            found.append(graph(out))

    draw()
    return found


def check_registry(count):
    jobs = [(name, job) for name, found in cases(count) for job in found]
    for (name, job), (result, after) in zip(jobs, run([job for _, job in jobs]), strict=True):
        assert bits(result) == bits(job.result), f"{name}\n{job.text}"
        assert bits(after) == bits(job.given), name
    return {name for name, _ in jobs}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_operation_of_the_registry():
    assert {row.name for row in ROWS} - check_registry(1) == {"pos"}  # which gives the leaf itself


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_operation_of_the_registry_often():
    check_registry(40)


def test_what_is_changed_later_is_read_before():
    tape = Tape(readable=True)
    a = tape.given(np.ones(3), "argument")
    doubled = a * 2
    a[0] = 5.0
    total = doubled + a
    body = Statements(tape.instructions, [total], [(a, "a")])
    names = {"np": np, "a": np.ones(3)}
    exec("\n".join(line for _, line in body.lines), names)
    assert eval(body.name_of(total), names).tolist() == total.array.tolist() == [7.0, 3.0, 3.0]


def test_powers_are_written_as_on_the_board():
    x = Tensor(np.arange(1.0, 4.0), requires_grad=True, label="x")
    text = str(source((x**2 + x**3).sum()))
    assert "pow_2 = x ** 2\n" in text and "(3.0 * x ** 2)" in text and "(2.0 * x)" in text
    assert "1.0" not in text.partition("# backward")[2].replace("d_loss = np.float64(1.0)", "")
