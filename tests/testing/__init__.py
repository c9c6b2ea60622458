"""Tests of the gradient checker and of what is written with it."""
