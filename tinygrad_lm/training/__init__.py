"""Training: the plan, the loop that follows it, stopping cleanly, resuming exactly, and sharing the work."""

from tinygrad_lm.training.communicator import Alone, Communicator, over_mpi
from tinygrad_lm.training.plan import Plan
from tinygrad_lm.training.report import Report, TrainingError
from tinygrad_lm.training.signals import stopping_on_signals
from tinygrad_lm.training.trainer import Trainer, fingerprint

__all__ = [
    "Alone",
    "Communicator",
    "Plan",
    "Report",
    "Trainer",
    "TrainingError",
    "fingerprint",
    "over_mpi",
    "stopping_on_signals",
]
