"""The model families, all of which speak ``LanguageModel``; each is imported when it is first asked for."""

TYPE_CHECKING = False  # nothing is imported here: the command line reads the table of families without NumPy
if TYPE_CHECKING:
    from tinygrad_lm.models.config import Config, setting
    from tinygrad_lm.models.disk import ModelFileError
    from tinygrad_lm.models.interface import Evaluation, FittedModel, LanguageModel
    from tinygrad_lm.models.loading import load, register
    from tinygrad_lm.models.mlp import MLP
    from tinygrad_lm.models.ngram import NGram
    from tinygrad_lm.models.registry import FAMILIES
    from tinygrad_lm.models.trainable import Examples, TrainableModel, WindowModel

_HOMES = {
    "Config": "config",
    "Evaluation": "interface",
    "Examples": "trainable",
    "FAMILIES": "registry",
    "FittedModel": "interface",
    "LanguageModel": "interface",
    "MLP": "mlp",
    "ModelFileError": "disk",
    "NGram": "ngram",
    "TrainableModel": "trainable",
    "WindowModel": "trainable",
    "load": "loading",
    "register": "loading",
    "setting": "config",
}

__all__ = [
    "Config",
    "Evaluation",
    "Examples",
    "FAMILIES",
    "FittedModel",
    "LanguageModel",
    "MLP",
    "ModelFileError",
    "NGram",
    "TrainableModel",
    "WindowModel",
    "load",
    "register",
    "setting",
]


def __getattr__(name: str) -> object:
    """What lives in one of the files here, imported when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    """What the room has, imported or not."""
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING"})
