"""Tests of ``tinygrad-lm train``."""
