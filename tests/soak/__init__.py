"""Long trials of whole commands, all of them marked slow; ``SOAK`` in the environment says how many trials each makes.

Without it each makes its own number, and ``SOAK_SEED`` (0) says which they are. One by one::

    python -m pytest -m slow tests/soak/test_soak_kills.py                        # 200 kills of trainings that go on
    python -m pytest -m slow tests/runs/test_locking.py                           # 100 pairs that resume one run
    python -m pytest -m slow tests/cli/test_start.py -k early                    # 100 early Ctrl-C, for each command
    python -m pytest -m slow tests/soak/test_file_mutations.py -n 2               # 5,000 damaged files
    python -m pytest -m slow tests/soak/test_soak_words.py                        # 500 random command lines

    SOAK=20 SOAK_SEED=7 python -m pytest -m slow tests/soak                       # few, and others
"""

import os


def trials(default: int) -> int:
    """How many trials a soak test makes."""
    return int(os.environ.get("SOAK", default))


def seed() -> int:
    """Which trials they are."""
    return int(os.environ.get("SOAK_SEED", "0"))
