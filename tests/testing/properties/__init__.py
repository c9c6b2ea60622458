"""Tests of the hypothesis strategies, the random programs, and the pytest plugin."""
