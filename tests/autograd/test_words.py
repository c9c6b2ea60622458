"""Words that NumPy and PyTorch share: every row of docs/coming_from_pytorch.md, and the errors for words not here."""

import re

import numpy as np
import pytest

import tinygrad_lm
from tests.helpers import ROOT
from tinygrad_lm import Tensor, Value, nn, optim
from tinygrad_lm.autograd import remedies
from tinygrad_lm.nn import functional as F

PAGE = (ROOT / "docs" / "coming_from_pytorch.md").read_text(encoding="utf-8")
SETUP = re.search(r"```python\n(.*?)```", PAGE, re.S).group(1)
DASH = "—"


def rows(title):
    """The rows of the table under a heading, each a list of cells without their backticks."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines[1:]]


TWO, HERE, ABSENT, SILENT, ARGUMENTS = map(
    rows,
    (
        "Words that mean two things",
        "PyTorch's words that are here",
        "PyTorch's words that are not here",
        "What differs without an error",
        "Arguments of layers that are not here",
    ),
)
by_code = pytest.mark.parametrize


def ours():
    names = {"torch": tinygrad_lm}
    exec(SETUP, names)
    return names


class Array(np.ndarray):
    """An ndarray on which NumPy's functions are methods too, so that a tensor's code can be run on it."""

    def split(self, sections, axis=0):
        return np.split(self, sections, axis)

    def norm(self, ord=None):
        return np.linalg.norm(self, ord)


def numpys():
    names = ours()
    return names | {k: t.data.copy().view(Array) for k, t in names.items() if isinstance(t, Tensor)}


def pytorchs():
    torch = pytest.importorskip("torch", reason="the comparison with PyTorch needs PyTorch")
    names = {k: torch.tensor(t.data) for k, t in ours().items() if isinstance(t, Tensor)}
    return names | {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "np": np, "Tensor": torch.tensor}


def plain(x):
    """Tensors, arrays and numbers as arrays; sequences of them as lists."""
    if isinstance(x, (tuple, list)):
        return [plain(part) for part in x]
    return np.asarray(getattr(x, "data", x) if isinstance(x, Tensor) else x)


def same(a, b):
    a, b = plain(a), plain(b)
    if isinstance(a, list) or isinstance(b, list):
        return isinstance(a, list) and isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-12)


def readings(row):
    return [cell for cell in row[2:] if cell != DASH]


@by_code("row", TWO, ids=lambda row: row[0])
def test_words_that_mean_two_things(row):
    """Each does what the page says, or is refused by an error that names every reading."""
    code, verdict, numpy, pytorch = row
    if verdict == "refused":
        with pytest.raises((TypeError, ValueError)) as caught:
            eval(code, ours())
        for reading in readings(row):
            written = reading.replace("v.", "x.")
            assert written in str(caught.value).replace("v.", "x."), str(caught.value)
        assert all(eval(reading, ours()) is not None for reading in readings(row))
        return
    chosen = {"NumPy's": [numpy], "PyTorch's": [pytorch], "both": readings(row)}[verdict]
    found = eval(code, ours())
    for reading in chosen:
        assert same(found, eval(reading, ours())), reading
    for reading in set(readings(row)) - set(chosen):
        assert not same(found, eval(reading, ours())), f"{reading} is the same: the word has one meaning"


@by_code("row", TWO, ids=lambda row: row[0])
def test_numpys_readings_are_numpys(row):
    code, _, numpy, _ = row
    names = numpys()
    if numpy == DASH:
        with pytest.raises((TypeError, ValueError, AttributeError)):
            eval(code, names)
        return
    found = eval(code, names)
    if found is None:
        found = names["x"]  # sorted in place
    assert same(found, eval(numpy, ours()))


@by_code("row", TWO, ids=lambda row: row[0])
def test_pytorchs_readings_are_pytorchs(row):
    code, _, _, pytorch = row
    names = pytorchs()
    if pytorch == DASH:
        try:
            found = eval(code, names)
        except (TypeError, RuntimeError):
            return
        assert callable(found), "PyTorch reads it too"
        return
    assert same(eval(code, names), eval(pytorch, ours()))


@by_code(("pytorch", "numpy"), HERE)
def test_words_that_are_here(pytorch, numpy):
    assert same(eval(pytorch, ours()), eval(numpy, ours()))


@by_code(("pytorch", "numpy"), HERE)
def test_words_that_are_here_are_pytorchs(pytorch, numpy):
    assert same(eval(pytorch, pytorchs()), eval(numpy, ours()))


@by_code(("pytorch", "written"), ABSENT)
def test_words_that_are_not_here(pytorch, written):
    """The error says what to write, which works."""
    with pytest.raises(AttributeError) as caught:
        eval(pytorch, ours())
    remedy = str(caught.value).partition(": ")[2]
    word = re.search(r"Tensor|(?:np|x|F|nn)(?:\.\w+)+|x @ y|x \*\* -0.5|x\[", written)
    assert (word.group(0) if word else "leave it out") in remedy, remedy
    eval(written, ours())


UNLIKE = (
    *("torch.rand", "torch.multinomial", "torch.Generator", "torch.float32"),
    *("x.zero_()", "x.to(", "x.retain_grad()", "x.outer(v)"),
)
"""Words whose remedy is another thing: other draws, another object, no result; PyTorch's outer is for vectors."""


