"""Tests of tinygrad_lm.optim: every rule against PyTorch's numbers, groups, state, schedules, clipping, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.refusing import refuses
from tinygrad_lm import Tensor, nn, optim
from tinygrad_lm.autograd.tensor import from_array
from tinygrad_lm.nn import functional as F

SAME = {"rtol": 0, "atol": 1e-12}

# Written down from PyTorch 2.13.0 in float64: ten steps from p = [0.5, -1.5] with the gradient of step t
# g = [0.3, 2] * p + [1 / t, (-1)**t / 2]. The rules, in the notation of its documentation:
#   SGD     g += decay * p; b = momentum * b + g; p -= lr * b (Nesterov: p -= lr * (g + momentum * b))
#   Adam    g += decay * p; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
#           p -= lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)
#   AdamW   p *= 1 - lr * decay; then as Adam with the bare gradient
STEPS = {
    "sgd": """
0.385 -1.15 0.32345 -0.97 0.28041316666666666 -0.726 0.24700077166666665 -0.6308 0.21959074851666666 -0.45464
0.1963363593945 -0.41371199999999997 0.1761605543269507 -0.2809696 0.1583757376971422 -0.27477567999999997
0.14251335445511681 -0.16982054399999996 0.1282379538214633 -0.18585643519999998""",
    "momentum": """
0.385 -1.15 0.21995 -0.6549999999999999 0.03147316666666668 -0.0285 -0.16410017833333332 0.49104999999999993
-0.35519318348333334 0.9104349999999999 -0.5331877592805 1.0557945 -0.6916729590052493 1.0254591499999999
-0.8260594499873661 0.7430655049999999 -0.9333366194827615 0.3902981234999999 -1.0118859734441346
-0.05525214455000005""",
    "nesterov": """
0.2815 -0.835 0.07730449999999994 -0.3291999999999999 -0.1216106398333334 0.2408160000000002 -0.3091152377128334
0.4630643200000002 -0.4790332945302519 0.6704702464000002 -0.6266674259626174 0.5457084641280001
-0.7488948570670511 0.48673828806656 -0.8440254158520673 0.20693210368901108 -0.9116147423069355
0.10408523019937369 -0.9522717820328275 -0.13078156475303998""",
    "sgd decay": """
0.38 -1.135 0.3148 -0.94665 0.2688746666666667 -0.6978535 0.23311968000000002 -0.601304265 0.20379489280000002
-0.42503036935 0.17897643042133335 -0.3857739917865 0.15753165891876572 -0.254761453511335 0.13873039256201508
-0.25126154827395464 0.12207006574842337 -0.14849662313642414 0.10718726311848643 -0.1673123322777751""",
    "all": """
0.284 -0.843 0.09675199999999998 -0.380746 -0.07092454400000003 0.12135518800000011 -0.21519648136533337
0.28319854933600014 -0.333389470007296 0.45601185833979213 -0.4248261064840315 0.3394673793788323
-0.4904373514197555 0.32452311900595093 -0.5322807220450299 0.11692849145904016 -0.5531252018034394
0.09117370364299414 -0.5561198652968714 -0.07424980002177572""",
    "adam": """
0.4500000004347826 -1.4500000001428572 0.4026827015365148 -1.4013249200649145 0.35767274685125666
-1.3520136517351025 0.3147243043304947 -1.3036147207851743 0.27367596018935736 -1.254676620297224
0.23441951332025251 -1.2067127121587733 0.1968813410310599 -1.1582672200229553 0.1610109822607074
-1.11090943617531 0.12677380012514805 -1.0631192903877427 0.09414603333650984 -1.0165498383310423""",
    "adam opts": """
0.45004163197335556 -1.4500136948781155 0.40306960000043784 -1.401566247788928 0.3587278200787139
-1.352225541386767 0.3167764782139716 -1.3041742006430024 0.2770532744234917 -1.255284571622682
0.23944542614030884 -1.2078614784757353 0.20387272791117506 -1.1596123233149849 0.17027705037362673
-1.1130506925999102 0.1386154850106221 -1.065656751173821 0.10885561420420141 -1.0201840997582319""",
    "adamw": """
