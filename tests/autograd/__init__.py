"""Tests of the engines, of their operations and of the gradients."""
