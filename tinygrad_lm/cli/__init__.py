"""The command line ``tinygrad-lm``: the program, a module for each of its commands, and what these share.

A command is one module (or package) here, with a ``COMMAND``, and one line in ``program.COMMANDS``. It imports what is
heavy when it runs, and not before: every help is printed, and every wrong word refused, without NumPy.
"""

from tinygrad_lm.cli.parsing import INTERRUPTED
from tinygrad_lm.cli.program import COMMANDS, main, parser

__all__ = ["COMMANDS", "INTERRUPTED", "main", "parser"]
