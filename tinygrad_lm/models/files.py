"""Model files: arrays in safetensors and a configuration in JSON, written atomically and read with suspicion."""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_lm.text import DataError, Vocabulary

if TYPE_CHECKING:
    from tinygrad_lm.models.interface import LanguageModel

Array = np.ndarray[Any, Any]

FAMILIES: dict[str, type[LanguageModel]] = {}
"""The model families by name: those of the package, and those that a user adds."""

FORMAT_VERSION = 1
MAX_FILE = 1 << 30
MAX_HEADER = 1 << 20
MAX_ARRAYS = 10_000
MAX_DIMENSIONS = 8
ITEM_SIZES = {"F32": 4, "F64": 8, "I64": 8, "I32": 4, "U8": 1}
DTYPES = ("float32", "float64", "int64", "int32", "uint8")
ENTRY = "tinygrad_lm"
"""The one entry of a file's metadata: safetensors writes several in random order, and equal models give equal bytes."""


class ModelFileError(ValueError):
    """A model file or run folder that is missing, damaged, foreign or of a newer format; says what is wrong."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a temporary file beside it, flushed to disk, then renamed over it."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if os.name == "posix":
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Make a renaming last through a power failure, where the file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def write_arrays(path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, Any] | None = None) -> None:
    """Save named arrays, and plain data beside them, as safetensors with a checksum; equal content, equal bytes.

    Raises ``ModelFileError`` for numbers that are not finite and dtypes that ``read_arrays`` would refuse.
    """
    from safetensors.numpy import save

    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            known = ", ".join(DTYPES)
            raise ModelFileError(f"{path} is not written: {name!r} has dtype {array.dtype}, not one of {known}")
        if not np.isfinite(array).all():
            raise ModelFileError(f"{path} is not written: {name!r} holds nan or inf, so the training went wrong")
    # safetensors corrupts arrays that are not C-contiguous (safetensors#825).
    plain = {name: arrays[name].astype(arrays[name].dtype.newbyteorder("<"), order="C") for name in sorted(arrays)}
    content = json.dumps(dict(metadata or {}), sort_keys=True, allow_nan=False)
    entry = json.dumps({"content": content, "sha256": _checksum(plain, content)})
    write_atomically(path, save(plain, metadata={ENTRY: entry}))


def _checksum(arrays: Mapping[str, Array], content: str) -> str:
    found = hashlib.sha256(content.encode("utf-8"))
    for name in sorted(arrays):
        found.update(repr((name, arrays[name].dtype.name, arrays[name].shape)).encode("utf-8"))
        found.update(arrays[name].tobytes())
    return found.hexdigest()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ModelFileError("a name occurs twice")
    return found


def _check_header(content: bytes) -> None:
    """Raise unless the header is small and plain and describes just the bytes that follow."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(MAX_HEADER, len(content) - 8):
        raise ModelFileError("its header is cut off or too long")
    header: Any = json.loads(content[8 : 8 + length].decode("utf-8"), object_pairs_hook=_unique)
    if not isinstance(header, dict) or len(header) > MAX_ARRAYS:
        raise ModelFileError("its header is not a table of arrays")
    header.pop("__metadata__", None)
    total = 0
    for name, entry in header.items():
        shape, dtype = entry["shape"], entry["dtype"]
        if dtype not in ITEM_SIZES or len(shape) > MAX_DIMENSIONS:
            raise ModelFileError(f"the array {name!r:.60} has a dtype or a shape that no model has")
        if any(type(n) is not int or n < 0 for n in shape):
            raise ModelFileError(f"the array {name!r:.60} has an impossible shape")
        total += math.prod(shape) * ITEM_SIZES[dtype]
    if total != len(content) - 8 - length:
        raise ModelFileError("its data is cut off, or there is more of it than its header says")


def read_bytes(path: Path, limit: int) -> bytes:
    """A file's content; raises ``ModelFileError`` where it is missing, no file, or larger than the limit."""
    if size_of_file(path) > limit:
        raise ModelFileError(f"{path} is larger than {limit:,} bytes, which no file of this kind is")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}") from None


def size_of_file(path: Path) -> int:
    """The size of a file in bytes. Raises ``ModelFileError`` where it is missing, or a folder, pipe or device."""
    try:
        status = path.stat()
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise ModelFileError(f"{path} is not a regular file")
    return status.st_size


