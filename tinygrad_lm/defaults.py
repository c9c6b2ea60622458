"""What holds where nothing else is chosen: the defaults that signatures of the library and the command's help share.

Each stands only here. Nothing is imported, so that a help is printed without NumPy.
"""

from typing import Final

# training.Plan
BATCH_SIZE: Final = 64
LR: Final = 3e-3
OPTIMIZER: Final = "adamw"
SCHEDULE: Final = "cosine"
WEIGHT_DECAY: Final = 0.06

# sampling.Settings and sampling.samples
TEMPERATURE: Final = 1.0
MIN_LENGTH: Final = 0
MAX_LENGTH: Final = 30
SAMPLES: Final = 20

# comparing.measure
MEASURED: Final = 1_000
