"""Tests of the backward pass as data and of the stepper."""
