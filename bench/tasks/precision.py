"""The same step in each tier of precision, beside float32 elsewhere and PyTorch's bfloat16."""

from bench.cases import EXACT, GRID
from bench.tasks.task import Entry, Figure, Task

__all__ = ["TASKS"]

TASKS = (
    Task(
        "precision",
        "Sampled softmax, value and gradients, by precision",
        GRID,
        {
            "highest": Entry("fastcands", "softmax_step"),
            "high": Entry("fastcands", "softmax_step_high"),
            "medium": Entry("fastcands", "softmax_step_medium"),
            "medium, bfloat16 table": Entry("fastcands", "softmax_step_bfloat16_table"),
            "TensorFlow": Entry("tensorflow", "softmax_step"),
            "PyTorch, bfloat16": Entry("pytorch", "softmax_step_bfloat16"),
        },
        (
            Figure("TensorFlow / medium", "TensorFlow", "medium"),
            Figure("TensorFlow / medium, bfloat16 table", "TensorFlow", "medium, bfloat16 table"),
            Figure("PyTorch, bfloat16 / medium", "PyTorch, bfloat16", "medium"),
            Figure("highest / high", "highest", "high"),
            Figure("highest / medium", "highest", "medium"),
        ),
    ),
    Task(
        "precision_exact",
        "Softmax over all classes, forward and backward, by precision",
        EXACT,
        {
            "highest": Entry("fastcands", "exact_step"),
            "high": Entry("fastcands", "exact_step_high"),
            "medium": Entry("fastcands", "exact_step_medium"),
            "PyTorch": Entry("pytorch", "exact_step"),
        },
        (
            Figure("PyTorch / medium", "PyTorch", "medium"),
            Figure("PyTorch / high", "PyTorch", "high"),
        ),
        most_rounds=5,
    ),
)