def read_arrays(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the plain data that ``write_arrays`` put into a file. Raises ``ModelFileError`` otherwise."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content = read_bytes(path, MAX_FILE)
    try:
        _check_header(content)
        arrays = load(content)
        length = int.from_bytes(content[:8], "little")
        entry = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][ENTRY])
        if entry["sha256"] != _checksum(arrays, entry["content"]):
            raise ModelFileError("its checksum is not that of its content")
        metadata = json.loads(entry["content"])
    except ModelFileError as error:
        raise ModelFileError(f"{path} is damaged or no model file: {error}") from None
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise ModelFileError(
            f"{path} is damaged or no model file: its header is not one that tinygrad-lm writes"
        ) from None
    return arrays, metadata


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises ``ModelFileError`` for anything else."""
    try:
        found = json.loads(read_bytes(path, MAX_HEADER).decode("utf-8"), object_pairs_hook=_unique)
    except ModelFileError as error:
        raise error if str(path) in str(error) else ModelFileError(f"{path} is damaged: {error}") from None
    except (ValueError, RecursionError):
        raise ModelFileError(f"{path} is damaged: it is not JSON") from None
    if not isinstance(found, dict):
        raise ModelFileError(f"{path} is damaged: it holds no JSON object")
    return found


def json_bytes(data: Mapping[str, Any]) -> bytes:
    """JSON that a person can read, in UTF-8; the parts of a path that are not (lone surrogates) are escaped."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", errors="backslashreplace")


def describe(model: LanguageModel) -> dict[str, Any]:
    """What a configuration file says of a model."""
    return {"kind": model.kind, "config": model.config(), "vocabulary": model.vocabulary.to_json()}


def build(description: Any, path: Path, weights: Path) -> LanguageModel:
    """An untrained model from what ``describe`` gave; ``path`` is where that was read, for messages.

    Nothing is built that the file of weights is too small to fill: a few words could else ask for 100 GB.
    """
    try:
        kind, config = description["kind"], description["config"]
        vocabulary = Vocabulary.from_json(description["vocabulary"])
        if kind not in FAMILIES:
            raise ModelFileError(
                f"{path} describes a model of the unknown kind {kind!r:.60}; known are {', '.join(FAMILIES)}, and what "
                "is added to models.FAMILIES"
            )
        size = FAMILIES[kind].size_of(config, vocabulary)
        if size * 4 > size_of_file(weights):
            raise ModelFileError(
                f"{path} describes a model of {size:,} numbers, more than {weights.name} holds: one of them is damaged"
            )
        return FAMILIES[kind].from_config(config, vocabulary)
    except ModelFileError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} is no model's configuration: {type(error).__name__} at {error}") from None
    except (DataError, ValueError) as error:
        raise ModelFileError(f"{path} is no model's configuration: {error}") from None


def check_description(model: LanguageModel, metadata: Mapping[str, Any], path: Path) -> None:
    """Raise ``ModelFileError`` unless a file was written for just this model, vocabulary included."""
    if metadata.get("model") != describe(model):
        raise ModelFileError(f"{path} does not fit its configuration: it belongs to another model or vocabulary")


def save_weights(model: LanguageModel, path: Path, state: Mapping[str, Array] | None = None) -> None:
    """Write a model's arrays, or others of the same names, for ``load_weights`` to read."""
    write_arrays(path, model.state_dict() if state is None else state, {"model": describe(model)})


def load_weights(model: LanguageModel, path: Path) -> None:
    """Read a model's arrays from a file; they must fit exactly and be finite."""
    arrays, metadata = read_arrays(path)
    check_description(model, metadata, path)
    own = model.state_dict()
    for name, array in arrays.items():
        if name not in own:
            raise ModelFileError(f"{path} does not fit its configuration: there is no place for {name!r:.60}")
        if array.dtype != own[name].dtype:
            raise ModelFileError(f"{path}: {name!r} has dtype {array.dtype}, not {own[name].dtype}")
        if not np.isfinite(array).all():
            raise ModelFileError(f"{path}: {name!r} holds nan or inf")
    try:
        model.load_state_dict(arrays)
    except ValueError as error:
        raise ModelFileError(f"{path} does not fit its configuration: {error}") from None
