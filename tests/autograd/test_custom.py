"""Operations that a user defines: both engines, higher derivatives, gradients that never alias, and what is refused."""

import functools

import numpy as np
import pytest

from tinygrad_lm import Tensor, Value, grad, hessian
from tinygrad_lm.autograd import custom, to_values
from tinygrad_lm.testing import GradientError, check_gradients

softsign = custom.elementwise("softsign", lambda x: x / (1 + np.abs(x)), lambda x, out: 1 / (1 + np.abs(x)) ** 2)
hypot = custom.elementwise(
    "hypot", lambda x, y: np.sqrt(x * x + y * y), [lambda x, y, out: x / out, lambda x, y, out: y / out], symbol="h"
)


class TestElementwise:
    def test_plain(self):
        assert softsign(1.0) == 0.5
        np.testing.assert_array_equal(softsign(np.array([1.0, -3.0])), [0.5, -0.75])
        assert softsign(np.float32([1.0])).dtype == np.float32

    def test_both_engines_agree(self):
        x, y = np.array([[1.0], [2.0]]), np.array([3.0, -1.0])
        tx, ty = Tensor(x, requires_grad=True), Tensor(y, requires_grad=True)
        hypot(tx, ty).sum().backward()
        vx, vy = to_values(x), to_values(y)
        np.sum(hypot(vx, vy)).backward()
        np.testing.assert_allclose(tx.grad, [[v.grad for v in row] for row in vx])
        np.testing.assert_allclose(ty.grad, [v.grad for v in vy])

    @pytest.mark.parametrize("inputs", [(np.array([[1.0], [2.0]]), np.array([3.0, -1.0])), (Value(1.0), Value(-2.0))])
    def test_checked_to_second_order(self, inputs):
        check_gradients(hypot, *inputs, order=2)

    def test_third_derivative(self):
        cube = custom.elementwise("cube", lambda x: x**3, lambda x, out: 3 * x**2)
        x = Value(2.0)
        first = grad(cube(x), x, create_graph=True)
        second = grad(first, x, create_graph=True)
        assert (first.data, second.data, grad(second, x).data) == (12, 12, 6)

    def test_on_the_scalar_engine_ieee_answers_count(self):
        inverse = custom.elementwise("inverse", lambda x: 1 / x, lambda x, out: -out * out)
        with np.errstate(divide="ignore"):
            assert inverse(Value(0.0)).data == np.inf

    def test_number_as_derivative(self):
        x = Tensor([1.0, 2.0], requires_grad=True)
        y = custom.elementwise("shift", lambda x: x + 1, 1)(x)
        y.sum().backward()
        np.testing.assert_array_equal(x.grad, [1, 1])

    def test_result_never_aliases_the_input(self):
        same = custom.elementwise("same", lambda x: x, 1)
        x = Tensor([1.0, 2.0], requires_grad=True)
        assert not np.shares_memory(same(x).data, x.data)

    def test_names_in_the_graph(self):
        y = hypot(Tensor([1.0], requires_grad=True), 2.0)
        assert (y.op, y.operation.symbol, softsign.symbol) == ("hypot", "h", "softsign")

    def test_picture(self):
        from visualize import graph_of

        a = Value(1.0, label="a")
        y = softsign(a)
        y.backward()
        graph = graph_of(y)
        assert [node.op for node in graph.nodes] == ["", "softsign"]
        assert [edge.local for edge in graph.edges] == ["0.25"]

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: custom.elementwise("f", np.sin, ()), "has 0 derivatives"),
            (lambda: custom.elementwise("f", np.sin, (1, 1)), r"has 2 derivatives.* written as sin\(x, /\)"),
            (lambda: custom.elementwise("f", lambda x: x, (1, 1)), r"has 2 derivatives.* written as <lambda>\(x\)"),
            (
                lambda: custom.elementwise("f", lambda x: x, lambda x: 1),
                "derivative 0 of 'f', called with operands and",
            ),
            (lambda: custom.elementwise("f", lambda x: x, 2), "the numbers are 0, 1 and -1, not 2"),
            (lambda: custom.elementwise("f", lambda x: x, "x"), "must be a function, not 'x'"),
            (lambda: softsign(1.0, 2.0), "'softsign' takes 1 operand, not 2"),
            (lambda: softsign(Tensor([1.0]), axis=0), "takes no keyword arguments, such as 'axis'"),
            (lambda: custom.operation("f", np.sin), "needs a vjp for each operand"),
            (lambda: custom.operation("f", np.sin, None), "has no derivative at all"),
            (lambda: custom.operation("f", lambda x: x, lambda g: g), r"vjp 0 of 'f'.*written as <lambda>\(g\)"),
        ],
    )
    def test_refused(self, make, message):
        with pytest.raises(TypeError, match=message):
            make()

    def test_forward_of_another_shape(self):
        total = custom.elementwise("total", lambda x: np.sum(x), lambda x, out: 1 + 0 * x)
        with pytest.raises(ValueError, match=r"gave shape \(\) for operands of shapes \(2,\).*use custom\.operation"):
            total(Tensor([1.0, 2.0]))


