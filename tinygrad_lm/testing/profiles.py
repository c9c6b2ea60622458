"""Hypothesis profiles, named so that they stay out of the way of yours: ``tinygrad_lm-dev``, ``-ci``, ``-explore``."""

from __future__ import annotations

PREFIX = "tinygrad_lm-"


def register_profiles() -> None:
    """Make the profiles known to hypothesis; which one is used is still yours to choose.

    - ``tinygrad_lm-dev``: 50 examples, for the desk.
    - ``tinygrad_lm-ci``: 300 examples, the same on every run.
    - ``tinygrad_lm-explore``: 20,000 examples from a new seed each time; a failure prints how to repeat it.

    Choose with ``pytest --hypothesis-profile=tinygrad_lm-ci`` or ``settings.load_profile("tinygrad_lm-ci")``. No
    example has a deadline, since gradients are checked many times over.
    """
    from hypothesis import HealthCheck, settings

    common = settings(
        deadline=None,
        print_blob=True,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    )
    settings.register_profile(f"{PREFIX}dev", common, max_examples=50)
    # Without a database: what an earlier run found must not make this one different.
    settings.register_profile(f"{PREFIX}ci", common, max_examples=300, derandomize=True, database=None)
    settings.register_profile(f"{PREFIX}explore", common, max_examples=20_000)
