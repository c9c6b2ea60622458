"""The picture that a training leaves in its run folder: the graph of one small batch."""

from __future__ import annotations

from pathlib import Path

from tinygrad_lm.cli.console import Console
from tinygrad_lm.interrupts import Later
from tinygrad_lm.random import as_generator
from tinygrad_lm.training import Trainer


def draw(say: Console, trainer: Trainer, folder: Path) -> None:
    """Draw it in each format; whatever fails there is one line."""
    with Later(second_at_once=True):  # what is raised in an import of the drawing is swallowed
        try:
            import visualize

            inputs, targets = trainer.examples.sample(min(4, len(trainer.examples)), as_generator(0))
            loss = trainer.model.loss(inputs, targets)
            loss.backward()
            view = visualize.draw(loss, names=trainer.model)
            for suffix in ("dot", "svg", "html"):
                view.save(folder / f"graph.{suffix}")
        except Exception as error:  # the run is whole without it
            reason = " ".join(str(error).split()) or "no reason given"
            say(f"No picture of the graph: {type(error).__name__}: {reason:.300}")
            say()
