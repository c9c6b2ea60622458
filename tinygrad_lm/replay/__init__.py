"""A step recorded once and run as a plan from then on: ``replay``."""

from tinygrad_lm.replay.replayed import Replayed, replay

__all__ = ["Replayed", "replay"]
