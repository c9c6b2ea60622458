"""Planted bugs, and the checks of the suite that must find each: ``python -m tests.mutation``."""

from tests.mutation.checker_mutants import CHECKER_MUTANTS
from tests.mutation.checks import findings, unplanted
from tests.mutation.command_mutants import COMMAND_MUTANTS
from tests.mutation.counting_mutants import COUNTING_MUTANTS
from tests.mutation.files_mutants import FILES_MUTANTS
from tests.mutation.graph_mutants import GRAPH_MUTANTS
from tests.mutation.mixing_mutants import MIXING_MUTANTS
from tests.mutation.model_mutants import MODEL_MUTANTS
from tests.mutation.module_mutants import MODULE_MUTANTS
from tests.mutation.net_mutants import NET_MUTANTS
from tests.mutation.operation_mutants import OPERATION_MUTANTS
from tests.mutation.picture_mutants import PICTURE_MUTANTS
from tests.mutation.properties_mutants import PROPERTIES_MUTANTS
from tests.mutation.replay_mutants import REPLAY_MUTANTS
from tests.mutation.sampling_mutants import SAMPLING_MUTANTS
from tests.mutation.text_mutants import TEXT_MUTANTS
from tests.mutation.training_mutants import TRAINING_MUTANTS

MUTANTS = (
    *GRAPH_MUTANTS,
    *REPLAY_MUTANTS,
    *OPERATION_MUTANTS,
    *MODULE_MUTANTS,
    *MODEL_MUTANTS,
    *NET_MUTANTS,
    *COUNTING_MUTANTS,
    *SAMPLING_MUTANTS,
    *MIXING_MUTANTS,
    *CHECKER_MUTANTS,
    *PROPERTIES_MUTANTS,
    *PICTURE_MUTANTS,
    *TEXT_MUTANTS,
    *TRAINING_MUTANTS,
    *FILES_MUTANTS,
    *COMMAND_MUTANTS,
)

__all__ = ["MUTANTS", "findings", "unplanted"]
