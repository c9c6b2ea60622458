"""Tests of the architecture style: modules as boxes with their weights, inputs, an output, repeats, and no numbers."""

import re

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import ENGINES, Block, Net, every_engine, read_svg, texts_by_id
from tinygrad_lm import Tensor, nn
from tinygrad_lm.models import LSTM, MLP, Transformer


def draw(model, *inputs, **options):
    return visualize.draw(model, *inputs, style="architecture", **{"engine": "builtin", **options})


def box(view, label):
    """The lines in the box of that label."""
    node = next(node for node in view.graph.nodes if node.label == label)
    return texts_by_id(view.svg())[node.id]


def size(view):
    root = read_svg(view.svg())
    return float(root.get("width")), float(root.get("height"))


@pytest.fixture
def mlp():
    model, rng = MLP(context=3, embedding=10, hidden=[200], rng=0), np.random.default_rng(0)
    return draw(model.loss, rng.integers(0, 27, (32, 3)), rng.integers(0, 27, 32), names=model)


def test_each_innermost_module_is_a_box_with_its_weights_and_what_goes_in_and_out(mlp):
    assert box(mlp, "embedding: Embedding") == ["embedding: Embedding", "32×3 → 32×3×10", "weight 27×10", "270 weights"]
    assert box(mlp, "0: Linear") == ["0: Linear", "32×30 → 32×200", "weight 200×30, bias 200", "6,200 weights"]
    assert box(mlp, "1: Tanh") == ["1: Tanh", "32×200 → 32×200"]
    assert not any(node.kind == "parameter" for node in mlp.graph.nodes)


def test_inputs_and_targets_are_there_and_the_loss_is_the_result(mlp):
    kinds = {node.label or node.op: (node.kind, node.cluster) for node in mlp.graph.nodes}
    assert kinds["inputs"] == kinds["targets"] == ("data", "")
    assert kinds["cross_entropy"] == ("loss", "")
    assert [cluster.title for cluster in mlp.graph.clusters] == ["MLP · 11,897 weights", "hidden: Sequential"]


def test_the_flow_goes_down_and_the_mlp_is_about_as_small_as_a_page_allows(mlp):
    assert mlp.direction == "TB"
    width, height = size(mlp)
    assert width < 420 and height < 750
    if "dot" in ENGINES:
        model = MLP(context=3, embedding=10, hidden=[200], rng=0)
        width, height = size(draw(model, np.zeros((32, 3), int), engine="dot"))
        assert width < 330 and height < 720


def test_without_a_loss_there_is_an_output_outside_of_the_frame():
    view = draw(Net(), np.array([[0, 1]]))
    output = view.graph.nodes[-1]
    assert (output.label, output.kind, output.cluster, output.shape) == ("output", "loss", "", (1, 5))
    assert view.graph.roots == (output.id,)
    assert box(view, "output") == ["output", "1×5 float32"]
    assert view.graph.caption == ""


def test_no_numbers_but_those_that_an_operation_is_done_with():
    def model(x):
        return layer(x) * 0.5 + x

    layer = nn.Linear(2, 2, rng=0)
    view = draw(model, np.ones((1, 2), np.float32), names=layer)
    assert ["×  0.5", "1×2"] in texts_by_id(view.svg()).values()
    assert not any("data " in line or "grad " in line for lines in texts_by_id(view.svg()).values() for line in lines)


def test_steps_that_only_rearrange_are_one_box_that_says_what_they_do():
    layer = nn.Linear(4, 4, rng=0)

    def model(x):
        return layer(x.reshape(2, 3, 4).swapaxes(0, 1)).sum()

    x = Tensor(np.ones((6, 4), np.float32), requires_grad=True, label="x")
    view = draw(model, x, names=layer)
    assert box(view, "reshape, transpose") == ["reshape, transpose", "6×4 → 3×2×4"]


def test_repeats_are_folded_and_say_of_what_they_are():
    rng = np.random.default_rng(0)
    x = Tensor(np.ones((2, 2), np.float32), label="x")
    labels = [node.label for node in draw(nn.Sequential(*[Block(rng) for _ in range(24)]), x).graph.nodes]
    assert "+23 more Block" in labels
    block = Block(rng)

    def again(x):
        for _ in range(24):
            x = block(x)
        return x

    labels = [node.label for node in draw(again, x, names=block).graph.nodes]
    assert any(re.fullmatch(r"×2\d Block again", label) for label in labels)
    assert len(draw(again, x, names=block, fold_repeats=False).graph.nodes) > 72


def test_the_weights_of_a_loops_cell_stand_in_its_first_call():
    cell, x = nn.Linear(2, 2, rng=0), Tensor(np.ones((1, 2), np.float32), requires_grad=True)

    def model(h):
        for _ in range(3):
            h = np.tanh(cell(h))
        return h

    nodes = [node for node in draw(model, x, names=cell).graph.nodes if node.kind == "module"]
    assert [node.weights for node in nodes] == [6, 0, 0]


