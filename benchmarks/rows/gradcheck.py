"""The gradients of an MLP's loss checked against finite differences, all its weights, in float64."""

from collections.abc import Iterator

import numpy as np

from benchmarks.contestants import peers, problems
from benchmarks.entries import EAGER, Entry
from benchmarks.timing import Effort, race
from tinygrad_lm.models import MLP
from tinygrad_lm.nn import functional as F
from tinygrad_lm.nn import functional_call
from tinygrad_lm.testing import check_gradients
from tinygrad_lm.text import Vocabulary

CONTEXT = 3


def rows(effort: Effort) -> Iterator[Entry]:
    """One row."""
    embedding, hidden = effort.of((4, 16), (1, 2))
    model = MLP(Vocabulary(), context=CONTEXT, embedding=embedding, hidden=(hidden,), rng=0, dtype=np.float64)
    names, arrays = zip(*model.state_dict().items(), strict=True)
    contexts, targets = next(problems.windows(16, CONTEXT).batches())

    def loss(*weights):
        return F.cross_entropy(functional_call(model, dict(zip(names, weights, strict=True)), contexts), targets)

    ways = {EAGER: lambda: check_gradients(loss, *arrays)}
    if peers.present("torch", effort):
        import torch

        from benchmarks.contestants import torch_mlp

        net = torch_mlp.MLP(len(Vocabulary()), CONTEXT, embedding, hidden).double()
        inputs, wanted = torch.from_numpy(contexts), torch.from_numpy(targets)
        tensors = [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]

        def torch_loss(*weights):
            found = torch.func.functional_call(net, dict(zip(names, weights, strict=True)), inputs)
            return torch.nn.functional.cross_entropy(found, wanted)

        ways["PyTorch gradcheck"] = lambda: torch.autograd.gradcheck(torch_loss, tensors)
    count = sum(array.size for array in arrays)
    yield Entry("gradcheck", f"all {count:,} gradients of an MLP checked", race(ways, effort.at_most(5)))
