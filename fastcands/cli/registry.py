"""Names on the command line and what they stand for; a new loss, sampler or optimizer is one line here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import fastcands as fc
from fastcands.cli.errors import Refusal

__all__ = ["LOSSES", "OPTIMIZERS", "SAMPLERS", "LossChoice", "OptimizerChoice", "check_name"]


class LossChoice(NamedTuple):
    """A loss by name.

    Attributes
    ----------
    sampled : bool
        Whether it takes candidates from a sampler.
    make : callable
        From the sampler (None for exact losses) and the number of candidates.
    """

    sampled: bool
    make: Callable[[Any, int], Any]


class OptimizerChoice(NamedTuple):
    """An optimizer by name.

    Attributes
    ----------
    make : callable
        From the learning rate, a function of the step.
    learning_rate : float
        The default one, for the embedding and the class table.
    dense_share : float
        What part of it the layers between those two get.
    """

    make: Callable[[Callable[[int], float]], Any]
    learning_rate: float
    dense_share: float


LOSSES: dict[str, LossChoice] = {
    "sampled_softmax": LossChoice(True, fc.SampledSoftmaxLoss),
    "softmax": LossChoice(False, lambda sampler, num_sampled: fc.SoftmaxLoss()),
}

SAMPLERS: dict[str, Callable[..., Any]] = {
    "log_uniform": fc.LogUniformSampler,
    "uniform": fc.UniformSampler,
}

OPTIMIZERS: dict[str, OptimizerChoice] = {
    # gradients are those of a batch's mean, so their squares are tiny: the accumulator starts below them
    "adagrad": OptimizerChoice(lambda lr: fc.Adagrad(lr, initial_accumulator=1e-8), 0.1, 0.4),
    "sgd": OptimizerChoice(fc.SGD, 10.0, 0.01),
}


def check_name(option: str, name: str, known: Iterable[str]) -> str:
    """Return `name` if it is known, else refuse with the nearest known one.

    Parameters
    ----------
    option : str
        The option it was given to, for the message.
    name : str
        What the user wrote.
    known : iterable of str
        The names there are.

    Returns
    -------
    str
        `name`.

    Raises
    ------
    Refusal
        If `name` is not among `known`.

    Examples
    --------
    >>> check_name("--sampler", "uniform", SAMPLERS)
    'uniform'
    """
    names = sorted(known)
    if name in names:
        return name
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0)[0]
    raise Refusal(f"{option}: unknown name {name!r}, did you mean {nearest!r}? Known: {', '.join(names)}")
