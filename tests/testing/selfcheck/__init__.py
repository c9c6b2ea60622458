"""Tests of what ``tinygrad-lm gradcheck`` runs."""
