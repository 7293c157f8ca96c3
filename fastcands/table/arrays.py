"""The arrays of a class table, and what is computed from them without changing them."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastcands.optimizers import Optimizer
from fastcands.table.evaluation import evaluate, top_classes_of
from fastcands.table.results import Evaluation, TopK
from fastcands.validation.error_state import own_error_state

__all__ = ["TableArrays"]


class TableArrays:
    """Weights, biases and the state of an optimizer. `ClassTable` creates and changes them."""

    weights: NDArray[Any]
    biases: NDArray[Any] | None
    optimizer: Optimizer
    optimizer_state: dict[str, dict[str, NDArray[Any]]]
    rounding_seed: int
    step: int

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {"weights": self.weights}
        if self.biases is not None:
            arrays["biases"] = self.biases
        return arrays

    @property
    def num_classes(self) -> int:
        """V, the classes: rows of the table."""
        return int(self.weights.shape[0])

    @property
    def dim(self) -> int:
        """D, the features of a class."""
        return int(self.weights.shape[1])

    def __repr__(self) -> str:
        """Return the sizes, dtype, optimizer and step."""
        bias = "" if self.biases is not None else ", bias=False"
        return (
            f"{type(self).__name__}({self.num_classes}, {self.dim}, dtype='{self.weights.dtype}'{bias}, "
            f"optimizer={self.optimizer}, step={self.step})"
        )

    @own_error_state
    def topk(self, inputs: ArrayLike, k: int) -> TopK:
        """Return the classes of highest score for each example, exactly.

        The same as ``scores = inputs @ weights.T + biases; ids = np.argsort(-scores, axis=1, kind='stable')[:, :k]``
        without the array of scores.

        Parameters
        ----------
        inputs : array, shape (B, D)
            What the model computed for each example.
        k : int
            How many classes, from 1 to V.

        Returns
        -------
        TopK
            ``(ids, scores)``, each (B, k), the highest score first. Of equal scores the lower id comes first; NaN
            comes after all numbers. Scores are float64 if the table or the inputs are, else float32.

        Raises
        ------
        TypeError
            If `k` is not an integer or `inputs` are not floating point.
        ValueError
            If `k` is not in [1, V] or `inputs` do not fit the table.

        Notes
        -----
        Time O(B V D), memory a few MiB beyond the result. The same bits for any number of threads and any batch;
        `evaluate` ranks classes by the same scores. The setting of `set_matmul_precision` is not used: scores are
        always computed in the highest precision.

        Examples
        --------
        >>> import numpy as np
        >>> import fastcands as fc
        >>> table = fc.ClassTable.from_arrays(np.eye(4, dtype=np.float32))
        >>> ids, scores = table.topk(np.array([[0.1, 0.7, 0.0, 0.2]], np.float32), k=3)
        >>> ids.tolist()
        [[1, 3, 0]]
        """
        return top_classes_of(self.weights, self.biases, inputs, k)

    @own_error_state
    def evaluate(
        self,
        labels: ArrayLike,
        inputs: ArrayLike,
        k: int | tuple[int, ...] | list[int] = (1, 5, 10),
        batch_size: int = 1024,
        *,
        ignore_index: int | None = None,
    ) -> Evaluation:
        """Return the exact mean softmax loss over all classes, the perplexity, and how the true classes rank.

        Parameters
        ----------
        labels : integer array, shape (N, T) or (N,)
            True classes of each example; with T of them each has the target 1 / T, and the example's rank is that of
            the one that ranks first. Lists of different lengths and sparse matrices (N, V) of ones are taken too.
        inputs : array, shape (N, D)
            What the model computed for each example.
        k : int or sequence of int, default (1, 5, 10)
            For which k to count hits. With ``k=()`` no ranks are computed.
        batch_size : int, default 1024
            Examples evaluated at once. It limits the memory and changes only the last bits of the mean loss.
        ignore_index : int, optional
            A label that stands for no class, for examples with fewer than T classes. Examples without a class are not
            counted.

        Returns
        -------
        Evaluation
            ``(loss, perplexity, hits, mean_rank, mean_reciprocal_rank)``; means are taken in float64.

        Raises
        ------
        TypeError, ValueError
            If labels or inputs do not fit the table or each other, there are no examples, or an argument is no
            integer of at least 1.

        Notes
        -----
        Time O(N V D), one pass over the table for each batch. Memory beyond the arguments is a few MiB and V
        biases. A class ranks as in `topk`: an example counts for ``hits[k]`` exactly when ``topk(inputs, k).ids`` has
        one of its true classes. As there, the precision is always the highest.

        Examples
        --------
        >>> import numpy as np
        >>> import fastcands as fc
        >>> table = fc.ClassTable.from_arrays(np.zeros((50, 4), np.float32), np.zeros(50, np.float32))
        >>> result = table.evaluate([0, 7], np.ones((2, 4), np.float32), k=(1, 10))
        >>> round(result.perplexity, 3), result.hits, result.mean_rank
        (50.0, {1: 0.5, 10: 1.0}, 4.5)
        """
        return evaluate(self.weights, self.biases, labels, inputs, k, batch_size, ignore_index)
