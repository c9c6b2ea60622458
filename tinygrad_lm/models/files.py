"""Model files: arrays in safetensors and a configuration in JSON, written atomically and read with suspicion."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.disk import ModelFileError, read_bytes, reading, write_atomically

if TYPE_CHECKING:
    from tinygrad_lm.models.interface import LanguageModel

FORMAT_VERSION = 1
MAX_FILE = 1 << 30
MAX_HEADER = 1 << 20
RESERVE = 1 << 18
"""How much of a header is kept for what a checkpoint says beside its vocabulary."""
COPIES = 5
"""How many arrays of each shape a checkpoint holds at most: the weights, their average, the best, two of Adam's."""
MAX_ARRAYS = 10_000
MAX_DIMENSIONS = 8
ITEM_SIZES = {"F32": 4, "F64": 8, "I64": 8, "I32": 4, "U8": 1}
DTYPES = ("float32", "float64", "int64", "int32", "uint8")
ENTRY = "tinygrad_lm"
"""The one entry of a file's metadata: safetensors writes several in random order, and equal models give equal bytes."""


def write_arrays(path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, object] | None = None) -> None:
    """Save named arrays, and plain data beside them, as safetensors with a checksum; equal content, equal bytes.

    Raises
    ------
    ModelFileError
        For all that ``read_arrays`` would refuse: numbers that are not finite, other dtypes, too many arrays, a header
        or a file that is too long. Nothing is then written.
    """
    from safetensors.numpy import save

    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            known = ", ".join(DTYPES)
            raise ModelFileError(f"{path} is not written: {name!r} has dtype {array.dtype}, not one of {known}")
        if not np.isfinite(array).all():
            raise ModelFileError(f"{path} is not written: {name!r} holds nan or inf, so the training went wrong")
    if (size := sum(array.nbytes for array in arrays.values())) > MAX_FILE - MAX_HEADER:
        raise ModelFileError(f"{path} is not written: {size:,} bytes are more than such a file holds; choose less")
    # safetensors corrupts arrays that are not C-contiguous (safetensors#825).
    plain = {name: np.asarray(arrays[name], arrays[name].dtype.newbyteorder("<"), order="C") for name in sorted(arrays)}
    content = json.dumps(dict(metadata or {}), sort_keys=True, allow_nan=False)
    written = save(plain, metadata={ENTRY: _entry(content, _checksum(plain, content))})
    try:
        _read_header(io.BytesIO(written), len(written))
    except ModelFileError as error:
        raise ModelFileError(
            f"{path} is not written, for it could not be read back: {error}; a smaller vocabulary makes it shorter"
        ) from None
    write_atomically(path, written)


def _entry(content: str, checksum: str) -> str:
    return json.dumps({"content": content, "sha256": checksum})


def _checksum(arrays: Mapping[str, Array], content: str) -> str:
    found = hashlib.sha256(content.encode("utf-8"))
    for name in sorted(arrays):
        found.update(repr((name, arrays[name].dtype.name, arrays[name].shape)).encode("utf-8"))
        found.update(arrays[name].reshape(-1).view(np.uint8).data)  # no copy, as tobytes() would be
    return found.hexdigest()


def check_limits(model: LanguageModel, copies: int = 1) -> None:
    """Raise ``ModelFileError`` where the files of this model could not be written, or not read back.

    To be asked before a training, which would be lost; its checkpoint holds so many copies of the model's arrays.
    """
    content = json.dumps({"model": describe(model)})
    if (length := len(json.dumps(_entry(content, "")))) > MAX_HEADER - RESERVE:
        raise ModelFileError(
            f"a vocabulary of {len(model.vocabulary):,} characters is too large for the files of a run: it takes "
            f"{length:,} bytes of at most {MAX_HEADER - RESERVE:,}; drop the names with rare characters"
        )
    state = model.state_dict()
    for name, array in state.items():
        other = None if np.isfinite(array).all() else "is not finite"
        if array.dtype.name not in DTYPES:
            other = f"has dtype {array.dtype}, not one of {', '.join(DTYPES)}"
        if other is not None:
            raise ModelFileError(
                f"{name!r} {other}, so no file of the model could be written; what is made anew with the model, as a "
                "mask, is no part of its state: self.register_buffer(name, array, persistent=False)"
            )
    if (size := copies * sum(array.nbytes for array in state.values())) > MAX_FILE - MAX_HEADER:
        whole = "" if copies == 1 else f", which its training keeps {copies} times,"
        raise ModelFileError(
            f"a model of {size // copies:,} bytes{whole} is too large for a file of at most {MAX_FILE:,}; choose a "
            "smaller one, or give fewer names"
        )


def room(model: LanguageModel, copies: int = 1) -> int:
    """How many bytes a file of a model's arrays has at most."""
    return copies * sum(array.nbytes for array in model.state_dict().values()) + 2 * MAX_HEADER


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ModelFileError("a name occurs twice")
    return found


class _Opened(Protocol):
    """A file that safetensors has opened."""

    def keys(self) -> list[str]: ...

    def get_tensor(self, name: str) -> Array: ...


def _object(found: object) -> dict[str, object] | None:
    """What JSON calls an object; ``None`` for all else."""
    return cast(dict[str, object], found) if isinstance(found, dict) else None


