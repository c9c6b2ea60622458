"""Tests of the cross-entropy and its options: numbers by hand and PyTorch's, an oracle of its own, both engines."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.oracles import agree, central_differences, complex_step, directional, probe
from tests.helpers.registry.kernels import cross_entropy_reference
from tinygrad_lm import Tensor, Value, grad, nn
from tinygrad_lm.autograd import data_of, grad_of, to_values
from tinygrad_lm.nn import functional as F

REDUCTIONS = ("mean", "sum", "none")
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)

# Rows with probabilities of 1/4, 1/2 and 1/4: the loss is 1 or 2 times ln 2, and the mean over the classes 5/3 ln 2.
BY_HAND = np.log([[1.0, 2.0, 1.0], [2.0, 1.0, 1.0], [1.0, 1.0, 2.0]])

# targets, options, the losses in units of ln 2, and the gradients of their sum (probability minus what is wanted).
HAND = {
    "plain": ([1, 1, 0], {}, [1, 2, 2], [[0.25, -0.5, 0.25], [0.5, -0.75, 0.25], [-0.75, 0.25, 0.5]]),
    "ignored": ([1, 1, -100], {}, [1, 2, 0], [[0.25, -0.5, 0.25], [0.5, -0.75, 0.25], [0, 0, 0]]),
    "ignored class": (
        [1, 0, 1],
        {"ignore_index": 0},
        [1, 0, 2],
        [[0.25, -0.5, 0.25], [0, 0, 0], [0.25, -0.75, 0.5]],
    ),
    # 0.7 of each loss and 0.3 of 5/3; wanted are 0.8 and 0.1, 0.1.
    "smoothed": (
        [1, 1, 0],
        {"label_smoothing": 0.3},
        [1.2, 1.9, 1.9],
        [[0.15, -0.3, 0.15], [0.4, -0.55, 0.15], [-0.55, 0.15, 0.4]],
    ),
    "smoothed and ignored": (
        [1, 9, 0],
        {"label_smoothing": 0.3, "ignore_index": 9},
        [1.2, 0, 1.9],
        [[0.15, -0.3, 0.15], [0, 0, 0], [-0.55, 0.15, 0.4]],
    ),
    "all smoothed": ([1, 1, 0], {"label_smoothing": 1.0}, [5 / 3] * 3, np.exp(BY_HAND) / 4 - 1 / 3),
}


def leaf(x, dtype=float):
    return Tensor(np.array(x, dtype), requires_grad=True)


@every_reduction
@pytest.mark.parametrize("name", HAND)
@pytest.mark.parametrize("call", ["function", "layer", "positions"])
def test_numbers_by_hand(name, reduction, call):
    targets, options, losses, slopes = HAND[name]
    z, counted = leaf(BY_HAND), sum(loss != 0 for loss in losses)
    share = 1 / counted if reduction == "mean" else 1.0
    if call == "layer":
        loss = nn.CrossEntropyLoss(reduction=reduction, **options)(z, targets)
    elif call == "positions":
        loss = F.cross_entropy(
            z, targets, options.get("ignore_index", -100), reduction, options.get("label_smoothing", 0.0)
        )
    else:
        loss = F.cross_entropy(z, targets, reduction=reduction, **options)
    expected = np.array(losses) * math.log(2)
    agree(loss.data, expected if reduction == "none" else expected.sum() * share, "value", rtol=1e-14, atol=1e-15)
    loss.backward(np.ones(loss.shape))
    agree(z.grad, np.array(slopes) * share, "gradient", rtol=1e-14, atol=1e-15)


SEQUENCES = [[[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]], [[0.25, 0.5, -0.75], [2.0, -1.0, 1.5]]]
TARGETS, WEIGHTS = [[2, 0], [-100, 1]], [[1.0, -2.0], [0.5, 3.0]]

# Written down from PyTorch 2.14.1 in float64, classes moved to its second axis. WEIGHTS weight the losses of "none".
PYTORCHS = {
    ("mean", 0.0): """2.525025902813999
0.20124963204954194 0.010019629189858006 -0.2112692612393999 -0.3177957924740087 0.3120798506255019 0.005715941848506796
0 0 0 0.20124963204954194 -0.3233137041434753 0.12206407209393341""",
    ("mean", 0.1): """2.4639147917028876
0.1901385209384308 -0.0010914819212531044 -0.1890470390171777 -0.2955735702517865 0.30096873951439085
-0.005395169262604315 0 0 0 0.19013852093843084 -0.3010914819212531 0.11095296098282233""",
    ("sum", 0.0): """7.575077708441997
