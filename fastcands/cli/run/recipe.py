"""The plan of a run: epochs, dropout, batch and learning rate from the size of the data and the time there is.

The rules are fits to training runs on text of 5,000 to 7 million tokens; docs/recipe.md has the figures. Whatever the
user gives takes the place of the rule's value.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fastcands.cli.console import duration

__all__ = ["Plan", "plan_points", "plan_text", "points_epochs", "suits_exact_loss", "text_dropout", "text_epochs"]

_LARGEST_BATCH = 1024
_MOST_LOGITS = 2_000_000_000


class Plan(NamedTuple):
    """What a run will do.

    Attributes
    ----------
    epochs : float
        Passes through the data after which the rate is zero, if time allows them.
    batch_size : int
        Examples of a step.
    learning_rate : float
        Of the first steps.
    dropout : float or None
        Share of inputs and hidden units that a step leaves out; None for a model without dropout.
    """

    epochs: float
    batch_size: int
    learning_rate: float
    dropout: float | None

    def describe(
        self, examples: int, what: str, max_seconds: float | None = None, examples_per_second: float | None = None
    ) -> str:
        """Return the plan in one line.

        Parameters
        ----------
        examples : int
            Of an epoch.
        what : str
            What the examples are called.
        max_seconds : float, optional
            Bound of the training.
        examples_per_second : float, optional
            As measured, if it has been.

        Returns
        -------
        str
            Without an end of line.

        Examples
        --------
        >>> Plan(8.0, 1024, 0.003, 0.4).describe(800_002, "tokens", 150.0, 60_000.0)
        '800,002 tokens: 8 epochs, dropout 0.4, batches of 1,024, learning rate 0.003; about 1:47 of training'
        """
        epochs = self.epochs
        time = ""
        if examples_per_second is not None:
            needed = epochs * examples / examples_per_second
            if max_seconds is not None and needed > max_seconds:
                epochs, needed = epochs * max_seconds / needed, max_seconds
            time = f"; about {duration(needed)} of training"
        elif max_seconds is not None:
            time = f"; at most {duration(max_seconds)} of training"
        digits = ".2g" if epochs < 1 else ".3g" if epochs < 10 else ".0f"
        passes = f"{epochs:{digits}}"
        dropout = "" if self.dropout is None else f"dropout {self.dropout:g}, "
        return (
            f"{examples:,} {what}: {passes} {'epoch' if passes == '1' else 'epochs'}, {dropout}"
            f"batches of {self.batch_size:,}, learning rate {self.learning_rate:g}{time}"
        )


def text_epochs(tokens: int) -> float:
    """Return the passes through a text that suit its size.

    Parameters
    ----------
    tokens : int
        Of the training text.

    Returns
    -------
    float
        ``6 + 1.8 ln(tokens / 20,000)``, at least 6, to a tenth: little text is soon learned by heart.

    Examples
    --------
    >>> [text_epochs(tokens) for tokens in (5_000, 20_000, 200_000, 800_000)]
    [6.0, 6.0, 10.1, 12.6]
    """
    return round(max(6.0, 6 + 1.8 * math.log(max(tokens, 1) / 20_000)), 1)


def text_dropout(tokens: int, epochs: float) -> float:
    """Return the dropout that suits a text and the passes through it.

    Parameters
    ----------
    tokens : int
        Of the training text.
    epochs : float
        Passes that will be made.

    Returns
    -------
    float
        ``0.5 - 0.1 log2(tokens / 400,000)``, within 0 and 0.4; none for one pass or less, in which nothing can be
        learned by heart, and between one and two passes their fraction of it.

    Examples
    --------
    >>> [text_dropout(tokens, 8) for tokens in (20_000, 400_000, 800_000, 6_600_000)]
    [0.4, 0.4, 0.4, 0.1]
    >>> text_dropout(800_000, 1.5), text_dropout(800_000, 1)
    (0.2, 0.0)
    """
    whole = min(0.4, max(0.0, 0.5 - 0.1 * math.log2(max(tokens, 1) / 400_000)))
    return round(whole * min(1.0, max(0.0, epochs - 1)), 2)


def plan_text(
    tokens: int,
    learning_rate: float,
    *,
    epochs: float | None = None,
    max_seconds: float | None = None,
    examples_per_second: float | None = None,
    batch_size: int | None = None,
    dropout: float | None = None,
) -> Plan:
    """Plan a run on text.

    Parameters
    ----------
    tokens : int
        Of the training text.
    learning_rate : float
        Of the first steps: that of the optimizer and the model.
    epochs : float, optional
        As given by the user; else `text_epochs`.
    max_seconds : float, optional
        Bound of the training.
    examples_per_second : float, optional
        As measured; with it, the dropout is that of the passes which the time allows.
    batch_size : int, optional
        As given; else the power of two nearest to the root of `tokens`, from 32 to 1,024.
    dropout : float, optional
        As given; else `text_dropout`.

    Returns
    -------
    Plan
        Complete.

    Examples
    --------
    >>> plan_text(800_000, 0.003)
    Plan(epochs=12.6, batch_size=1024, learning_rate=0.003, dropout=0.4)
    >>> plan_text(6_600_000, 0.003, max_seconds=150, examples_per_second=50_000).dropout
    0.01
    """
    planned = text_epochs(tokens) if epochs is None else epochs
    done = planned
    if max_seconds is not None and examples_per_second is not None:
        done = min(planned, max_seconds * examples_per_second / max(tokens, 1))
    if batch_size is None:
        batch_size = min(_LARGEST_BATCH, max(32, 2 ** round(math.log2(math.sqrt(max(tokens, 1))))))
    return Plan(planned, batch_size, learning_rate, text_dropout(tokens, done) if dropout is None else dropout)


def points_epochs(points: int, labels: int, occurrences: int) -> float:
    """Return the passes through points with labels that suit their number.

    Parameters
    ----------
    points : int
        Training points with labels.
    labels : int
        V.
    occurrences : int
        Labels of all training points together.

    Returns
    -------
    float
        The larger of ``500 / sqrt(points)`` and ``6 / sqrt(occurrences / labels)``, from 3 to 16, to a tenth: few
        points need many passes, and so do labels that are rare.

    Examples
    --------
    >>> points_epochs(24_000, 572, 89_000), points_epochs(6_000, 572, 22_000), points_epochs(190_000, 500_000, 590_000)
    (3.2, 6.5, 5.5)
    """
    passes = max(500 / math.sqrt(max(points, 1)), 6 / math.sqrt(max(occurrences, 1) / max(labels, 1)))
    return round(min(16.0, max(3.0, passes)), 1)


def suits_exact_loss(points: int, labels: int) -> bool:
    """Return whether the exact logistic loss over all labels takes little time.

    On data where both were tried it ranks the first label better than the sampled softmax does.

    Parameters
    ----------
    points, labels : int
        Training points with labels, and V.

    Returns
    -------
    bool
        Whether a pass has at most 2 billion logits, some ten seconds.

    Examples
    --------
    >>> suits_exact_loss(40_868, 13_194), suits_exact_loss(190_000, 500_000)
    (True, False)
    """
    return points * labels <= _MOST_LOGITS


def plan_points(
    points: int,
    labels: int,
    occurrences: int,
    learning_rate: float,
    *,
    epochs: float | None = None,
    batch_size: int | None = None,
) -> Plan:
    """Plan a run on points with many labels.

    Parameters
    ----------
    points, labels, occurrences : int
        Training points with labels, V, and labels of all these points together.
    learning_rate : float
        Of the first steps: that of the optimizer.
    epochs : float, optional
        As given by the user; else `points_epochs`.
    batch_size : int, optional
        As given; else 256: rare labels learn better with many small steps.

    Returns
    -------
    Plan
        Complete; these models have no dropout.

    Examples
    --------
    >>> plan_points(24_000, 572, 89_000, 0.3)
    Plan(epochs=3.2, batch_size=256, learning_rate=0.3, dropout=None)
    """
    planned = points_epochs(points, labels, occurrences) if epochs is None else epochs
    return Plan(planned, 256 if batch_size is None else batch_size, learning_rate, None)
