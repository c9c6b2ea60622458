"""The forward pass and the update as data and as text: gradient descent, optimizers, and a whole block of attention."""

import copy

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import diamond, net_loss, neuron
from tests.helpers.stepping import LOOK, after, data_in
from tinygrad_lm import Tensor, Value, nn, optim
from visualize.backward.phases import computed, result_after, trained, updated


def test_the_forward_pass_is_every_node_that_is_computed_after_its_operands():
    steps = visualize.backward_steps(neuron)
    frames = computed(steps)
    assert [frame.node for frame in frames] == [node.id for node in steps.graph.nodes if node.op]
    seen = {key for key, node in steps.nodes.items() if node.is_leaf}
    for frame in frames:
        assert seen.issuperset(frame.operands) and frame.value == steps.nodes[frame.node].data
        seen.add(frame.node)
    assert frames[-1].line == "o = n.tanh()"


def test_gradient_descent_changes_every_leaf_that_has_a_gradient():
    steps = visualize.backward_steps(neuron())
    frames = updated(steps, 0.1)
    assert [frame.node for frame in frames] == [*trained(steps)] and len(frames) == 5
    for frame in frames:
        assert frame.after == frame.before - 0.1 * frame.gradient == steps.nodes[frame.node].data - 0.1 * frame.gradient
    x1, w1, x2, w2, b = (frame.after for frame in frames)
    assert result_after(steps, frames) == pytest.approx(np.tanh(x1 * w1 + x2 * w2 + b), rel=1e-15)


def test_a_model_changes_its_parameters_alone():
    net = nn.Linear(2, 1, rng=0)
    x = Tensor(np.ones((1, 2)), requires_grad=True, label="x")
    steps = visualize.backward_steps(net(x).sum(), names=net)
    assert {steps.nodes[key].label or steps.graph.nodes[int(key[1:])].label for key in trained(steps)} == {
        "weight",
        "bias",
    }


OPTIMIZERS = {
    "sgd": (lambda params: optim.SGD(params, lr=0.1), ("w ← w - g · 0.05",)),
    "momentum": (
        lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
        ("velocity′ = velocity · 0.9 + g", "w ← w - velocity′ · 0.05"),
    ),
    "nesterov": (
        lambda params: optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.5),
        ("velocity′ = velocity · 0.9 + g + 0.5 · w", "w ← w - (g + 0.5 · w + 0.9 · velocity′) · 0.05"),
    ),
    "adam": (lambda params: optim.Adam(params, lr=0.1), ("mean′ = mean · 0.9 + g · 0.1", "sqrt(square′)")),
    "adamw": (lambda params: optim.AdamW(params, lr=0.1, weight_decay=0.1), ("w ← w · 0.995 - mean′ / ",)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("earlier", [0, 3])
def test_an_optimizers_next_step_is_shown_and_not_taken(name, earlier):
    make, formulas = OPTIMIZERS[name]
    net, loss = net_loss()
    optimizer = make(net.parameters())
    for _ in range(earlier):
        optimizer.step()
    net.zero_grad()
    ids = np.array([[0, 1], [2, 3]])
    loss = nn.functional.cross_entropy(net(ids), np.array([1, 4]))
    optimizer.scale = 0.5
    before = {key: array.copy() for key, array in optimizer.state_arrays().items()}
    weights = [parameter.data.copy() for parameter in net.parameters()]
    steps = visualize.backward_steps(loss, names=net)
    frames = updated(steps, 0.1, optimizer)
    text = visualize.stepper(loss, names=net, optimizer=optimizer).text()
    assert all(np.array_equal(x, y.data) for x, y in zip(weights, net.parameters(), strict=True))
    after_ = optimizer.state_arrays()
    assert before.keys() == after_.keys() and all(np.array_equal(before[key], after_[key]) for key in before)
    loss.backward()
    optimizer.step()
    for frame in frames:
        assert np.array_equal(frame.after, steps.nodes[frame.node].data)
        kept = optimizer.state[id(steps.nodes[frame.node])]
        assert all(np.array_equal(now, kept[moment]) for moment, (_, now) in frame.moments.items())
        assert frame.options["lr"] == 0.05
    stepped = nn.functional.cross_entropy(net(ids), np.array([1, 4]))
    assert result_after(steps, frames) == pytest.approx(stepped.item(), rel=1e-5)
    assert all(formula in text for formula in formulas)


def test_a_rule_that_symbols_cannot_follow_gives_its_options():
    class Odd(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1})

        def update(self, data, gradient, state, scratch, count, options):
            data[gradient > 0] -= options["lr"]

    w = Tensor([1.0, 2.0], requires_grad=True, label="w")
    (frame,) = updated(visualize.backward_steps((w * w).sum()), 0.1, Odd([w]))
    assert frame.rule == () and frame.options == {"lr": 0.1}
    assert frame.after.tolist() == pytest.approx([0.9, 1.9])
    assert "with g [2, 4]; lr 0.1" in visualize.stepper((w * w).sum(), optimizer=Odd([w])).text()


