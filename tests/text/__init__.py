"""Tests of vocabularies, lists of names and windows."""
