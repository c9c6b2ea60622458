"""Written programs, run in a process that has nothing of the package, beside what the engine computes."""

import ast
import copy
import pickle
import subprocess
import sys
from typing import NamedTuple

import numpy as np

from tinygrad_lm import Tensor, nn
from tinygrad_lm import random as randomness
from tinygrad_lm.replay import source

ALONE = """
import pickle, sys
sys.modules["tinygrad_lm"] = None  # an import of it raises
found = []
for text, call, given in pickle.load(sys.stdin.buffer):
    names = {}
    exec(compile(text, "program", "exec"), names)
    found.append((names[call](**given), given))
sys.stdout.buffer.write(pickle.dumps(found))
"""


class Job(NamedTuple):
    """A program, which function of it is called, with what, what that gives, and what its arguments are afterwards."""

    text: str
    call: str
    given: dict
    result: object
    after: dict


def run(jobs):
    """What the programs give, all in one fresh process, and their arguments afterwards."""
    given = pickle.dumps([(job.text, job.call, job.given) for job in jobs])
    done = subprocess.run([sys.executable, "-I", "-c", ALONE], input=given, capture_output=True, check=False)
    assert not done.returncode, done.stderr.decode()
    return pickle.loads(done.stdout)


def functions(text):
    """The functions of a program with the names of their arguments."""
    found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return {each.name: [argument.arg for argument in each.args.args] for each in found}


def bits(x):
    """What is the same for the same numbers in the same arrays, to the bit."""
    if isinstance(x, dict):
        return {key: bits(value) for key, value in x.items()}
    if isinstance(x, (tuple, list)):
        return [*map(bits, x)]
    if isinstance(x, str):
        return x
    if isinstance(x, np.random.Generator):
        return repr(x.bit_generator.state)
    x = x.data if isinstance(x, Tensor) else np.asarray(x)
    return x.shape, str(x.dtype), x.tobytes()


def graph(root):
    """The job of a graph whose leaves have labels."""
    text = source(root)
    root.backward(None if root.size == 1 else np.ones(root.shape, root.dtype))
    leaves = {node.label: node for node in root_leaves(root)}
    given = {name: leaves[name].data for name in functions(text)["gradients"]}
    gradients = {name: leaf.grad for name, leaf in leaves.items() if leaf.requires_grad}
    return Job(text, "gradients", given, (root.data, gradients), given)


def root_leaves(root):
    """The leaves of a graph."""
    seen, stack = {}, [root]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            stack += [x for x in node.parents if isinstance(x, Tensor)]
    return [node for node in seen.values() if node.is_leaf]


def state(model, optimizer, generator):
    """All that a step may change."""
    found = {name: parameter.data.copy() for name, parameter in model.named_parameters()}
    found |= {name: buffer.copy() for name, buffer in model.named_buffers()}
    found["gradients"] = [repr(p.grad) for p in model.parameters()]
    return bits(found | {"generator": generator, "moments": optimizer.state_arrays()})


def training(step, model, optimizer, *inputs, clips=False):
    """The jobs of a training step and of its gradients. To write it changes nothing; then the step is made."""
    own = [each for _, each in model.named_generators()]
    generator = own[0] if own else randomness.default_generator()
    before = state(model, optimizer, generator)
    text = source(step, *inputs)
    assert state(model, optimizer, generator) == before
    names = {name: name.replace(".", "_") for name, _ in model.named_parameters()}
    held = {name.replace(".", "_"): buffer for name, buffer in model.named_buffers()}
    parts = functions(text)
    needed = parts["step"]
    parameters = {names[name]: p.data for name, p in model.named_parameters()}
    given = {"parameters": parameters}
    if optimizer.moments:
        given["moments"] = {name: {m: np.zeros_like(x) for m in optimizer.moments} for name, x in parameters.items()}
        given["t"] = 1
    given |= {name: buffer for name, buffer in (held | {"rng": generator}).items() if name in needed}
    given |= dict(zip([name for name in needed if name not in given], inputs, strict=True))
    given = copy.deepcopy(given)
    result = step(*inputs)
    after = copy.deepcopy(given)
    after["parameters"] = {names[name]: p.data.copy() for name, p in model.named_parameters()}
    if optimizer.moments:
        after["moments"] = moments_of(model, optimizer, names)
    after |= {n.replace(".", "_"): b.copy() for n, b in model.named_buffers() if n.replace(".", "_") in needed}
    after |= {"rng": copy.deepcopy(generator)} if "rng" in needed else {}
    jobs = [Job(text, "step", given, result, after)]
    if not clips:
        flat = given["parameters"] | {name: x for name, x in given.items() if name in parts["gradients"]}
        gradients = {names[name]: p.grad for name, p in model.named_parameters()}
        then = {name: after.get(name, x) for name, x in flat.items()}
        jobs.append(Job(text, "gradients", copy.deepcopy(flat), (result, gradients), then))
    return jobs


def moments_of(model, optimizer, names):
    """The moments by parameter, in the layout of a written program."""
    held = optimizer.state_arrays()
    place = {id(p): i for i, p in enumerate(optimizer.parameters)}
    return {
        names[name]: {m: held[f"{place[id(p)]}.{m}"] for m in optimizer.moments} for name, p in model.named_parameters()
    }


class Net(nn.Module):
    """A module of parts that are given by name, and a function of it."""

    def __init__(self, call, **parts):
        for name, part in parts.items():
            setattr(self, name, part)
        self.call = call

    def forward(self, *inputs):
        return self.call(self, *inputs)
