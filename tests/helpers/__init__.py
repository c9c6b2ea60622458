"""What tests share: oracles, the registry of operations, small models and runs."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
