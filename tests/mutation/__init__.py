"""Planted bugs, and the checks of the suite that must find each: ``python -m tests.mutation``."""

from tests.mutation.checks import findings
from tests.mutation.command_mutants import COMMAND_MUTANTS
from tests.mutation.graph_mutants import GRAPH_MUTANTS
from tests.mutation.operation_mutants import OPERATION_MUTANTS

MUTANTS = (*GRAPH_MUTANTS, *OPERATION_MUTANTS, *COMMAND_MUTANTS)

__all__ = ["MUTANTS", "findings"]