class Attention(nn.Module):
    """One head, written out."""

    def __init__(self, width=8):
        self.q, self.k, self.v, self.mix = (nn.Linear(width, width, rng=i) for i in range(4))

    def forward(self, x):
        query, key, value = self.q(x), self.k(x), self.v(x)
        scores = query @ key.swapaxes(-1, -2) * 8**-0.5
        mask = np.tril(np.ones((x.shape[-2],) * 2, bool))
        weights = nn.functional.softmax(np.where(mask, scores, -np.inf))
        return x + self.mix(weights @ value)


@pytest.fixture
def attention():
    return draw(Attention(), Tensor(np.random.default_rng(0).normal(size=(2, 6, 8)).astype(np.float32)))


def test_an_attention_block_has_q_k_v_in_this_order_and_draws_its_mask(attention):
    places = {}
    for group in read_svg(attention.svg()).iter("{http://www.w3.org/2000/svg}g"):
        texts = [float(text.get("x")) for text in group.iter("{http://www.w3.org/2000/svg}text")]
        if "node" in group.get("class", "") and texts:
            places[next(group.iter("{http://www.w3.org/2000/svg}text")).text] = texts[0]
    assert places["q: Linear"] < places["k: Linear"] < places["v: Linear"]
    mask = next(node for node in attention.graph.nodes if node.cells)
    assert mask.cells[0] == (8, 0, 0, 0, 0, 0) and mask.cells[-1] == (8,) * 6
    assert attention.svg().count("<image ") == 1
    assert not any(node.alert for node in attention.graph.nodes)


@every_engine
def test_every_engine_draws_the_mask(engine):
    x = Tensor(np.ones((1, 4, 8), np.float32))
    assert draw(Attention(), x, engine=engine).svg().count("<image ") == 1
    assert "\u2591" not in draw(Attention(), x, engine=engine).svg()


def test_the_models_of_the_package():
    model, rng = Transformer(context=4, width=8, heads=2, layers=6, rng=0), np.random.default_rng(0)
    view = draw(model.loss, rng.integers(0, 27, (2, 4)), rng.integers(0, 27, (2, 4)), names=model)
    labels = [node.label for node in view.graph.nodes]
    assert {"inputs", "targets", "mask", "tokens: Embedding", "+5 more Block"} <= set(labels)
    assert "kept" not in labels
    assert [edge.argument for edge in view.graph.edges if edge.argument in ("query", "key", "value")] == [
        "query",
        "key",
        "value",
    ]


def test_many_weights_stand_one_below_the_other_and_turned_inputs_keep_their_name():
    model, rng = LSTM(embedding=8, hidden=16, rng=0), np.random.default_rng(0)
    view = draw(model.loss, rng.integers(0, 27, (4, 6)), rng.integers(0, 27, (4, 6)), names=model)
    assert box(view, "recurrent: LSTM")[2:] == [
        "weight_ih_l0 64×8",
        "weight_hh_l0 64×16",
        "bias_ih_l0 64",
        "bias_hh_l0 64",
        "1,664 weights",
    ]
    assert {node.label for node in view.graph.nodes if node.kind == "data"} == {"inputsᵀ", "targets"}


@pytest.mark.parametrize("root", [Tensor(3.0), Tensor([1.0, 2.0]), [Tensor(3.0), Tensor(1.0, requires_grad=True)]])
def test_a_result_that_is_a_number_is_drawn(root):
    """It was left out as a number that an operation is done with is, and roots were not among the nodes."""
    graph = draw(root).graph
    assert graph.roots and {*graph.roots} <= {node.id for node in graph.nodes}


def test_an_input_that_is_called_as_what_a_dropout_keeps_is_drawn():
    class Look(nn.Module):
        def __init__(self):
            self.table = nn.Embedding(5, 2, rng=0)

        def forward(self, kept):
            return self.table(kept)

    assert "kept" in [node.label for node in draw(Look(), np.array([3, 1])).graph.nodes]


def test_depth_closes_what_lies_deeper():
    model = Transformer(context=4, width=8, heads=2, layers=2, rng=0)
    view = draw(model, np.zeros((2, 4), int), depth=1)
    assert [node.label for node in view.graph.nodes if node.kind == "module"][-4:] == [
        "blocks.0: Block",
        "blocks.1: Block",
        "norm: LayerNorm",
        "output: Linear",
    ]


def test_a_closed_module_names_its_weights_one_by_one_only_where_the_names_tell_them_apart():
    class Two(nn.Module):
        def __init__(self):
            self.first, self.second = nn.Linear(4, 6, rng=0), nn.Linear(6, 4, rng=1)

        def forward(self, x):
            return self.second(self.first(x))

    class Outer(nn.Module):
        def __init__(self):
            self.two, self.one = Two(), nn.Sequential(nn.Linear(4, 3, rng=2), nn.Tanh())

        def forward(self, x):
            return self.one(self.two(x))

    view = draw(Outer(), Tensor(np.ones((2, 4), np.float32)), depth=1)
    assert box(view, "two: Two") == ["two: Two", "2×4 → 2×4", "58 weights"]
    assert box(view, "one: Sequential") == ["one: Sequential", "2×4 → 2×3", "weight 3×4, bias 3", "15 weights"]


def test_other_styles_get_a_sentence():
    with pytest.raises(ValueError, match="style is 'graph' or 'architecture', not 'blueprint'"):
        visualize.draw(Net(), np.array([[0, 1]]), style="blueprint")
