"""Training: the plan, the loop that follows it, stopping cleanly, and resuming exactly."""

from tinygrad_lm.training.plan import Plan
from tinygrad_lm.training.report import Report, TrainingError
from tinygrad_lm.training.signals import stopping_on_signals
from tinygrad_lm.training.trainer import Trainer, fingerprint

__all__ = ["Plan", "Report", "Trainer", "TrainingError", "fingerprint", "stopping_on_signals"]
