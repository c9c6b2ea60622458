"""A model as one file that says itself what it is: ``model.save``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tinygrad_lm.models import files
from tinygrad_lm.models.registry import FAMILIES, place, where
from tinygrad_lm.text.tokenizer import TOKENIZERS, kind_of

if TYPE_CHECKING:
    from tinygrad_lm.models.interface import LanguageModel

WEIGHTS = "model.safetensors"
"""The model's file in a run folder."""


def save(model: LanguageModel, path: str | os.PathLike[str]) -> Path:
    """What ``LanguageModel.save`` does; see there."""
    check_comes_back(model)
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


def check_comes_back(model: LanguageModel) -> None:
    """Raise ``TypeError`` where ``load`` would give a model, or a vocabulary, of another class."""
    name, kind = type(model).__name__, getattr(model, "kind", None)
    if kind is None or (kind in FAMILIES and where(kind) != place(type(model))):
        is_now = "no kind" if kind is None else f"the kind {kind!r} and would come back as {where(kind).split(':')[1]}"
        raise TypeError(
            f"{name} has {is_now}: give the class a kind = ... of its own, and make it known to models.load: "
            f"models.register({name})"
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
