"""How many threads BLAS uses: one from the import of the engines on, unless somebody said otherwise."""

import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info

import tinygrad_lm
from tinygrad_lm import threads

SEVERAL = """
import threadpoolctl, numpy, sys
before = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
import tinygrad_lm
if sys.argv[1:]:
    tinygrad_lm.set_num_threads(int(sys.argv[1]))
from tinygrad_lm import Tensor
after = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
print(before, after, tinygrad_lm.get_num_threads())
"""


def told(*words, **variables):
    """What a fresh process has before and after the engines are there, and what it says itself."""
    clean = {name: value for name, value in os.environ.items() if name not in threads.VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, *words],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env=clean | variables,
    )
    return done.stdout.strip()


def test_one_from_the_import_on():
    assert told().endswith("[1] 1")


def test_an_environment_variable_decides():
    before, after, said = told(OPENBLAS_NUM_THREADS="2").split()
    assert before == after == f"[{said}]"


def test_a_number_that_is_set_holds():
    if "num_threads" not in threadpool_info()[0]:
        pytest.skip("threadpoolctl does not know this BLAS")
    before = tinygrad_lm.get_num_threads()
    try:
        for n in (2, 1):
            tinygrad_lm.set_num_threads(n)
            assert tinygrad_lm.get_num_threads() == min(n, os.cpu_count() or 1) or tinygrad_lm.get_num_threads() == n
    finally:
        tinygrad_lm.set_num_threads(before)


@pytest.mark.parametrize("wrong", [0, -1, 1.0, "2", None, True])
def test_what_is_no_number_of_threads(wrong):
    with pytest.raises((TypeError, ValueError), match="set_num_threads: n is a whole number from 1"):
        tinygrad_lm.set_num_threads(wrong)