def test_an_optimizer_of_values(stepping):
    root = neuron()
    leaves = [node for node in visualize.backward_steps(root).nodes.values() if node.is_leaf]
    optimizer = optim.SGD(leaves[1:2], lr=0.1, momentum=0.5)
    kept = copy.deepcopy(optimizer.counts)
    page = stepping(visualize.stepper(root, optimizer=optimizer, engine="builtin").html())
    seen = after(page, "3")
    assert seen["title"] == "w1: -3 → -3.1" and seen["values"]["v1"] == "data -3.1"
    assert "velocity: 0 → 1" in seen["say"] and "w ← w - velocity′ · 0.1" in seen["say"]
    assert optimizer.counts == kept == {}


def test_the_text_has_every_phase():
    text = visualize.stepper(diamond).text()
    for line in (
        "step 3 of 3: d = b · c = 4 · 5 = 20",
        "start: grad d = 1",
        "step 1 of 1: a ← a - lr · grad = 2 - 0.1 × 14 = 0.6",
        "d: 20 → 4.32 with the updated numbers",
    ):
        assert line in text.splitlines()
    assert "n = v6 + b = -6 + 6.881 = 0.8814" in visualize.stepper(neuron).text()
    assert "a ← a - lr · grad = 2 - 0.5 × 14 = -5" in visualize.stepper(diamond, lr=0.5).text()
    assert "no value is used twice" in visualize.stepper(neuron).text("overwrite")


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Value(-2.0, label="x") ** 2, "v2 = x**2 = (-2)**2 = 4"),
        (lambda: -Value(2.0, label="x"), "v1 = -x = -2"),
        (lambda: 3 - Value(-2.0, label="x"), "v2 = 3 - x = 3 - (-2) = 5"),
        (lambda: Value.sum([Value(float(i), label=n) for i, n in enumerate("abc")]), "v3 = a + b + c = 0 + 1 + 2 = 3"),
        (lambda: Value(0.0, label="x").sigmoid(), "v1 = sigmoid(x) = sigmoid(0) = 0.5"),
        (lambda: Value(2.0, label="{1}") * Value(3.0, label="y"), "v2 = {1} · y = 2 · 3 = 6"),
    ],
)
def test_how_a_node_is_computed(stepping, make, line):
    root = make()
    assert f"step 1 of 1: {line}" in visualize.stepper(root).text()
    page = stepping(visualize.stepper(root, engine="builtin").html())
    assert after(page, "ArrowRight")["title"] == line


class Attention(nn.Module):
    """One head of causal attention, its scores and its mask in the open."""

    def __init__(self, width):
        rng = np.random.default_rng(0)
        self.query, self.key, self.value = (nn.Linear(width, width, rng=rng) for _ in range(3))
        self.out = nn.Linear(width, width, rng=rng)
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        scores = q @ k.T / np.sqrt(x.shape[-1])
        masked = np.where(np.tri(len(x), dtype=bool), scores, -1e9)
        weights = nn.functional.softmax(masked)
        return self.norm(x + self.out(weights @ v))


def test_a_block_of_attention_is_stepped_through(stepping):
    block = Attention(4)
    x = Tensor(np.random.default_rng(1).normal(size=(3, 4)), label="x")
    loss = (block(x) ** 2).sum()
    optimizer = optim.AdamW(block.parameters(), lr=0.01)
    stepper = visualize.stepper(loss, names=block, optimizer=optimizer, engine="builtin")
    assert 25 <= len(stepper.graph.nodes) <= 45
    page = stepping(stepper.html())
    count = int(page.evaluate(LOOK)["count"].split("/")[1])
    data = data_in(stepper.html())
    phases = [after(page, "ArrowRight")["phase"] for _ in range(count)]
    assert [phases.count(phase) for phase in ("forward", "backward", "update")] == [
        len(data["computed"]),
        1 + len(stepper.steps["correct"]),
        1 + len(list(block.parameters())),
    ]
    before, now = page.evaluate(LOOK)["title"].partition(": ")[2].split(" → ")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    assert float(before) == pytest.approx(loss.item(), rel=1e-3)
    assert float(now.split()[0]) == pytest.approx((block(x) ** 2).sum().item(), rel=1e-3)
