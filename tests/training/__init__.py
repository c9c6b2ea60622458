"""Tests of the training loop and the optimizers."""