0.6037488961486258 0.030058887569574023 -0.6338077837181997 -0.9533873774220261 0.9362395518765058 0.017147825545520388
0 0 0 0.6037488961486258 -0.969941112430426 0.36619221628180026""",
    ("sum", 0.1): """7.391744375108663
0.5704155628152925 -0.00327444576375931 -0.567141117051533 -0.8867207107553594 0.9029062185431724 -0.016185507787812945
0 0 0 0.5704155628152925 -0.9032744457637594 0.33285888294846694""",
    ("none", 0.0): """1.0045969023422834 3.0658839037574293 0 3.5045969023422834
0.6037488961486258 0.030058887569574023 -0.6338077837181997 1.9067747548440521 -1.8724791037530115 -0.034295651091040776
0 0 0 1.8112466884458773 -2.909823337291278 1.0985766488454007""",
    ("none", 0.1): """1.07126356900895 2.9992172370907624 0 3.3212635690089503
0.5704155628152925 -0.00327444576375931 -0.567141117051533 1.7734414215107188 -1.8058124370863449 0.03237101557562589
0 0 0 1.7112466884458777 -2.709823337291278 0.998576648845401""",
}


@pytest.mark.parametrize(("reduction", "smoothing"), PYTORCHS)
def test_pytorchs_numbers_of_sequences(reduction, smoothing):
    numbers = np.array(PYTORCHS[reduction, smoothing].split(), float)
    z = leaf(SEQUENCES)
    loss = F.cross_entropy(z, TARGETS, reduction=reduction, label_smoothing=smoothing)
    agree(loss.data, numbers[:-12].reshape(loss.shape), "value", rtol=1e-14, atol=1e-15)
    loss.backward(WEIGHTS if reduction == "none" else None)
    agree(z.grad, numbers[-12:].reshape(2, 2, 3), "gradient", rtol=1e-13, atol=1e-15)


@st.composite
def calls(draw):
    """Logits of any leading axes, targets of which some are ignored, and the options."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    lead, classes = tuple(draw(st.lists(st.integers(1, 3), max_size=3))), draw(st.integers(1, 4))
    targets = np.array(rng.integers(0, classes, lead))
    ignore_index = draw(st.sampled_from([-100, 0, -1, classes]))
    targets[rng.random(lead) < draw(st.sampled_from([0.0, 0.5]))] = ignore_index
    options = {
        "ignore_index": ignore_index,
        "reduction": draw(st.sampled_from(REDUCTIONS)),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 0.75])),
    }
    if (targets == ignore_index).all():
        options["reduction"] = draw(st.sampled_from(["sum", "none"]))
    return 2 * rng.normal(size=(*lead, classes)), targets, options


