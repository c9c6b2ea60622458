"""Planted bugs in the files of models and runs: checksums, limits, what is loaded, and which run a file is of."""

import hashlib

import numpy as np

from tests.mutation.checks import Mutant
from tinygrad_lm.models import files, loading
from tinygrad_lm.models.disk import size_of_file
from tinygrad_lm.runs import opening
from tinygrad_lm.training.state import Setup


def checksum_of(*parts):
    """A checksum over some of name, dtype and shape, over the bytes, and over the plain data if named."""

    def checksum(arrays, content):
        found = hashlib.sha256(content.encode() if "content" in parts else b"")
        for name in sorted(arrays):
            array = arrays[name]
            known = {"name": name, "dtype": array.dtype.name, "shape": array.shape}
            found.update(repr([known[part] for part in parts if part in known]).encode())
            found.update(array.tobytes())
        return found.hexdigest()

    return lambda patch: patch.setattr(files, "_checksum", checksum)


def load_nan(patch):
    class Lax:
        """NumPy, to which everything is finite."""

        def __getattr__(self, name):
            return (lambda array: np.ones(1, bool)) if name == "isfinite" else getattr(np, name)

    patch.setattr(files, "np", Lax())


def guard(factor):
    return lambda patch: patch.setattr(loading, "size_of_file", lambda path: factor * size_of_file(path))


def nothing(owner, name):
    return lambda patch: patch.setattr(owner, name, lambda *arguments, **options: None)


def read_anything(patch):
    patch.setattr(files, "room", lambda model, copies=1: files.MAX_FILE)


def write_anything(patch):
    """The writer looks at nothing; the reader does, at files."""
    whole = files._read_header
    patch.setattr(files, "_read_header", lambda file, size: whole(file, size) if hasattr(file, "name") else {})


CHECKSUM = "test test_the_checksum_knows_the_names_the_dtypes_and_the_plain_data"

FILES_MUTANTS = (
    Mutant(
        "the checksum forgets the shapes",
        checksum_of("name", "dtype", "content"),
        ("test test_the_checksum_knows_the_shapes",),
    ),
    Mutant("the checksum forgets the names", checksum_of("dtype", "shape", "content"), (CHECKSUM,)),
    Mutant("the checksum forgets the dtypes", checksum_of("name", "shape", "content"), (CHECKSUM,)),
    Mutant("the checksum forgets the plain data", checksum_of("name", "dtype", "shape"), (CHECKSUM,)),
    Mutant("weights that are nan are loaded", load_nan, ("test test_numbers_that_are_not_finite_are_not_loaded",)),
    Mutant("the size guard is 4 times lax", guard(4), ("test test_a_model_must_fit_the_file_of_its_weights",)),
    Mutant("the size guard is twice lax", guard(2), ("test test_a_model_must_fit_the_file_of_its_weights",)),
    Mutant("a file of any size is read", read_anything, ("test test_a_file_larger_than_its_model_is_not_read",)),
    Mutant("the writer checks no limit", write_anything, ("test test_what_the_reader_refuses_is_not_written",)),
    Mutant(
        "a run goes on under another plan",
        nothing(opening, "check_same_run"),
        ("test test_a_plan_that_was_changed_is_named",),
    ),
    Mutant(
        "a trainer takes up another training",
        nothing(Setup, "check_same"),
        ("test test_a_trainer_takes_up_its_own_training_alone",),
    ),
)