@by_code(("pytorch", "written"), [row for row in ABSENT if not row[0].startswith(UNLIKE)])
def test_what_is_written_for_them_is_pytorchs(pytorch, written):
    assert same(eval(pytorch, pytorchs()), eval(written, ours()))


@by_code(("code", "here", "pytorch"), SILENT)
def test_what_differs_without_an_error(code, here, pytorch):
    assert repr(eval(code, ours())) == here


@by_code(("code", "here", "pytorch"), SILENT)
def test_what_pytorch_does_instead(code, here, pytorch):
    assert repr(eval(code, pytorchs())) == pytorch


@by_code(("pytorch", "written"), ARGUMENTS)
def test_arguments_that_are_not_here(pytorch, written):
    with pytest.raises((TypeError, ValueError), match=r"argument|normalized_shape"):
        eval(pytorch, ours())
    if written != DASH:
        assert eval(written.partition("`, ")[0], ours()) is not None


@by_code(("pytorch", "written"), ARGUMENTS)
def test_arguments_that_pytorch_has(pytorch, written):
    names = pytorchs()
    names["z"] = names["z"].float() if pytorch.startswith("nn.") else names["z"]
    found, code = eval(pytorch, names), written.partition("`, ")[0]
    if pytorch.startswith("F."):
        assert same(found, eval(code, ours()))
    elif isinstance(found, names["torch"].Tensor):
        assert tuple(found.shape) == eval(code, ours()).shape


def test_every_table_has_its_rows():
    least = ((TWO, 30), (HERE, 50), (ABSENT, 30), (SILENT, 7), (ARGUMENTS, 10))
    assert [len(table) >= rows for table, rows in least] == [True] * 5
    assert {row[1] for row in TWO} == {"NumPy's", "PyTorch's", "both", "refused"}


def test_no_remedy_is_for_a_word_that_a_tensor_has():
    x, parameter = Tensor([1.0, 2.0]), nn.Parameter(np.ones(2))
    for name, remedy in remedies.TENSOR.items():
        assert not hasattr(x, name) and not hasattr(parameter, name), name
        with pytest.raises(AttributeError, match=f"'Tensor' object has no attribute '{name}': ") as caught:
            getattr(x, name)
        assert remedy in str(caught.value)


@by_code(
    ("room", "words", "message"),
    [
        (tinygrad_lm, remedies.PACKAGE, "'tinygrad_lm' has no attribute '{}': "),
        (F, remedies.FUNCTIONAL, "'{}': "),
    ],
    ids=["tinygrad_lm", "functional"],
)
def test_no_remedy_is_for_a_word_that_is_here(room, words, message):
    for name in words:
        assert not hasattr(room, name), name
        with pytest.raises(AttributeError, match=message.format(name)):
            getattr(room, name)


@by_code(
    ("owner", "words"),
    [(nn, remedies.NN), (optim, remedies.OPTIM), (nn.Linear(2, 3), remedies.MODULE)],
)
def test_no_remedy_is_for_a_word_of_the_layers_and_optimizers(owner, words):
    assert len(words) > 4
    for name, remedy in words.items():
        assert not hasattr(owner, name) and name not in dir(owner)
        with pytest.raises(AttributeError, match=f"'{name}': ") as caught:
            getattr(owner, name)
        assert str(caught.value).endswith(remedy)


def test_what_is_written_for_layers_is_there():
    """Every name of the package's that a remedy tells to write."""
    rooms = {"nn": nn, "optim": optim, "F": F, "np": np}
    words = {**remedies.NN, **remedies.OPTIM, **remedies.MODULE}
    told = re.findall(r"\b(nn|optim|F|np)((?:\.[A-Za-z_]\w*)+)", " ".join(words.values()))
    assert len(told) > 8
    for room, path in told:
        found = rooms[room]
        for part in path[1:].split("."):
            found = getattr(found, part)


def test_a_module_may_have_such_a_word_of_its_own():
    class Own(nn.Module):
        def __init__(self):
            self.device = "cpu"
            self.buffers = [1, 2]

    own = Own()
    assert (own.device, own.buffers) == ("cpu", [1, 2]) and "buffers" in dir(own)


