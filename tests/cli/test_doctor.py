"""Tests of ``tinygrad-lm doctor``."""


def test_doctor_names_the_engines(run):
    out = run("doctor")
    for engine in ("dot", "pygraphviz", "builtin"):
        assert engine in out
