"""Long trials of whole commands, deselected by default: ``python -m pytest -m slow tests/soak``."""
