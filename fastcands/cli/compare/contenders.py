"""What ``fastcands compare`` compares: a body, a loss, its candidates and a learning rate, written in one word."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from fastcands.cli.errors import Refusal
from fastcands.cli.run.registry import LOSSES, SAMPLERS, check_name
from fastcands.cli.text.bodies import BODIES, DEFAULT_CONTEXT
from fastcands.cli.text.config import TextConfig

__all__ = ["DEFAULT_CONTENDERS", "Contender", "parse_contender"]

DEFAULT_CONTENDERS = (
    "softmax",
    "sampled_softmax:log_uniform",
    "sampled_softmax:uniform",
    "nce:log_uniform",
    "feed_forward/sampled_softmax:log_uniform",
)


class Contender(NamedTuple):
    """One of the runs that are compared.

    Attributes
    ----------
    name : str
        As on the command line.
    body : str or None
        What stands before the class table; None for what all have in common.
    loss, sampler : str
        Their names; an exact loss does not use the sampler.
    num_sampled : int or None
        Candidates a step; None for the default.
    learning_rate : float or None
        Of the first step; None for the default.
    """

    name: str
    body: str | None
    loss: str
    sampler: str
    num_sampled: int | None
    learning_rate: float | None

    @property
    def sampler_name(self) -> str | None:
        """The sampler's name, None for an exact loss."""
        return self.sampler if LOSSES[self.loss].sampled else None

    def candidates(self, config: TextConfig, vocab_size: int) -> int | None:
        """Return the candidates of a step, None for an exact loss.

        Parameters
        ----------
        config : TextConfig
            What all have in common.
        vocab_size : int
            V.

        Returns
        -------
        int or None
            As given, else the default.
        """
        return self.configure(config).default_num_sampled(vocab_size) if self.sampler_name else None

    def configure(self, config: TextConfig) -> TextConfig:
        """Return a configuration with this contender's choices.

        Parameters
        ----------
        config : TextConfig
            What all have in common.

        Returns
        -------
        TextConfig
            The same otherwise.
        """
        body = config.body if self.body is None else self.body
        context = (config.context or DEFAULT_CONTEXT) if BODIES[body].sees_context else None
        return dataclasses.replace(
            config,
            body=body,
            context=context,
            loss=self.loss,
            sampler=self.sampler,
            num_sampled=self.num_sampled,
            learning_rate=self.learning_rate,
        )


def parse_contender(text: str, learning_rate: float | None = None) -> Contender:
    """Read ``[BODY/]LOSS[:SAMPLER[:CANDIDATES]][@RATE]``.

    Parameters
    ----------
    text : str
        The word.
    learning_rate : float, optional
        Of contenders that have none in the word; None for the default of each.

    Returns
    -------
    Contender
        Its parts.

    Raises
    ------
    Refusal
        If a name is unknown, a number is not one, or an exact loss has a sampler.

    Examples
    --------
    >>> contender = parse_contender("qrnn/nce:uniform:256@0.05")
    >>> contender.body, contender.sampler, contender.num_sampled, contender.learning_rate
    ('qrnn', 'uniform', 256, 0.05)
    """
    written, at, rate = text.partition("@")
    body, slash, written = written.rpartition("/")
    if slash:
        check_name(f"--run {text}", body, BODIES)
    loss, *rest = written.split(":")
    check_name("--run", loss, LOSSES)
    if rest and not LOSSES[loss].sampled:
        raise Refusal(f"--run {text}: {loss} is exact and takes no sampler")
    if len(rest) > 2:
        raise Refusal(f"--run {text}: expected [BODY/]LOSS[:SAMPLER[:CANDIDATES]][@RATE]")
    sampler = check_name(f"--run {text}", rest[0], SAMPLERS) if rest else "log_uniform"
    try:
        num_sampled = int(rest[1]) if len(rest) == 2 else None
        own_rate = float(rate) if at else learning_rate
    except ValueError as error:
        raise Refusal(f"--run {text}: CANDIDATES and RATE must be numbers ({error})") from None
    return Contender(text, body or None, loss, sampler, num_sampled, own_rate)