0.4475000004347826 -1.4425000001428572 0.3979533917782998 -1.3866468880994276 0.35097572134354477
-1.3304307153445767 0.30631301809509726 -1.2754630453618323 0.26379621363799455 -1.2202331443810341
0.22330961082119363 -1.1663293257093041 0.18477202690380456 -1.1122245567962659 0.1481252189207558
-1.0595756710411706 0.11332643174861803 -1.0067783062329638 0.08034336688352325 -0.9555861310226712""",
    "adamw default": """
0.4989950000086957 -1.4989850000028573 0.4980405193830698 -1.4979922724852666 0.4971267912359625
-1.496987865475503 0.49624692379837865 -1.4959952497944158 0.49539591105530334 -1.4949920081522023
0.49456995468315296 -1.4939995495153322 0.49376606075490653 -1.4929966474988152 0.49298179471773285
-1.4920043901579059 0.4922151263185206 -1.4910016381764637 0.49146432745134355 -1.4900096251106476""",
}
# The same with no gradient (None) on steps 1, 4 and 5: each parameter counts its own steps.
PAUSED = {
    "momentum": """
0.5 -1.5 0.435 -1.25 0.3301166666666666 -0.725 0.3301166666666666 -0.725 0.3301166666666666 -0.725
0.20915149999999993 -0.15749999999999986 0.07972259071428564 0.4347500000000002 -0.0516551053642858
0.8308250000000003 -0.17945648978518264 1.0711275000000002 -0.29909404107043436 1.02317425""",
    "adam": """
0.5 -1.5 0.45000000076923075 -1.4500000002 0.40106500727912203 -1.400178648846583 0.40106500727912203
-1.400178648846583 0.40106500727912203 -1.400178648846583 0.3546779231085059 -1.351074245251268
0.3100391766343043 -1.3014884969977043 0.2668820417588861 -1.2527704449721202 0.22511864966256095
-1.2035790066908079 0.1847377526473011 -1.1553932595796383""",
    "adamw": """
0.5 -1.5 0.44750000076923074 -1.4425000002 0.3963355710602119 -1.3854557824690286 0.3963355710602119
-1.3854557824690286 0.3963355710602119 -1.3854557824690286 0.3479969146532783 -1.3294577922061952
0.3016744566696998 -1.2732553780048579 0.2570955433501273 -1.2182665069257064 0.21416752499452205
-1.1630844196664523 0.17287443698626698 -1.1092709198431567""",
}
# Two groups: a = p as above without a gradient on steps 3 and 4, decaying; b = [2.0] with g = 0.5 b + 1 / t but none
# on step 1, in a group of its own: {lr: 0.2, weight_decay: 0, momentum: 0.9 or betas: (0.7, 0.9)}. Rows: a, a, b.
GROUPED = {
    "sgd": """
0.38 -1.135 2.0 0.3148 -0.94665 1.7 0.3148 -0.94665 1.1933333333333334 0.3148 -0.94665 0.5680000000000001
0.282208 -0.6978535 -0.09159999999999999 0.25425301333333333 -0.601304265 -0.7094133333333333
0.22979717851428572 -0.42503036935 -1.2230754285714287 0.20810529137371428 -0.3857739917865 -1.5880637714285717
0.1886699686076546 -0.254761453511335 -1.7799691250793654 0.1711231698633484 -0.25126154827395464
-1.7946870308571432""",
    "adamw": """
