"""The model families, all of which speak ``LanguageModel``; each is imported when it is first asked for."""

from tinygrad_lm.lazy import attribute as _attribute

TYPE_CHECKING = False  # nothing else is imported here: the command line reads the table of families without NumPy
if TYPE_CHECKING:
    from tinygrad_lm.models.bigram import NeuralBigram
    from tinygrad_lm.models.config import Config, setting
    from tinygrad_lm.models.disk import ModelFileError
    from tinygrad_lm.models.interface import Evaluation, FittedModel, LanguageModel
    from tinygrad_lm.models.kneser_ney import KneserNey
    from tinygrad_lm.models.loading import load, register
    from tinygrad_lm.models.mixture import Mixture
    from tinygrad_lm.models.mlp import MLP
    from tinygrad_lm.models.ngram import NGram
    from tinygrad_lm.models.recurrent import GRU, LSTM, RNN
    from tinygrad_lm.models.registry import FAMILIES
    from tinygrad_lm.models.trainable import Examples, TrainableModel, WindowModel
    from tinygrad_lm.models.transformer import Transformer
    from tinygrad_lm.models.wavenet import WaveNet

_HOMES = {
    "Config": "config",
    "Evaluation": "interface",
    "Examples": "trainable",
    "FAMILIES": "registry",
    "FittedModel": "interface",
    "GRU": "recurrent",
    "KneserNey": "kneser_ney",
    "LSTM": "recurrent",
    "LanguageModel": "interface",
    "MLP": "mlp",
    "Mixture": "mixture",
    "ModelFileError": "disk",
    "NGram": "ngram",
    "NeuralBigram": "bigram",
    "RNN": "recurrent",
    "TrainableModel": "trainable",
    "Transformer": "transformer",
    "WaveNet": "wavenet",
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
    "GRU",
    "KneserNey",
    "LSTM",
    "LanguageModel",
    "MLP",
    "Mixture",
    "ModelFileError",
    "NGram",
    "NeuralBigram",
    "RNN",
    "TrainableModel",
    "Transformer",
    "WaveNet",
    "WindowModel",
    "load",
    "register",
    "setting",
]


def __getattr__(name: str) -> object:
    """What lives in one of the files here."""
    return _attribute(__name__, _HOMES, name)


def __dir__() -> list[str]:
    """What the room has, imported or not."""
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING"})
