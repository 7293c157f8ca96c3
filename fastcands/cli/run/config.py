"""The configuration of a training run, whatever its data is."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any, ClassVar, Self

from fastcands.cli.errors import Refusal
from fastcands.cli.run.bfloat16 import check_bfloat16
from fastcands.cli.run.registry import LOSSES, OPTIMIZERS, PRECISIONS, SAMPLERS, TABLE_DTYPES, check_name

__all__ = ["RunConfig"]

_LARGEST = 2**31 - 1  # class ids are int32 in the data


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What decides the result of a run; the fields are options of ``fastcands train``.

    Attributes
    ----------
    files, valid, test : tuple of str
        Absolute paths.
    embedding_dim : int
        Length of the vectors.
    loss, sampler : str
        Their names.
    distortion : float or None
        Power of the counts that ``fixed_unigram`` draws by; None for other samplers, and for 1.
    num_sampled : int or None
        Candidates a step; None picks `default_num_sampled` of the classes found.
    num_resampled : int or None
        Candidates that ``rank_sampled_softmax`` keeps; None for other losses, and for `default_num_resampled`.
    batch_size : int or None
        Examples a step; None until the run is planned.
    epochs, max_seconds : float or None
        Bounds of the training; the first that is reached ends it. A run without `epochs` is planned.
    optimizer : str
        Its name.
    learning_rate : float or None
        Of the first steps; it falls to zero over the run. None until the run is planned.
    seed : int
        Of parameters, draws and order.
    precision : str
        Of the matrix products of the loss.
    table_dtype : str
        What the weights of the classes are stored in.
    """

    task: ClassVar[str]
    """What the model is for, as ``--task`` names it."""
    classes: ClassVar[str]
    """What messages call the classes: two words, whose they are and what they are."""
    defaults: ClassVar[dict[str, Any]] = {}
    """Values of fields where this task has other defaults than the options."""
    ignore_index: ClassVar[int | None] = None
    """The label that fills up examples with fewer true classes than others; None where all have one."""

    files: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]
    embedding_dim: int
    loss: str
    sampler: str
    distortion: float | None
    num_sampled: int | None
    num_resampled: int | None
    batch_size: int | None
    epochs: float | None
    max_seconds: float | None
    optimizer: str
    learning_rate: float | None
    seed: int
    # with defaults: models saved before there was a choice have no such fields
    precision: str = "highest"
    table_dtype: str = "float32"

    def check(self) -> None:
        """Refuse values that make no sense.

        Raises
        ------
        Refusal
            That names the option, what came and what was expected.
        """
        check_name("--loss", self.loss, LOSSES)
        check_name("--sampler", self.sampler, SAMPLERS)
        check_name("--optimizer", self.optimizer, OPTIMIZERS)
        check_name("--precision", self.precision, PRECISIONS)
        if check_name("--table-dtype", self.table_dtype, TABLE_DTYPES) == "bfloat16":
            check_bfloat16("--table-dtype bfloat16")
        self.check_integers(1, "embedding_dim", "num_sampled", "num_resampled", "batch_size")
        self.check_integers(0, "seed")
        self.check_positive("epochs", "max_seconds", "learning_rate")
        if self.distortion is not None:
            if self.sampler != "fixed_unigram":
                raise Refusal(f"--distortion is for --sampler fixed_unigram, got --sampler {self.sampler}")
            if not (math.isfinite(self.distortion) and self.distortion >= 0):
                raise Refusal(f"--distortion must be a number of at least 0, got {self.distortion}")
        if self.num_resampled is not None:
            if not LOSSES[self.loss].resampled:
                raise Refusal(f"--num-resampled is for --loss rank_sampled_softmax, got --loss {self.loss}")
            if self.num_sampled is not None and self.num_resampled >= self.num_sampled:
                raise Refusal(
                    f"--num-resampled must be less than --num-sampled {self.num_sampled}, got {self.num_resampled}"
                )

    def check_integers(self, minimum: int, *names: str) -> None:
        """Refuse integers below a minimum, or too large for any use.

        Parameters
        ----------
        minimum : int
            The least that is allowed.
        *names : str
            Of the fields; one that is None is not checked.

        Raises
        ------
        Refusal
            That names the option.
        """
        for name in names:
            value = getattr(self, name)
            if value is not None and not minimum <= value <= _LARGEST:
                bound = f"at least {minimum}" if value < minimum else f"at most {_LARGEST}"
                raise Refusal(f"--{name.replace('_', '-')} must be {bound}, got {value}")

    def check_positive(self, *names: str) -> None:
        """Refuse numbers that are not finite and above 0.

        Parameters
        ----------
        *names : str
            Of the fields; one that is None is not checked.

        Raises
        ------
        Refusal
            That names the option.
        """
        for name in names:
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise Refusal(f"--{name.replace('_', '-')} must be a number above 0, got {value}")

    def settled(self, num_classes: int) -> Self:
        """Fill in what was left to the number of classes.

        Parameters
        ----------
        num_classes : int
            V, as found in the data.

        Returns
        -------
        RunConfig
            With numbers for the candidates.

        Raises
        ------
        Refusal
            If there are more candidates than classes, or the sampler takes all classes and the numbers differ.
        """
        drawn, resampled = self.default_num_sampled(num_classes), LOSSES[self.loss].resampled
        kept = self.default_num_resampled(drawn)
        if LOSSES[self.loss].sampled:
            of_what, what = self.classes.split()
            if drawn > num_classes:
                raise Refusal(f"--num-sampled must be at most the {of_what}'s {num_classes} {what}, got {drawn}")
            if self.sampler == "all" and drawn != num_classes:
                raise Refusal(f"--sampler all takes all {num_classes} {what}: leave out --num-sampled, got {drawn}")
            if resampled and not 1 <= kept < drawn:
                raise Refusal(f"--num-resampled must be less than the {drawn} candidates, got {kept}")
        return dataclasses.replace(self, num_sampled=drawn, num_resampled=kept if resampled else None)

    def default_num_sampled(self, num_classes: int) -> int:
        """Return the candidates of a step: as configured, else 1024, half of few classes, or all of them."""
        if self.num_sampled is not None:
            return self.num_sampled
        return num_classes if self.sampler == "all" else min(1024, max(1, num_classes // 2))

    def default_num_resampled(self, num_sampled: int) -> int:
        """Return how many of the candidates drawn are kept: as configured, else half."""
        return self.num_resampled if self.num_resampled is not None else max(1, num_sampled // 2)

    def to_json(self) -> str:
        """Return the fields as a JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the configuration that `to_json` wrote.

        Parameters
        ----------
        text : str
            The JSON object.

        Returns
        -------
        RunConfig
            Equal to the one written.

        Raises
        ------
        ValueError
            If it is not such an object.
        """
        fields = json.loads(text)
        try:
            values: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
            }
            return cls(**values)
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from None
