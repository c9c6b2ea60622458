"""Check gradients: of a function, of a module, of an operation of your own. Needs NumPy alone.

``check_gradients`` compares a gradient with numeric derivatives and names the wrong element; ``detect_anomaly`` names
the first operation that makes a NaN or an infinity. For property tests there are hypothesis strategies in
``tinygrad_lm.testing.strategies``, random programs in ``tinygrad_lm.testing.programs``, and a plugin for pytest.
"""

from tinygrad_lm.autograd.anomaly import detect_anomaly
from tinygrad_lm.testing.checker.gradients import check_gradients
from tinygrad_lm.testing.checker.report import GradientError, GradientReport, InputReport

__all__ = ["GradientError", "GradientReport", "InputReport", "check_gradients", "detect_anomaly"]
