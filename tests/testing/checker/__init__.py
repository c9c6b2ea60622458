"""Tests of ``check_gradients`` and what lies behind it."""
