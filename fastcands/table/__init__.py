"""The class table: its arrays, exact evaluation, training, and its file."""

from fastcands.table.class_table import ClassTable, Loss
from fastcands.table.results import Evaluation, StepResult, TopK
from fastcands.table.shards import shard_bounds

__all__ = ["ClassTable", "Evaluation", "Loss", "StepResult", "TopK", "shard_bounds"]
