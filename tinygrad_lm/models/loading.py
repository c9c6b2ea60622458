"""Models from files: which class a kind is, a model built for what a file describes, and ``models.load``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TypeVar, cast

from tinygrad_lm import nn
from tinygrad_lm.checks import quoted
from tinygrad_lm.models import files
from tinygrad_lm.models.config import Config
from tinygrad_lm.models.disk import size_of_file
from tinygrad_lm.models.files import ModelFileError
from tinygrad_lm.models.interface import LanguageModel
from tinygrad_lm.models.limits import TooLarge
from tinygrad_lm.models.mixture import Mixture, described
from tinygrad_lm.models.registry import FAMILIES, Builtin, place, where
from tinygrad_lm.models.saving import WEIGHTS
from tinygrad_lm.text import DataError, Tokenizer, tokenizer_from_json

Family = TypeVar("Family", bound=type[LanguageModel])


def register(family: Family) -> Family:
    """Make a model family known, so that its models are saved, loaded, trained and sampled from like any other.

    Write ``@models.register`` above the class. It has a ``kind`` of its own, by which files call it, and, where its
    models differ in size, a ``Config``. The command line is given a family of yours by its file: ``--model
    my_file.py:Family``. When a class is registered once more, as by a cell of a notebook that is run again, it takes
    the place of the earlier one of its name.

    Returns
    -------
    type
        The class itself.

    Raises
    ------
    TypeError
        For what is no class of a ``LanguageModel``, has no ``kind`` of its own, or a ``Config`` that is no dataclass.
    ValueError
        For a kind that is no word, or that another family has.
    """
    if LanguageModel not in getattr(family, "__mro__", ()):
        shown = getattr(family, "__name__", None) or quoted(family)
        raise TypeError(f"{shown} is no model family, which is a class that derives from LanguageModel")
    kind: object = vars(family).get("kind")
    if kind is None:
        raise TypeError(f"{family.__name__} has no kind of its own: give the class a line such as kind = 'rnn'")
    if not isinstance(kind, str) or not re.fullmatch(r"[\w-]+", kind):
        raise ValueError(f"a kind is a word of letters, digits, - and _, such as 'rnn', not {kind!r:.60}")
    configured = vars(family).get("Config", family.Config)
    if not (isinstance(configured, type) and issubclass(configured, Config)):
        raise TypeError(
            f"{family.__name__}.Config is no configuration: write class Settings(models.Config) above the family, with "
            "a dataclass's fields, and Config = Settings in it"
        )
    if configured is not Config:
        configured.settings()
    taken = FAMILIES.get(kind)
    if isinstance(taken, Builtin) or (taken is not None and place(taken) != place(family)):
        raise ValueError(f"the kind {kind!r} is that of {where(kind)} already; give {family.__name__} another")
    FAMILIES[kind] = family
    return family


def family(kind: str) -> type[LanguageModel]:
    """The class of a family. Of the package's own, only this one is imported.

    Raises
    ------
    KeyError
        For a kind that nobody registered.
    """
    found = FAMILIES[kind]
    if isinstance(found, Builtin):
        module, _, name = found.where.partition(":")
        return cast(type[LanguageModel], getattr(import_module(module), name))
    return found


def build(description: object, path: Path, weights: Path) -> LanguageModel:
    """An untrained model from what ``files.describe`` gave; ``path`` is where that was read, for messages.

    Nothing is built that the file of weights is too small to fill: a few words could else ask for 100 GB.

    Raises
    ------
    ModelFileError
        For anything else.
    """
    try:
        given = cast(dict[str, object], description)  # whatever else it is raises an error that is caught here
        kind, config = cast(str, given["kind"]), cast(dict[str, object], given["config"])
        vocabulary = tokenizer_from_json(given["vocabulary"])
        found, room = _known(kind, path), size_of_file(weights) // 4
        if issubclass(found, Mixture):
            return _mixed(config, vocabulary, path, weights, room)
        return _built(found, config, vocabulary, path, weights, room)
    except ModelFileError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} is no model's configuration: {type(error).__name__} at {error}") from None
    except (DataError, ValueError) as error:
        raise ModelFileError(f"{path} is no model's configuration: {error}") from None


def _known(kind: str, path: Path) -> type[LanguageModel]:
    """The class of a kind that a file names."""
    if kind not in FAMILIES:
        raise ModelFileError(
            f"{path} describes a model of the unknown kind {kind!r:.60}; known are {', '.join(FAMILIES)}, and "
            "what models.register adds. Give the file that it was trained with: --model FILE.py:CLASS"
        )
    return family(kind)


def _mixed(config: object, vocabulary: Tokenizer, path: Path, weights: Path, room: int) -> Mixture:
    """A mixture of untrained members, which have room in the file together; none of them is a mixture itself."""
    wanted, members, left = described(config), list[LanguageModel](), room
    for kind, own in wanted.members:
        found = _known(kind, path)
        if issubclass(found, Mixture):
            raise ModelFileError(f"{path} is no model's configuration: a member of its mixture is one itself")
        member = _built(found, own, vocabulary, path, weights, left)
        left -= sum(array.size for array in member.state_dict().values())
        if left < 0:
            raise _too_large(path, weights, room)
        members.append(member)
    return Mixture(members, wanted.weights)


def _too_large(path: Path, weights: Path, room: int) -> ModelFileError:
    return ModelFileError(
        f"{path} describes a model of more than the {room:,} numbers that {weights.name} holds: one of them is damaged"
    )


def _built(
    family: type[LanguageModel],
    config: dict[str, object],
    vocabulary: Tokenizer,
    path: Path,
    weights: Path,
    room: int,
) -> LanguageModel:
    from tinygrad_lm.models.bounded import bounded

    try:
        if _same(family.size_of, LanguageModel.size_of) and _same(family.from_config, LanguageModel.from_config):
            with bounded(room) as rng:
                return family.build(family.Config.from_json(config), vocabulary, rng)
        size = family.size_of(config, vocabulary)
    except (TooLarge, MemoryError):
        raise _too_large(path, weights, room) from None
    if size > room:
        raise ModelFileError(
            f"{path} describes a model of {size:,} numbers, more than {weights.name} holds: one of them is damaged"
        )
    return family.from_config(config, vocabulary)


def _same(one: object, other: object) -> bool:
    """Whether two class methods are one function."""
    return getattr(one, "__func__", None) is getattr(other, "__func__", None)


def load(path: str | os.PathLike[str]) -> LanguageModel:
    """The model in a file that ``model.save`` wrote, or the best one of a run folder.

    It has the saved configuration, vocabulary, dtype and weights, bit by bit, and is in training mode. The file may
    come from anybody: nothing in it is run, and no more initial weights are drawn than its size can fill. A family of
    your own is known once it is registered (``models.register``); give its settings an upper end (``high=``) where it
    fills arrays without drawing.

    Raises
    ------
    ModelFileError
        Saying what is wrong: missing, damaged, foreign, of another format.
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
    model = build(metadata.get("model"), file, file)
    to_dtype(model, metadata, file)
    files.load_weights(model, file)
    return model


def to_dtype(model: LanguageModel, metadata: Mapping[str, object], file: Path) -> None:
    """Bring an untrained model to the dtype that its file says it was saved in.

    Raises
    ------
    ModelFileError
        For one in which no weights are saved.
    """
    dtype = metadata.get("dtype")
    if isinstance(model, nn.Module) and dtype is not None:
        if dtype not in ("float32", "float64"):
            raise files.ModelFileError(f"{file} is no model: weights of the dtype {dtype!r:.40} are not saved")
        model.to(dtype)
