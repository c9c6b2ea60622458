"""Run folders: model.safetensors, config.json, metrics.csv, log.txt, and the checkpoint to go on from."""

from tinygrad_lm.models import ModelFileError
from tinygrad_lm.runs.folder import (
    CHECKPOINT,
    CONFIG,
    LOG,
    METRICS,
    PICTURES,
    TRAINING_NAMES,
    WEIGHTS,
    Folder,
    check_free,
    is_numbered,
    known,
    locked,
    new_folder,
    typed,
)
from tinygrad_lm.runs.history import COLUMNS, append_log, append_metrics, metrics, seconds_of_training, truncate_metrics
from tinygrad_lm.runs.opening import Run, load, open_stopped, restore
from tinygrad_lm.runs.record import MIXED, mixed_from, name_of, save_config
from tinygrad_lm.runs.saving import MAX_LINE, save_checkpoint, save_names, save_weights
from tinygrad_lm.runs.splits import check_same_split, differing
from tinygrad_lm.training import fingerprint

__all__ = [
    "CHECKPOINT",
    "COLUMNS",
    "CONFIG",
    "Folder",
    "LOG",
    "MAX_LINE",
    "MIXED",
    "METRICS",
    "ModelFileError",
    "PICTURES",
    "Run",
    "TRAINING_NAMES",
    "WEIGHTS",
    "append_log",
    "append_metrics",
    "check_free",
    "check_same_split",
    "differing",
    "fingerprint",
    "is_numbered",
    "known",
    "load",
    "locked",
    "metrics",
    "mixed_from",
    "name_of",
    "new_folder",
    "open_stopped",
    "restore",
    "save_checkpoint",
    "save_config",
    "save_names",
    "save_weights",
    "seconds_of_training",
    "truncate_metrics",
    "typed",
]