class TestAgainstOracles:
    @given(calls(), st.integers(0, 2**32))
    def test_value_and_gradient(self, call, seed):
        """A sum over rows of wanted probabilities, in NumPy alone, its complex steps and its differences."""
        z, targets, options = call
        x = leaf(z)
        loss = F.cross_entropy(x, targets, **options)
        expected = cross_entropy_reference(z, targets, **options)
        agree(loss.data, expected, "value", rtol=1e-12, atol=1e-13)
        v = probe(loss.shape, seed)
        loss.backward(v)

        def oracle(at):
            return cross_entropy_reference(at, targets, **options)

        agree(x.grad, complex_step(oracle, [z], v)[0], "gradient", rtol=1e-11, atol=1e-13)
        agree(x.grad, central_differences(oracle, [z], v)[0], "differences", rtol=1e-6, atol=1e-8)

    @given(calls(), st.integers(0, 2**32))
    def test_second_order(self, call, seed):
        z, targets, options = call
        x = leaf(z)
        loss = F.cross_entropy(x, targets, **options)
        v, u = probe(loss.shape, seed), probe(z.shape, seed + 1)
        slope = grad(loss, x, grad_outputs=v, create_graph=True)

        def oracle(at):
            return cross_entropy_reference(at, targets, **options)

        def slope_along(at):
            return np.sum(v * directional(oracle, [at], [u]))

        curvature = grad((slope * u).sum(), x).data
        agree(curvature, central_differences(slope_along, [z])[0], "second order", rtol=1e-6, atol=1e-7)

    @given(calls())
    def test_both_engines_and_plain_arrays(self, call):
        z, targets, options = call
        x, values = leaf(z), to_values(z)
        loss, scalars = F.cross_entropy(x, targets, **options), np.asarray(F.cross_entropy(values, targets, **options))
        v = probe(loss.shape, 0)
        loss.backward(v)
        total = (scalars.ravel() * v.ravel()).sum()
        if isinstance(total, Value):  # all may be ignored
            total.backward()
        agree(data_of(scalars) if scalars.size else scalars.astype(float), loss.data, "value", rtol=1e-12, atol=1e-12)
        agree(grad_of(values), x.grad, "gradient", rtol=1e-9, atol=1e-9)
        plain = F.cross_entropy(z, targets, **options)
        assert not isinstance(plain, Tensor)
        agree(plain, loss.data, "plain arrays", rtol=1e-14, atol=1e-14)

    @given(calls())
    def test_float32_stays(self, call):
        z, targets, options = call
        x, exact = leaf(z, np.float32), leaf(z.astype(np.float32))
        options["label_smoothing"] = np.float64(options["label_smoothing"])
        loss, wanted = F.cross_entropy(x, targets, **options), F.cross_entropy(exact, targets, **options)
        for each in (loss, wanted):
            each.backward(np.ones(each.shape))
        assert loss.dtype == x.grad.dtype == np.float32
        agree(loss.data, wanted.data, "value", rtol=2e-6, atol=2e-6)
        agree(x.grad, exact.grad, "gradient", rtol=2e-5, atol=2e-6)

    @given(calls())
    def test_sequences_are_their_positions_one_after_the_other(self, call):
        z, targets, options = call
        flat = leaf(z.reshape(-1, z.shape[-1]))
        x = leaf(z)
        loss, same = F.cross_entropy(x, targets, **options), F.cross_entropy(flat, targets.reshape(-1), **options)
        np.testing.assert_array_equal(loss.data, same.data.reshape(loss.shape))
        for each in (loss, same):
            each.backward(np.ones(each.shape))
        np.testing.assert_array_equal(x.grad, flat.grad.reshape(z.shape))

    @given(calls())
    def test_pytorch(self, call):
        torch = pytest.importorskip("torch", reason="the comparison with PyTorch needs PyTorch")
        z, targets, options = call
        x, theirs = leaf(z), torch.tensor(z, requires_grad=True)
        loss = F.cross_entropy(x, targets, **options)
        moved = theirs.moveaxis(-1, 1) if z.ndim > 1 else theirs
        same = torch.nn.functional.cross_entropy(moved, torch.tensor(targets), **options)
        v = probe(loss.shape, 3)
        loss.backward(v)
        same.backward(torch.tensor(v))
        agree(loss.data, same.detach().numpy(), "value", rtol=1e-12, atol=1e-12)
        agree(x.grad, theirs.grad.numpy(), "gradient", rtol=1e-12, atol=1e-12)


