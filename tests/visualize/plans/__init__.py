"""Tests of the built-in layout."""