@by_code("name", ["zeros_like", "allclose", "bincount", "inf", "matmul"])
def test_numpys_other_words_are_named(name):
    with pytest.raises(AttributeError, match=rf"np\.{name}\b"):
        getattr(tinygrad_lm, name)


@by_code("use", [lambda x: x - x.max(dim=1, keepdim=True), lambda x: x.topk(2) * x, lambda x: Tensor(x.sort())])
def test_a_pair_is_no_operand(use):
    with pytest.raises(TypeError, match=r"pair of values and indices.*\.values"):
        use(Tensor(np.eye(3)))


def test_one_hot_is_of_the_kind_of_its_ids():
    assert F.one_hot(Tensor([2, 0])).float().tolist() == [[0, 0, 1], [1, 0, 0]]
    assert type(F.one_hot(np.array([2, 0]))) is np.ndarray and type(F.one_hot([1])) is np.ndarray


def test_what_the_engine_needs_is_not_listed():
    assert {"add", "backward", "is_leaf", "label"} < set(dir(Tensor(1.0)))
    assert {"dot", "backward", "is_leaf", "label"} < set(dir(Value(1.0)))
    for node in (Tensor(np.eye(2)), Value(1.0)):
        assert not {"apply", "in_place", "plain", "pull", "release", "store", "wrap", "seed"} & set(dir(node))
        assert [name for name in dir(node) if not hasattr(node, name)] == []
    assert "TYPE_CHECKING" not in dir(tinygrad_lm)

    class Own(Tensor):
        pass

    own = Own(1.0)
    own.note = 1
    assert "note" in dir(own)


def test_what_is_absent_is_not_listed():
    x = Tensor(np.eye(2))
    assert {"max", "detach", "grad"} < set(dir(x))
    assert [name for name in dir(x) if not hasattr(x, name)] == []
    assert getattr(x, "cuda", None) is None

    class Own(Tensor):
        values = 3

    assert Own([1.0]).values == 3


def test_the_rest_is_unknown():
    x = Tensor([1.0])
    for owner in (x, tinygrad_lm, F):
        with pytest.raises(AttributeError, match=r"attribute 'nonsense'$"):
            _ = owner.nonsense
        with pytest.raises(AttributeError, match=r"attribute '_private_'$"):
            _ = owner._private_
    with pytest.raises(AttributeError, match="within no_grad"):
        x.mul_(2)
    with pytest.raises(AttributeError, match=r"write np\.floor\(x"):
        x.floor()
    with pytest.raises(AttributeError, match=r"np\.sqrt"):
        _ = tinygrad_lm.sqrt


def test_numpys_functions_keep_numpys_meaning():
    a = np.array([[3.0, 1.0, 2.0], [4.0, 6.0, 5.0]])
    x = Tensor(a)
    for call in (
        lambda t: np.max(t, 1),
        lambda t: np.min(t, axis=0),
        lambda t: np.std(t),
        lambda t: np.var(t, axis=0, ddof=1),
        lambda t: np.transpose(t, (0, 1)),
        lambda t: np.split(t, 2),
        lambda t: np.split(t, [1], 1),
        lambda t: np.sort(t),
        lambda t: np.sort(t, axis=None),
        lambda t: np.argsort(t, 0),
        lambda t: np.repeat(t, 2),
        lambda t: np.size(t),
        lambda t: np.maximum.reduce(t, axis=1),
    ):
        assert same(call(x), call(a))


def test_functions_take_dim():
    for function in (F.softmax, F.log_softmax):
        assert same(function(Tensor(np.eye(3)), dim=0), function(Tensor(np.eye(3)), 0))
        with pytest.raises(TypeError, match="once"):
            function(Tensor(np.eye(3)), 0, dim=1)
    assert F.one_hot([2, 0]).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert F.one_hot(Tensor([1]), -1, bool).tolist() == [[False, True]]
    with pytest.raises(ValueError, match="give num_classes"):
        F.one_hot(np.zeros(0, int))
    with pytest.raises(TypeError, match="without normalized_shape"):
        F.layer_norm(Tensor(np.eye(3)), (3,), Tensor(np.ones(3)), Tensor(np.ones(3)))


def test_a_shape_is_no_flag():
    """PyTorch's Tensor(2, 3) is an empty matrix; here the second argument says whether to learn."""
    for second in (3, 0, (3,), "yes"):
        with pytest.raises(TypeError, match=r"Tensor\(np\.zeros\(\(2, 3\)\)\)"):
            Tensor(2, second)
    assert Tensor(2.0, np.True_).requires_grad


@pytest.mark.parametrize("word", ["max", "min"])
@pytest.mark.parametrize("name", ["keepdims", "keepdim"])
def test_keepdims_given_twice_is_refused(word, name):
    with pytest.raises(TypeError, match=f"{word}: give keepdims once"):
        getattr(Tensor([[1.0, 2.0]]), word)(1, True, **{name: False})
