"""What importing takes beyond NumPy's own import, each in a new process, in turns.

Of files that are compiled, as pip leaves them: in a checkout the first import compiles them, which takes several times
as long as the import and is not timed.
"""

from collections.abc import Iterator

from benchmarks import children
from benchmarks.contestants import peers
from benchmarks.entries import EAGER, Entry
from benchmarks.timing import Effort, Times

ENGINES = "from tinygrad_lm import Tensor, Value, nn, optim"
TRAINING = f"{ENGINES}, models, sampling, text, training; from tinygrad_lm.models import MLP"
OTHERS = {
    "torch": "import torch",
    "jax": "import jax, jax.numpy",
    "autograd": "import autograd, autograd.numpy",
    "mygrad": "import mygrad",
}


def rows(effort: Effort) -> Iterator[Entry]:
    """The engines with modules and optimizers, as far as the others have these; and all that a training needs."""
    others = {name: statement for name, statement in OTHERS.items() if peers.present(name, effort)}
    yield row("import-engines", f"`{ENGINES}`, beyond NumPy's", {EAGER: ENGINES, **others}, effort)
    yield row("import-training", "the same and all that a training needs", {EAGER: TRAINING}, effort)


def row(key: str, title: str, statements: dict[str, str], effort: Effort) -> Entry:
    """The time of each statement."""
    times: Times = {name: [] for name in statements}
    for statement in statements.values():
        children.seconds_of(statement)
    for _ in range(effort.of(9, 1)):
        for name, statement in statements.items():
            times[name].append(children.seconds_of(statement))
    return Entry(key, title, times)
