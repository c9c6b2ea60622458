"""The registry: every public operation of both engines with reference, inputs, corners and refusals."""

from tests.helpers.registry import (
    elementwise,
    kernels,
    products,
    reductions,
    selecting,
    sequences,
    shaping,
    torch_words,
)
from tests.helpers.registry.row import Case, Kink, Refusal, Row, examples

ROWS: tuple[Row, ...] = (
    *elementwise.ROWS,
    *reductions.ROWS,
    *shaping.ROWS,
    *selecting.ROWS,
    *products.ROWS,
    *kernels.ROWS,
    *sequences.ROWS,
    *torch_words.ROWS,
)
BY_NAME: dict[str, Row] = {row.name: row for row in ROWS}

__all__ = ["BY_NAME", "ROWS", "Case", "Kink", "Refusal", "Row", "examples"]