def _read_header(file: BinaryIO, size: int) -> dict[str, object]:
    """The header of a file of that size, once it is known to be small and plain and to describe just what follows."""
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(MAX_HEADER, size - 8):
        raise ModelFileError("its header is cut off or too long")
    header = _object(json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_unique))
    if header is None or len(header) > MAX_ARRAYS:
        raise ModelFileError("its header is not a table of arrays")
    total = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        described = cast(dict[str, object], entry)  # whatever else it is raises an error that ``_read`` catches
        shape, dtype = cast(list[object], described["shape"]), cast(str, described["dtype"])
        if dtype not in ITEM_SIZES or len(shape) > MAX_DIMENSIONS:
            raise ModelFileError(f"the array {name!r:.60} has a dtype or a shape that no model has")
        sides = [n for n in shape if type(n) is int and n >= 0]
        if len(sides) < len(shape):
            raise ModelFileError(f"the array {name!r:.60} has an impossible shape")
        total += math.prod(sides) * ITEM_SIZES[dtype]
    if total != size - 8 - length:
        raise ModelFileError("its data is cut off, or there is more of it than its header says")
    return header


def read_arrays(path: Path, limit: int = MAX_FILE) -> tuple[dict[str, Array], dict[str, object]]:
    """The arrays and the plain data that ``write_arrays`` put into a file.

    Raises
    ------
    ModelFileError
        For anything else. A file of more than ``limit`` bytes is refused unread, and the data is read once the header
        is known to fit it.
    """
    return _read(path, limit, with_arrays=True)


def read_metadata(path: Path) -> dict[str, object]:
    """Only the plain data, from the start of a file; the checksum is for ``read_arrays`` to compare."""
    return _read(path, MAX_FILE, with_arrays=False)[1]


def _read(path: Path, limit: int, with_arrays: bool) -> tuple[dict[str, Array], dict[str, object]]:
    from safetensors import SafetensorError, safe_open

    arrays: dict[str, Array] = {}
    try:
        with reading(path, limit) as file:
            header = _read_header(file, os.fstat(file.fileno()).st_size)
        entry = cast(dict[str, str], json.loads(cast(dict[str, str], header["__metadata__"])[ENTRY]))
        if with_arrays:
            # It maps the file, so that one copy is made, where load(bytes) holds two.
            with cast(AbstractContextManager[_Opened], safe_open(path, framework="np")) as opened:
                arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            if entry["sha256"] != _checksum(arrays, entry["content"]):
                raise ModelFileError("its checksum is not that of its content")
        metadata = _object(json.loads(entry["content"]))
        if metadata is None:
            raise ModelFileError("what it says of itself is no JSON object")
    except ModelFileError as error:
        if str(path) in str(error):
            raise
        raise ModelFileError(f"{path} is damaged or no model file: {error}") from None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise ModelFileError(
            f"{path} is damaged or no model file: its header is not one that tinygrad-lm writes"
        ) from None
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelFileError(f"{path}: {name!r:.60} holds nan or inf")
    return arrays, metadata


def read_json(path: Path) -> dict[str, object]:
    """A JSON object from a file.

    Raises
    ------
    ModelFileError
        For anything else.
    """
    try:
        found = _object(json.loads(read_bytes(path, MAX_HEADER).decode("utf-8"), object_pairs_hook=_unique))
    except ModelFileError as error:
        raise error if str(path) in str(error) else ModelFileError(f"{path} is damaged: {error}") from None
    except (ValueError, RecursionError):
        raise ModelFileError(f"{path} is damaged: it is not JSON") from None
    if found is None:
        raise ModelFileError(f"{path} is damaged: it holds no JSON object")
    return found


def json_bytes(data: Mapping[str, object]) -> bytes:
    """JSON that a person can read, in UTF-8; the parts of a path that are not (lone surrogates) are escaped."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", errors="backslashreplace")


def describe(model: LanguageModel) -> dict[str, object]:
    """What a configuration file says of a model."""
    return {"kind": model.kind, "config": model.config(), "vocabulary": model.vocabulary.to_json()}


def check_description(model: LanguageModel, metadata: Mapping[str, object], path: Path) -> None:
    """Raise ``ModelFileError`` unless a file was written for just this model, vocabulary included."""
    if metadata.get("model") != describe(model):
        raise ModelFileError(f"{path} does not fit its configuration: it belongs to another model or vocabulary")


def save_weights(
    model: LanguageModel,
    path: Path,
    state: Mapping[str, Array] | None = None,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Write a model's arrays, or others of the same names, for ``load_weights`` to read, and more plain data."""
    arrays = model.state_dict() if state is None else state
    write_arrays(path, arrays, {**(metadata or {}), "model": describe(model), **dtype_of(arrays)})


def dtype_of(state: Mapping[str, Array]) -> dict[str, object]:
    """``{"dtype": name}`` of the floating-point numbers of a state, where it is one, and not the usual float32."""
    found = {array.dtype.name for array in state.values() if array.dtype.kind == "f"}
    return {"dtype": found.pop()} if len(found) == 1 and found != {"float32"} else {}


def load_weights(model: LanguageModel, path: Path) -> dict[str, object]:
    """Read a model's arrays from a file; they must fit exactly and be finite. Returns the plain data beside them."""
    arrays, metadata = read_arrays(path, room(model))
    check_description(model, metadata, path)
    own = model.state_dict()
    for name, array in arrays.items():
        if name not in own:
            raise ModelFileError(f"{path} does not fit its configuration: there is no place for {name!r:.60}")
        if array.dtype != own[name].dtype:
            raise ModelFileError(f"{path}: {name!r} has dtype {array.dtype}, not {own[name].dtype}")
    try:
        model.load_state_dict(arrays)
    except ValueError as error:
        raise ModelFileError(f"{path} does not fit its configuration: {error}") from None
    return metadata
