"""Tests of what a graph is written as, of the themes and of the engines."""