class TestIgnoring:
    @pytest.mark.parametrize("kind", ["i1", "i2", ">i4", "i8", "u1", "u8"])
    @pytest.mark.parametrize("ignore_index", [0, 1, 99, -1, -100])
    def test_every_integer_dtype_means_the_same(self, kind, ignore_index):
        numbers = np.array([2, ignore_index, 0, 1])
        if kind[0] == "u" and ignore_index < 0:
            numbers[1] = 2  # there is nothing to ignore
        found = F.cross_entropy(leaf(np.eye(4, 3)), numbers.astype(kind), ignore_index=ignore_index, reduction="none")
        wanted = F.cross_entropy(leaf(np.eye(4, 3)), numbers, ignore_index=ignore_index, reduction="none")
        np.testing.assert_array_equal(found.data, wanted.data)
        assert (found.data == 0).tolist() == (numbers == ignore_index).tolist()

    def test_numpys_integers_and_a_tensor_of_targets(self):
        targets = Tensor([1, 7])
        loss = F.cross_entropy(leaf(np.eye(2)), targets, ignore_index=np.int8(7))
        assert loss.item() == F.cross_entropy(leaf(np.eye(2)[:1]), [1]).item()
        assert type(loss.attributes["ignore_index"]) is int

    def test_the_targets_are_left_alone_and_may_be_refilled(self):
        targets = np.array([1, -100, 0])
        z, same = leaf(BY_HAND), leaf(BY_HAND)
        F.cross_entropy(same, targets.copy()).backward()
        loss = F.cross_entropy(z, targets)
        assert targets.tolist() == [1, -100, 0]
        targets[...] = 2
        loss.backward()
        np.testing.assert_array_equal(z.grad, same.grad)

    def test_what_is_ignored_may_hold_anything(self):
        """No warning, and nothing of it in the loss, the gradients or the second derivatives."""
        for reduction in REDUCTIONS:
            z = leaf([[np.nan, np.inf, 0.0], [0.0, 1.0, 2.0], [-np.inf] * 3])
            loss = F.cross_entropy(z, [-1, 2, -1], ignore_index=-1, reduction=reduction, label_smoothing=0.1)
            slope = grad(loss, z, grad_outputs=np.ones(loss.shape), create_graph=True)
            (curvature,) = grad((slope * np.array([0.0, 1.0, 2.0])).sum(), [z])
            loss.backward(np.ones(loss.shape))
            for part in (z.grad, slope.data, curvature.data):
                assert not part[[0, 2]].any() and np.isfinite(part).all() and part[1].all()
            assert np.isfinite(loss.data).all()

    @pytest.mark.parametrize(
        ("targets", "place"), [([0, 3, -100], (1,)), ([-100, 1, -2], (2,)), ([-100, -99, 5], (1,))]
    )
    def test_the_others_must_be_classes(self, targets, place):
        wrong = targets[place[0]]
        with pytest.raises(IndexError) as caught:
            F.cross_entropy(leaf(BY_HAND), targets)
        assert f"targets: {wrong} at position {place} is outside 0 to 2" in str(caught.value)
        with pytest.raises(IndexError, match=rf"targets: {wrong} at position \(0, {place[0]}\) is outside 0 to 2"):
            F.cross_entropy(leaf(BY_HAND[None]), [targets])

    def test_without_it_minus_one_is_no_class(self):
        with pytest.raises(IndexError, match=r"-1 at position \(1,\) is outside 0 to 2"):
            F.cross_entropy(leaf(BY_HAND), [0, -1, 0])
        with pytest.raises(IndexError, match=r"-100 at position \(1,\) is outside 0 to 2"):
            F.cross_entropy(leaf(BY_HAND), [0, -100, 0], ignore_index=-1)

    @pytest.mark.parametrize("targets", [[True, False, True], [0.0, 1.0, 2.0], ["a", "b", "c"]])
    @pytest.mark.parametrize("ignore_index", [-100, 0, 1])
    def test_targets_are_integers(self, targets, ignore_index):
        with pytest.raises(TypeError, match="targets must be integers, not"):
            F.cross_entropy(leaf(BY_HAND), targets, ignore_index=ignore_index)


class TestNothingCounts:
    @pytest.mark.parametrize(("shape", "n"), [((2,), 2), ((2, 3), 6), ((), 1)])
    def test_of_ignored_targets_alone_there_is_no_mean(self, shape, n):
        """PyTorch's is nan."""
        z, targets = leaf(np.ones((*shape, 3))), np.full(shape, -100)
        with pytest.raises(
            ValueError, match=rf"all {n} targets are ignored \(ignore_index=-100\), so there is no mean"
        ):
            F.cross_entropy(z, targets)
        with pytest.raises(ValueError, match="reduction='sum'"):
            nn.CrossEntropyLoss(ignore_index=1)(z, np.ones(shape, int))
        for reduction in ("sum", "none"):
            loss = F.cross_entropy(z, targets, reduction=reduction, label_smoothing=0.5)
            loss.backward(np.ones(loss.shape))
            assert not loss.data.any() and not z.grad.any()

    @pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
    def test_nor_of_no_targets(self, shape):
        z, targets = leaf(np.ones((*shape, 3))), np.zeros(shape, int)
        with pytest.raises(ValueError, match="with n at least 1"):
            F.cross_entropy(z, targets)
        total, each = (F.cross_entropy(z, targets, reduction=reduction) for reduction in ("sum", "none"))
        total.backward()
        assert (total.item(), total.shape, each.shape, z.grad.shape) == (0.0, (), shape, z.shape)

    def test_a_mean_over_batches_of_different_sizes(self):
        """By character: sums and counts add up, where a mean of means would not."""
        rng = np.random.default_rng(0)
        z, targets = rng.normal(size=(10, 4)), rng.integers(0, 4, 10)
        targets[[3, 8]] = -100
        batches = [(z[:3], targets[:3]), (z[3:4], targets[3:4]), (z[4:], targets[4:])]
        total = sum(F.cross_entropy(Tensor(rows), ids, reduction="sum").item() for rows, ids in batches)
        count = sum(np.count_nonzero(ids != -100) for _, ids in batches)
        assert total / count == pytest.approx(F.cross_entropy(z, targets), rel=1e-14)


