"""A model as one file that says itself what it is: ``model.save`` and ``models.load``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tinygrad_lm import nn
from tinygrad_lm.models import files
from tinygrad_lm.text.tokenizer import TOKENIZERS, kind_of

if TYPE_CHECKING:
    from tinygrad_lm.models.interface import LanguageModel

WEIGHTS = "model.safetensors"
"""The model's file in a run folder."""


def save(model: LanguageModel, path: str | os.PathLike[str]) -> Path:
    """What ``LanguageModel.save`` does; see there."""
    _check_comes_back(model)
    file = Path(path)
    _check_free(file)
    state = model.state_dict()
    dtypes = sorted({array.dtype.name for array in state.values() if array.dtype.kind == "f"})
    if len(dtypes) > 1:
        raise files.ModelFileError(
            f"{file} is not written: the weights have the dtypes {', '.join(dtypes)}; bring them to one, as with "
            "model.to(np.float32)"
        )
    described = {"format": files.FORMAT_VERSION, "model": files.describe(model)}
    files.write_arrays(file, state, {**described, "dtype": dtypes[0] if dtypes else None})
    return file


def _check_comes_back(model: LanguageModel) -> None:
    """Raise ``TypeError`` where ``load`` would give a model, or a vocabulary, of another class."""
    kind = getattr(model, "kind", None)
    family = type(model) if kind is None else files.FAMILIES.get(kind, type(model))
    if kind is None or family is not type(model):
        name = type(model).__name__
        is_now = "no kind" if kind is None else f"the kind {kind!r} and would come back as {family.__name__}"
        raise TypeError(
            f"{name} has {is_now}: give the class a kind = ... of its own, and models.load the class: "
            f"models.FAMILIES[{name}.kind] = {name}"
        )
    own = type(model.vocabulary)
    found = TOKENIZERS.get(str(kind_of(model.vocabulary.to_json())), own)
    if found not in own.__mro__:
        raise TypeError(
            f"a {own.__name__} would come back as {found.__name__}: give the class a kind = ... of its own that its "
            f'to_json says ("kind"), and models.load the class: text.TOKENIZERS[{own.__name__}.kind] = {own.__name__}'
        )


def _check_free(file: Path) -> None:
    """Raise where writing would fail, or cost the user something else than an older model."""
    if file.is_dir():
        raise IsADirectoryError(f"{str(file)!r} is a folder; give the path of a file, such as {str(file / 'names')!r}")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(file.parent)!r} to save {file.name!r} in; make it first")
    if os.path.lexists(file):
        try:
            metadata = files.read_metadata(file)
        except files.ModelFileError:
            metadata = {}
        if "model" not in metadata or "state" in metadata:
            raise FileExistsError(
                f"{str(file)!r} is no model, so it is not overwritten; give another path, or delete it"
            )
        if "run" in metadata:
            raise FileExistsError(
                f"{str(file)!r} belongs to a run, which would be of no use with another model; give another path"
            )


def load(path: str | os.PathLike[str]) -> LanguageModel:
    """The model in a file that ``model.save`` wrote, or the best one of a run folder.

    It has the saved configuration, vocabulary, dtype and weights, bit by bit, and is in training mode. The file may
    come from anybody: nothing in it is run, and no more is built than its size can fill. A family of your own is
    known once it stands in ``models.FAMILIES``.

    Raises ``ModelFileError`` saying what is wrong: missing, damaged, foreign, of another format.
    """
    file = Path(path)
    if not os.path.lexists(file):
        raise files.ModelFileError(f"there is no model file and no run folder {str(file)!r}")
    if file.is_dir():
        file /= WEIGHTS
        if not file.exists():
            raise files.ModelFileError(
                f"{file.parent} has no {WEIGHTS}: it is no run folder, or was stopped before anything was saved"
            )
    metadata = files.read_metadata(file)
    if "state" in metadata:
        raise files.ModelFileError(f"{file} is the checkpoint of a run, not its model: load its folder")
    if (version := metadata.get("format", files.FORMAT_VERSION)) != files.FORMAT_VERSION:
        raise files.ModelFileError(
            f"{file} has format {version!r:.20}, and this version of tinygrad-lm reads {files.FORMAT_VERSION}; "
            "upgrade the package"
        )
    model = files.build(metadata.get("model"), file, file)
    dtype = metadata.get("dtype")
    if isinstance(model, nn.Module) and dtype is not None:
        if dtype not in ("float32", "float64"):
            raise files.ModelFileError(f"{file} is no model: weights of the dtype {dtype!r:.40} are not saved")
        model.to(dtype)
    files.load_weights(model, file)
    return model