0.4475000004347826 -1.4425000001428572 2.0 0.3979533917782998 -1.3866468880994276 1.8000000013333333
0.3979533917782998 -1.3866468880994276 1.6033694401385175 0.3979533917782998 -1.3866468880994276
1.4111889247753142 0.3528769652783703 -1.3304307153445767 1.224496422471909 0.31076610265313226
-1.2754630453618323 1.0443624310816393 0.2709900566138821 -1.2202331443810341 0.8719086192051987
0.23322942865303284 -1.1663293257093041 0.7083066387901217 0.1973042999586422 -1.1122245567962659
0.5547656865947602 0.1631065905659444 -1.0595756710411706 0.4125094351231243""",
}

MAKE = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9),
    "nesterov": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    "sgd decay": lambda ps: optim.SGD(ps, lr=0.1, weight_decay=0.1),
    "all": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.1),
    "adam": lambda ps: optim.Adam(ps, lr=0.05),
    "adam opts": lambda ps: optim.Adam(ps, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.05, weight_decay=0.1),
    "adamw default": lambda ps: optim.AdamW(ps),
}
every_rule = pytest.mark.parametrize("rule", STEPS)


def table(text, width=2):
    return np.array(text.split(), float).reshape(10, width)


def gradient(p, t):
    return np.array([0.3, 2.0], p.dtype) * p.data + np.array([1 / t, (-1) ** t / 2], p.dtype)


def ten_steps(optimizer, p, without=(), first=1, last=10):
    rows = []
    for t in range(first, last + 1):
        p.grad = None if t in without else gradient(p, t)
        optimizer.step()
        rows.append(p.data.copy())
    return rows


def start(dtype=np.float64):
    return nn.Parameter([0.5, -1.5], dtype=dtype)


class TestRules:
    @every_rule
    def test_ten_steps_are_pytorchs(self, rule):
        p = start()
        np.testing.assert_allclose(ten_steps(MAKE[rule]([p]), p), table(STEPS[rule]), **SAME)

    @pytest.mark.parametrize("rule", PAUSED)
    def test_steps_without_a_gradient_are_not_counted(self, rule):
        p = start()
        np.testing.assert_allclose(ten_steps(MAKE[rule]([p]), p, {1, 4, 5}), table(PAUSED[rule]), **SAME)

    @pytest.mark.parametrize("kind", GROUPED)
    def test_groups_a_tied_and_a_frozen_parameter(self, kind):
        """Faults 45, 46: a parameter given twice is stepped once; a frozen one keeps its bits."""
        a, b = start(), nn.Parameter([2.0])
        c = nn.Parameter([1.0, math.pi], requires_grad=False)
        frozen = c.data.copy()
        if kind == "sgd":
            own = {"lr": 0.2, "weight_decay": 0.0, "momentum": 0.9}
            optimizer = optim.SGD([{"params": [a, c, a]}, {"params": b, **own}], lr=0.1, weight_decay=0.1)
        else:
            own = {"lr": 0.2, "weight_decay": 0.0, "betas": (0.7, 0.9)}
            optimizer = optim.AdamW([{"params": iter([a, c, a])}, {"params": [b], **own}], lr=0.05, weight_decay=0.1)
        assert [id(p) for p in optimizer.parameters] == [id(a), id(c), id(b)]
        rows = []
        for t in range(1, 11):
            a.grad = None if t in (3, 4) else gradient(a, t)
            b.grad = None if t == 1 else 0.5 * b.data + 1 / t
            optimizer.step()
            rows.append([*a.data, *b.data])
        np.testing.assert_allclose(rows, table(GROUPED[kind], 3), **SAME)
        np.testing.assert_array_equal(c.data, frozen)

    def test_a_tied_weight_of_a_module_moves_once(self):
        """Fault 45: the step of a weight with two names is the step of one parameter."""
        net = nn.Sequential(nn.Linear(2, 2, rng=0, dtype=np.float64), nn.Linear(2, 2, rng=1, dtype=np.float64))
        net[1].weight = net[0].weight
        before = net[0].weight.data.copy()
        net(Tensor([[1.0, 2.0]])).sum().backward()
        optim.SGD(net.parameters(), lr=0.1).step()
        np.testing.assert_array_equal(net[0].weight.data, before - 0.1 * net[0].weight.grad)

    def test_decay_kept_off_biases_by_a_group(self):
        """Fault 47: with zero gradients AdamW shrinks the weight by 1 - lr * decay and leaves the bias alone."""
        layer = nn.Linear(3, 2, rng=0, dtype=np.float64)
        weight, bias = layer.weight.data.copy(), layer.bias.data.copy()
        groups = [{"params": [layer.weight]}, {"params": [layer.bias], "weight_decay": 0.0}]
        optimizer = optim.AdamW(groups, lr=0.1, weight_decay=0.5)
        for p in layer.parameters():
            p.grad = np.zeros_like(p.data)
        optimizer.step()
        np.testing.assert_allclose(layer.weight.data, weight * 0.95, rtol=1e-15)
        np.testing.assert_array_equal(layer.bias.data, bias)

    @every_rule
    def test_a_frozen_parameter_and_zero_grad(self, rule):
        """Faults 44, 46: zero_grad leaves None, and a step on None (not on zeros) changes nothing, decay included."""
        p = start()
        optimizer = MAKE[rule]([p])
        p.grad = np.ones(2)
        optimizer.zero_grad()
        assert p.grad is None
        optimizer.step()
        np.testing.assert_array_equal(p.data, [0.5, -1.5])
        assert optimizer.state_arrays() == {}
        p.requires_grad_(False)
        (p * Tensor([1.0, 2.0], requires_grad=True)).sum().backward()
        optimizer.step()
        np.testing.assert_array_equal(p.data, [0.5, -1.5])

    @every_rule
    def test_learning_rate_zero_keeps_every_bit(self, rule):
        """Fault 43: the averages move on, the parameters do not."""
        p = start()
        optimizer = MAKE[rule]([p])
        optimizer.scale = 0.0
        ten_steps(optimizer, p)
        np.testing.assert_array_equal(p.data, [0.5, -1.5])
        assert optimizer.state_arrays()["0.steps"] == 10

    @every_rule
    def test_the_gradient_is_only_read(self, rule):
        p = start()
        optimizer = MAKE[rule]([p])
        for t in (1, 2, 3):
            p.grad = gradient(p, t)
            p.grad.flags.writeable = False
            kept = p.grad.copy()
            optimizer.step()
            np.testing.assert_array_equal(p.grad, kept)

    @every_rule
    @pytest.mark.parametrize("scale", [0.5, np.float64(0.5)])
    def test_float32_stays(self, rule, scale):
        p, q = start(np.float32), start()
        optimizer, exact = MAKE[rule]([p]), MAKE[rule]([q])
        optimizer.scale = exact.scale = scale
        np.testing.assert_allclose(ten_steps(optimizer, p), ten_steps(exact, q), rtol=1e-5, atol=1e-6)
        kinds = {name: array.dtype for name, array in optimizer.state_arrays().items() if not name.endswith("steps")}
        assert p.dtype == np.float32
        assert set(kinds.values()) <= {np.dtype(np.float32)}, kinds

    def test_a_step_marks_older_graphs_stale(self):
        p = start()
        loss = (p * p).sum()
        loss.backward()
        optim.SGD([p], lr=0.1).step()
        with pytest.raises(RuntimeError, match="modified after the forward pass"):
            loss.backward()

    def test_data_that_belongs_to_others_is_not_written(self):
        shared = np.ones((2, 2))
        frozen = np.ones(2)
        frozen.flags.writeable = False
        for view in (shared[0], frozen, np.broadcast_to(1.0, 2)):
            p = nn.Parameter([0.0, 0.0])
            p.data = view
            p.grad = np.ones(2)
            optim.SGD([p], lr=0.5).step()
            np.testing.assert_array_equal(p.data, [0.5, 0.5])
            np.testing.assert_array_equal(view, [1.0, 1.0])

    def test_a_module_turned_to_another_dtype_goes_on(self):
        """The optimizer steps the same parameters as before, with its averages in the new dtype."""
        layer = nn.Linear(2, 1, rng=0)
        optimizer = optim.Adam(layer.parameters(), lr=0.1)
        for dtype in (np.float32, np.float64, np.float32):
            before = layer.to(dtype).weight.data.copy()
            optimizer.zero_grad()
            layer(Tensor(np.ones((1, 2), dtype))).sum().backward()
            optimizer.step()
            np.testing.assert_allclose(layer.weight.data, before - 0.1, atol=1e-6)
            assert optimizer.state_arrays()["0.mean"].dtype == layer.weight.dtype == dtype

    @given(st.integers(0, 2**32), st.sampled_from(list(MAKE)), st.integers(2, 5))
    def test_accumulated_gradients_step_like_one_big_batch(self, seed, rule, parts):
        rng = np.random.default_rng(seed)
        x, targets = rng.normal(size=(2 * parts, 3)), rng.integers(0, 4, 2 * parts)
        nets = [nn.Linear(3, 4, rng=seed, dtype=np.float64) for _ in range(2)]
        optimizers = [MAKE[rule](net.parameters()) for net in nets]
        for _ in range(2):
            for optimizer in optimizers:
                optimizer.zero_grad()
            F.cross_entropy(nets[0](Tensor(x)), targets).backward()
            for rows in np.split(np.arange(2 * parts), parts):
                (F.cross_entropy(nets[1](Tensor(x[rows])), targets[rows]) / parts).backward()
            for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
                np.testing.assert_allclose(q.grad, p.grad, rtol=1e-9, atol=1e-14)
            for optimizer in optimizers:
                optimizer.step()
        for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
            np.testing.assert_allclose(q.data, p.data, rtol=1e-6, atol=1e-7)


def test_a_step_leaves_the_arrays_of_others_alone():
    others = np.ones((2, 2))
    for array in (others[0], others.T[1], np.broadcast_to(1.0, 2)):
        leaf = from_array(array)  # as the results of views without a gradient are
        leaf.requires_grad_()
        assert leaf.data is array
        leaf.grad = np.ones(2)
        optim.SGD([leaf], lr=0.5).step()
        assert leaf.data.tolist() == [0.5, 0.5] and array.tolist() == [1, 1]
    assert (others == 1).all()


class TestState:
    @given(st.sampled_from(list(MAKE)), st.sampled_from([np.float32, np.float64]), st.integers(0, 9), st.integers(0, 9))
    def test_a_restored_optimizer_continues_bit_for_bit(self, rule, dtype, cut, pause):
        whole, part = start(dtype), start(dtype)
        ten_steps(MAKE[rule]([whole]), whole, {pause})
        first = MAKE[rule]([part])
        ten_steps(first, part, {pause}, last=cut)
        saved = first.state_arrays()
        second = MAKE[rule]([part])
        second.load_state_arrays(saved)
        for array in saved.values():
            array[...] = 77  # a copy: nothing of it is held on to
        ten_steps(second, part, {pause}, first=cut + 1)
        assert whole.data.tobytes() == part.data.tobytes()

    def test_what_is_saved(self):
        p, unused = start(), start()
        adam = optim.Adam([unused, p])
        ten_steps(adam, p)
        saved = adam.state_arrays()
        assert {name: (array.shape, array.dtype.kind) for name, array in saved.items()} == {
            "1.steps": ((), "i"),
            "1.mean": ((2,), "f"),
            "1.square": ((2,), "f"),
        }
        saved["1.mean"] += 1
        assert not np.array_equal(saved["1.mean"], adam.state_arrays()["1.mean"])

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"0.mean": np.zeros(3)}, ["does not fit parameter 0 of shape (2,)"]),
            ({"0.mean": None}, ["does not fit parameter 0"]),
            ({"0.velocity": np.zeros(2)}, ["'0.velocity' has no place", "Adam", "1 parameters"]),
            ({"1.steps": np.array(3)}, ["'1.steps' has no place"]),
            ({"0.steps": None}, ["has no place"]),
            ({"0.steps": np.array(-1)}, ["whole number from 1", "-1"]),
            ({"0.steps": np.array(0)}, ["whole number from 1"]),
            ({"0.steps": np.array([1, 2])}, ["whole number from 1"]),
            ({"0.steps": np.array(1.5)}, ["whole number from 1"]),
        ],
    )
    def test_a_state_that_does_not_fit_changes_nothing(self, change, words):
        p = start()
        adam = optim.Adam([p])
        ten_steps(adam, p)
        before = adam.state_arrays()
        wrong = {**{k: v + 1 for k, v in before.items()}, **change}
        refuses(ValueError, lambda: adam.load_state_arrays({k: v for k, v in wrong.items() if v is not None}), *words)
        after = adam.state_arrays()
        assert {k: v.tobytes() for k, v in after.items()} == {k: v.tobytes() for k, v in before.items()}

    def test_plain_sgd_counts_steps_and_refuses_a_state_without_velocity(self):
        p = start()
        plain = optim.SGD([p], lr=0.1)
        ten_steps(plain, p)
        assert plain.state_arrays() == {"0.steps": 10}
        refuses(ValueError, lambda: MAKE["momentum"]([p]).load_state_arrays(plain.state_arrays()), "does not fit")
