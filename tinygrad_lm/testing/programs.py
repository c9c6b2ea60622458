"""Random computations as plain data: printed, saved as JSON, and run on ``Tensor``s, ``Value``s or plain NumPy.

A program is a list of leaves and a list of steps, each an operation of ``OPERATIONS`` on earlier results, and says
which result it returns. ``tinygrad_lm.testing.strategies.programs`` draws them.
"""

from tinygrad_lm.testing.properties.index_data import decode_index, encode_index
from tinygrad_lm.testing.properties.operations import KINKED, OPERATIONS, numbers
from tinygrad_lm.testing.properties.program import FORMAT, Program, Step, gradients_on_tensors, gradients_on_values

__all__ = [
    "FORMAT",
    "KINKED",
    "OPERATIONS",
    "Program",
    "Step",
    "decode_index",
    "encode_index",
    "gradients_on_tensors",
    "gradients_on_values",
    "numbers",
]
