"""The bodies of language models by name: a new one is one entry here.

A body is what stands before the class table. It decides which model is made, in which batches the text comes, and the
learning rate of LazyAdam.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from fastcands.cli.run.batches import Batches, Shuffled
from fastcands.cli.run.registry import OPTIMIZERS, default_rate
from fastcands.cli.text.streams import Streams
from fastcands.data import EncodedText
from fastcands.models import NGramModel, NGramPredictor, QRNNModel, QRNNPredictor

if TYPE_CHECKING:
    from fastcands.cli.text.config import TextConfig

__all__ = ["BODIES", "DEFAULT_CONTEXT", "Body", "body_rate"]

DEFAULT_CONTEXT = 5
"""Words that a prediction sees, of a body that sees a fixed number."""


class Body(NamedTuple):
    """A body by name.

    Attributes
    ----------
    make : callable
        Makes the model from the configuration, the number of words, and what all models take.
    restore : callable
        Makes the predictor from a saved state, the configuration and the boundary's id.
    batches : callable
        Makes the batches from the text, the examples of a step and the seed.
    adam_rate : float
        The default rate of LazyAdam.
    sees_context : bool
        Whether it sees a fixed number of words, ``--context``.
    """

    make: Callable[[TextConfig, int, dict[str, Any]], Any]
    restore: Callable[[Mapping[str, NDArray[Any]], TextConfig, int], Any]
    batches: Callable[[EncodedText, int, int], Batches]
    adam_rate: float
    sees_context: bool


BODIES: dict[str, Body] = {
    "qrnn": Body(
        make=lambda config, num_words, common: QRNNModel(num_words, **common),
        restore=lambda state, config, boundary: QRNNPredictor.from_state(state, boundary_id=boundary),
        batches=Streams,
        adam_rate=0.003,
        sees_context=False,
    ),
    "feed_forward": Body(
        make=lambda config, num_words, common: NGramModel(
            num_words, context=config.context or DEFAULT_CONTEXT, **common
        ),
        restore=lambda state, config, boundary: NGramPredictor.from_state(
            state, config.context or DEFAULT_CONTEXT, boundary_id=boundary
        ),
        batches=lambda text, batch_size, seed: Shuffled(len(text), batch_size, seed),
        adam_rate=0.005,
        sees_context=True,
    ),
}


def body_rate(body: str, optimizer: str, loss: str) -> float:
    """Return the learning rate a run on text starts with when none is given.

    Parameters
    ----------
    body, optimizer, loss : str
        Their names.

    Returns
    -------
    float
        For the embedding and the class table.

    Examples
    --------
    >>> body_rate("qrnn", "lazy_adam", "sampled_softmax"), body_rate("qrnn", "adagrad", "sampled_softmax")
    (0.003, 0.1)
    """
    rate = default_rate(optimizer, loss)
    return BODIES[body].adam_rate * rate / OPTIMIZERS[optimizer].learning_rate if optimizer == "lazy_adam" else rate