class TestShapes:
    @pytest.mark.parametrize(
        ("shape", "targets", "words"),
        [
            ((2, 5, 3), (2, 3), "the classes are the last axis here, and the second in PyTorch: write np.moveaxis("),
            ((2, 5, 3, 4), (2, 3, 4), "np.moveaxis(logits, 1, -1)"),
            (
                (2, 3),
                (2, 3),
                "of one-hot rows targets.argmax(axis=-1), and for probabilities the loss is -(targets * F.l",
            ),
            ((2, 3, 5), (6,), "flatten both: logits.reshape(-1, classes), targets.reshape(-1)"),
            ((2, 3), (3,), "(n, classes) and (n,) with n at least 1, not (2, 3) and (3,)"),
            ((3,), (1,), "not (3,) and (1,)"),
            ((), (), "not () and ()"),
        ],
    )
    def test_what_does_not_fit_is_told_with_what_was_meant(self, shape, targets, words):
        with pytest.raises(ValueError) as caught:
            F.cross_entropy(leaf(np.ones(shape)), np.zeros(targets, int))
        assert words in str(caught.value) and "cross_entropy takes logits (..., classes)" in str(caught.value)

    def test_the_remedies_work(self):
        rng = np.random.default_rng(0)
        z, targets = rng.normal(size=(2, 5, 3)), rng.integers(0, 3, (2, 5))
        expected = F.cross_entropy(z, targets)
        logits = np.swapaxes(z, 1, 2)
        assert F.cross_entropy(np.moveaxis(logits, 1, -1), targets) == expected
        logits, targets = z, np.eye(3)[targets]
        assert F.cross_entropy(z, targets.argmax(axis=-1)) == expected
        assert -(targets * F.log_softmax(logits)).sum(axis=-1).mean() == pytest.approx(expected, rel=1e-14)

    def test_one_row_alone(self):
        z = leaf(BY_HAND[0])
        loss = F.cross_entropy(z, 1)
        loss.backward()
        assert loss.shape == () and loss.item() == pytest.approx(math.log(2), rel=1e-15)
        np.testing.assert_allclose(z.grad, [0.25, -0.5, 0.25], rtol=1e-15)
        assert F.cross_entropy(BY_HAND[0], np.array(1), reduction="none").shape == ()


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "kind", "words"),
        [
            ({"reduction": "average"}, ValueError, "reduction is 'mean', 'sum' or 'none', not 'average'"),
            ({"reduction": None}, ValueError, "'none', not None"),
            ({"label_smoothing": 1.5}, ValueError, "label_smoothing is a number from 0 to 1, not 1.5"),
            ({"label_smoothing": -0.1}, ValueError, "not -0.1"),
            ({"label_smoothing": math.nan}, ValueError, "not nan"),
            ({"label_smoothing": "0.1"}, ValueError, "not '0.1'"),
            ({"ignore_index": 1.0}, TypeError, "ignore_index is an integer, not 1.0"),
            ({"ignore_index": None}, TypeError, "not None"),
            ({"ignore_index": True}, TypeError, "not True"),
            ({"ignore_index": np.ones(3)}, TypeError, "weights of classes, PyTorch's third argument, are not here"),
        ],
    )
    def test_what_is_none_is_refused_by_the_function_and_when_the_layer_is_made(self, options, kind, words):
        for call in (
            lambda: F.cross_entropy(leaf(BY_HAND), [0, 1, 2], **options),
            lambda: nn.CrossEntropyLoss(**options),
        ):
            with pytest.raises(kind) as caught:
                call()
            assert words in str(caught.value)

    def test_a_layer_of_ones_own_has_the_defaults_without_the_constructor(self):
        class Own(nn.CrossEntropyLoss):
            def __init__(self):
                self.calls = 0

        assert Own()(leaf(BY_HAND), [1, 1, 0]).item() == F.cross_entropy(BY_HAND, [1, 1, 0])

    def test_the_layer_prints_those_that_are_not_pytorchs_defaults(self):
        assert repr(nn.CrossEntropyLoss()) == "CrossEntropyLoss()  [no parameters]"
        assert repr(nn.CrossEntropyLoss(3, "sum", 0.1)).startswith(
            "CrossEntropyLoss(ignore_index=3, reduction='sum', label_smoothing=0.1)"
        )

    def test_the_plain_loss_is_recorded_as_before(self):
        """Pictures show what an operation was called with: nothing that was not asked for."""
        assert list(F.cross_entropy(leaf(BY_HAND), [0, 1, 2]).attributes) == ["targets"]
        options = {"ignore_index": 2, "reduction": "sum", "label_smoothing": 0.5}
        assert list(F.cross_entropy(leaf(BY_HAND), [0, 1, 2], **options).attributes) == ["targets", *options]
