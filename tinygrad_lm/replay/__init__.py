"""A step recorded once and run as a plan from then on, or written out as a program: ``replay`` and ``source``."""

from tinygrad_lm.replay.replayed import Replayed, replay
from tinygrad_lm.replay.written import source

__all__ = ["Replayed", "replay", "source"]
