"""Tests of the graph as plain data, and of what makes it smaller."""