def forward(x, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


softmax = custom.operation(
    "softmax", forward, lambda g, out, x, axis=-1: out * (g - np.sum(g * out, axis=axis, keepdims=True))
)


class TestOperation:
    @pytest.mark.parametrize("axis", [0, -1])
    def test_checked_to_second_order(self, axis):
        x = np.random.default_rng(0).normal(size=(3, 4))
        check_gradients(lambda x: softmax(x, axis=axis), x, order=2)

    def test_hessian(self):
        x = np.array([0.5, -1.0])
        np.testing.assert_allclose(
            hessian(lambda x: softmax(x)[0], x), hessian(lambda x: x.softmax()[0], x), atol=1e-15
        )

    def test_plain(self):
        np.testing.assert_array_equal(softmax(np.zeros((2, 2)), axis=0), np.full((2, 2), 0.5))

    def test_gradients_never_alias(self):
        kept = []

        def share(g, out, *xs):
            if not kept:
                kept.append(np.ones(2))
            return kept[0]

        sharing = custom.operation("sharing", lambda x, y: x + y, share, share)
        x, y = Tensor([1.0, 2.0], requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
        sharing(x, y).sum().backward()
        assert not np.shares_memory(x.grad, y.grad)
        giving = custom.operation("giving", lambda x, y: x * y, lambda g, out, x, y: y, lambda g, out, x, y: x)
        x, y = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
        giving(x, y).sum().backward()
        assert not any(np.shares_memory(a.grad, b.data) for a in (x, y) for b in (x, y))
        view = custom.operation("view", lambda x: x[::-1], lambda g, out, x: g[::-1])
        assert not np.shares_memory(view(x).data, x.data)

    def test_a_vjp_may_write_into_its_gradient(self):
        def vjp(g, out, x):
            g *= 2
            return g

        double = custom.operation("double", lambda x: 2 * x, vjp)
        x = Tensor([1.0], requires_grad=True)
        y = x * 3
        (double(y) + y).sum().backward()
        np.testing.assert_array_equal(x.grad, [9])

    def test_operand_without_derivative(self):
        take = custom.operation(
            "take", lambda x, ids: x[ids], lambda g, out, x, ids: np.bincount(ids, g, minlength=x.size), None
        )
        x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
        take(x, np.array([0, 0, 2])).sum().backward()
        np.testing.assert_array_equal(x.grad, [2, 0, 1])
        scale = custom.operation("scale", lambda x, k: x * k, lambda g, out, x, k: g * k, None)
        k = Tensor([2.0], requires_grad=True)
        with pytest.raises(TypeError, match=r"'scale' has no derivative for operand 1 \('k'\)"):
            scale(Tensor([1.0]), k).sum().backward()

    def test_vjp_without_return(self):
        f = custom.operation("f", np.sin, lambda g, out, x: None)
        with pytest.raises(TypeError, match="returned None; does it lack a return"):
            f(Tensor([1.0], requires_grad=True)).sum().backward()

    def test_wrong_shape(self):
        f = custom.operation("f", lambda x: x[:2], lambda g, out, x: g)
        with pytest.raises(ValueError, match=r"gave shape \(2,\), but the operand has shape \(3,\)\. A gradient has"):
            f(Tensor([1.0, 2.0, 3.0], requires_grad=True)).sum().backward()

    def test_stretched_operand(self):
        f = custom.operation("f", lambda x, y: x + y, lambda g, out, x, y: g, lambda g, out, x, y: g)
        with pytest.raises(ValueError, match=r"over axes \(0, 1\).*first index too many is \(0, 1\)"):
            f(Tensor(np.ones((2, 3))), Tensor([1.0], requires_grad=True)).sum().backward()

    def test_values_are_refused(self):
        with pytest.raises(TypeError, match=r"takes Tensors, not Values; for both engines use custom\.elementwise"):
            softmax(Value(1.0))
        with pytest.raises(TypeError, match="cannot run on an array of Values"):
            softmax(to_values([1.0, 2.0]))


def doubling(x):
    x *= 2
    return x.copy()


def writes_into_out(g, out, x):
    out += 1
    return g


def writes_into_x(g, out, x):
    x[...] = 0
    return g


class TestWhatBelongsToOthers:
    """A forward or a derivative that writes into its operands, or that leaves the real numbers, is named."""

    @pytest.mark.parametrize("make", [custom.elementwise, custom.operation])
    @pytest.mark.parametrize("wrap", [lambda x: x, lambda x: Tensor(x, requires_grad=True)], ids=["array", "Tensor"])
    def test_a_forward_that_changes_its_input(self, make, wrap):
        double = make("double", doubling, lambda *_: 2.0)
        x = wrap(np.array([1.0, 2.0]))
        with pytest.raises(ValueError, match=r"the forward of 'double' writes into its operand 'x'.*: x = x\.copy\(\)"):
            double(x)
        assert np.asarray(getattr(x, "detach", lambda: x)()).tolist() == [1.0, 2.0]

    def test_views_of_an_operand_are_its_own_too(self):
        shift = custom.operation(
            "shift", lambda x, k: np.add(x[::-1], k, out=np.asarray(x)), lambda g, out, x, k: g, None
        )
        with pytest.raises(ValueError, match="'shift' writes into what it was given"):
            shift(Tensor([1.0, 2.0]), 1.0)

    def test_results_and_operands_can_be_written_to_as_before(self):
        grown = custom.operation("grown", lambda x: x, lambda g, out, x: g)
        array = np.array([1.0, 2.0])
        result = grown(array)
        result += 1
        array += 1
        assert (array.tolist(), result.tolist()) == ([2.0, 3.0], [2.0, 3.0])
        shaped = custom.operation("shaped", lambda x: x.reshape(2, 1), lambda g, out, x: g.reshape(x.shape))
        y = shaped(Tensor([1.0, 2.0], requires_grad=True))
        assert y.data.flags.writeable

    def test_other_errors_of_a_forward_are_its_own(self):
        broken = custom.operation("broken", lambda x: x.reshape(3), lambda g, out, x: g)
        with pytest.raises(ValueError, match="cannot reshape"):
            broken(Tensor([1.0, 2.0]))

    @pytest.mark.parametrize("vjp", [writes_into_out, writes_into_x])
    def test_a_vjp_that_changes_what_it_is_given(self, vjp):
        x = Tensor([1.0, 2.0], requires_grad=True)
        y = custom.operation("f", np.exp, vjp)(x)
        with pytest.raises(ValueError, match=r"the vjp of 'f' for operand 0 .*writes into"):
            y.sum().backward()
        np.testing.assert_array_equal(y.data, np.exp([1.0, 2.0]))
        assert x.data.tolist() == [1.0, 2.0]

    def test_a_derivative_that_changes_what_it_is_given(self):
        def derivative(x, out):
            out *= 2
            return out

        x = Tensor([1.0, 2.0], requires_grad=True)
        y = custom.elementwise("f", np.exp, derivative)(x)
        with pytest.raises(ValueError, match=r"derivative 0 of 'f' writes into"):
            y.sum().backward()
        np.testing.assert_array_equal(y.data, np.exp([1.0, 2.0]))

    def test_a_complex_gradient(self):
        x = Tensor([1.0, 2.0], requires_grad=True)
        turning = custom.operation("turning", np.sin, lambda g, out, x: g * np.exp(1j * x))
        with pytest.raises(TypeError, match=r"the vjp of 'turning' for operand 0.* gave complex128"):
            turning(x).sum().backward()
        spinning = custom.elementwise("spinning", np.sin, lambda x, out: np.exp(1j * x))
        for y in (spinning(x).sum(), spinning(Value(1.0))):
            with pytest.raises(TypeError, match="derivative 0 of 'spinning' gave complex128"):
                y.backward()
        assert x.grad is None

    def test_a_complex_result(self):
        for make in (custom.elementwise, custom.operation):
            root = make("root", lambda x: np.sqrt(x + 0j), lambda *_: 1.0)
            with pytest.raises(TypeError, match="the forward of 'root' gave complex128"):
                root(Tensor([-1.0], requires_grad=True))
        with pytest.raises(TypeError, match="the forward of 'root' gave complex128"):
            custom.elementwise("root", lambda x: np.sqrt(x + 0j), lambda x, out: 0.5 / out)(Value(-1.0))
        # Complex numbers are for whoever gives them, as a complex step does.
        assert custom.operation("root", np.sqrt, lambda g, out, x: g)(np.array([-1.0 + 0j])) == 1j

    def test_a_complex_contribution_of_an_operation_of_ones_own(self):
        from tinygrad_lm.autograd.graph import Operation

        class Odd(Operation):
            def forward(self, x):
                return x * 2.0

            def vjp(self, gradient, call):
                return [gradient * 2j]

        with pytest.raises(TypeError, match="the backward pass of 'odd' gave complex128"):
            Odd("odd")(Tensor([1.0], requires_grad=True)).sum().backward()


def test_a_buffer_that_a_custom_operation_uses_again_is_copied():
    buffer = np.empty(2)

    def forward(x):
        return np.exp(x, out=buffer) if np.shape(x) else np.exp(x)

    def vjp(g, out, x):
        return np.multiply(g, out, out=buffer)

    x = Tensor([0.0, 1.0], requires_grad=True)
    for used in (
        custom.operation("exp_in_buffer", forward, vjp),
        custom.elementwise("exp_in_buffer", forward, lambda x, out: np.multiply(out, 1, out=buffer)),
    ):
        x.zero_grad()
        first, second = used(x), used(2 * x)
        np.testing.assert_allclose(first.data, np.exp(x.data))
        np.testing.assert_allclose(second.data, np.exp(2 * x.data))
        first.sum().backward()
        (3 * first).sum().backward()
        np.testing.assert_allclose(x.grad, 4 * np.exp(x.data))


@pytest.mark.parametrize("engine", [Tensor, Value])
@pytest.mark.parametrize("lacking", ["forward", "derivative"])
def test_what_lacks_a_return_is_named(engine, lacking):
    given = {"forward": lambda x: 2 * x, "derivative": lambda x, out: 2 + 0 * x, lacking: lambda *_: None}
    x = Tensor([1.0, 2.0], requires_grad=True) if engine is Tensor else Value(1.0)
    what = "the forward of 'f'" if lacking == "forward" else "derivative 0 of 'f'"
    with pytest.raises(TypeError, match=f"{what} returned None; does it lack a return"):
        custom.elementwise("f", given["forward"], given["derivative"])(x).backward(1.0 if engine is Value else [1, 1])
    if engine is Tensor and lacking == "forward":
        with pytest.raises(TypeError, match=f"{what} returned None; does it lack a return"):
            custom.operation("f", given["forward"], lambda g, out, x: g)(x)


@pytest.mark.parametrize("result", ["ab", np.array([None, 1.0])])
def test_a_forward_that_gives_no_numbers_is_refused(result):
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"the forward of 'f' gave .*, not real numbers"):
        custom.operation("f", lambda x: result, lambda g, out, x: g)(x)


def test_the_operands_of_a_wrapped_ufunc_have_names():
    """NumPy's ufuncs say nothing of them before 2.4, and since then count their output in."""
    wrapped = functools.wraps(np.maximum)(lambda *operands: np.maximum(*operands))
    assert [str(custom.signature_of(f)) for f in (np.sin, np.maximum, wrapped)] == ["(x, /)", *["(x1, x2, /)"] * 2]
    wrong = custom.operation("f", np.sin, lambda g, out, x: g * x)
    with pytest.raises(GradientError) as caught:
        check_gradients(wrong, np.ones(2))
    assert caught.value.name == "x"
