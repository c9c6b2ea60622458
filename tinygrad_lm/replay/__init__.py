"""A step recorded once and run as a plan from then on, or written out as a program: ``replay`` and ``source``."""

from tinygrad_lm.lazy import attribute as _attribute

TYPE_CHECKING = False  # whoever replays needs nothing of what writes programs
if TYPE_CHECKING:
    from tinygrad_lm.replay.replayed import Replayed, replay
    from tinygrad_lm.replay.written import source

_HOMES = {
    "Replayed": "replayed",
    "replay": "replayed",
    "source": "written",
}

__all__ = ["Replayed", "replay", "source"]


def __getattr__(name: str) -> object:
    """What lives in one of the files here."""
    return _attribute(__name__, _HOMES, name)


def __dir__() -> list[str]:
    """What the room has, imported or not."""
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING"})
