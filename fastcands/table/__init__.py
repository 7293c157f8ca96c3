"""The class table: its arrays, what they answer, how they are trained, and their file."""

from fastcands.table.class_table import ClassTable, Loss
from fastcands.table.results import Evaluation, StepResult, TopK
from fastcands.table.shards import shard_bounds

__all__ = ["ClassTable", "Evaluation", "Loss", "StepResult", "TopK", "shard_bounds"]
