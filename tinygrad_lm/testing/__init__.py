"""Check gradients: of a function, of a module, of an operation of your own. Needs only NumPy.

``check_gradients`` compares a gradient with numeric derivatives and names the wrong element; ``detect_anomaly`` names
the first operation that makes a NaN or an infinity. For property tests there are hypothesis strategies in
``tinygrad_lm.testing.strategies``, random programs in ``tinygrad_lm.testing.programs``, and a plugin for pytest.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinygrad_lm.autograd.anomaly import detect_anomaly
    from tinygrad_lm.testing.checker.gradients import check_gradients
    from tinygrad_lm.testing.checker.report import GradientError, GradientReport, InputReport
else:
    # pytest imports this package for its plugin wherever it is installed, so the engines are imported when asked for.
    _HOMES = {
        "detect_anomaly": "tinygrad_lm.autograd.anomaly",
        "check_gradients": "tinygrad_lm.testing.checker.gradients",
        **dict.fromkeys(("GradientError", "GradientReport", "InputReport"), "tinygrad_lm.testing.checker.report"),
    }

    def __getattr__(name):
        """The public names, imported when they are first asked for."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found

    def __dir__():
        """All public names, imported yet or not."""
        return sorted({*globals(), *__all__})


__all__ = ["GradientError", "GradientReport", "InputReport", "check_gradients", "detect_anomaly"]
