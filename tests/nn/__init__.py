"""Tests of layers and modules."""
