"""Settings of the process while a model is trained or used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

import fastcands as fc
from fastcands.cli.errors import Refusal

__all__ = ["settings"]


@contextlib.contextmanager
def settings(threads: int | None) -> Iterator[None]:
    """Set threads and floating-point warnings for the models of a block.

    Parameters
    ----------
    threads : int or None
        Of the kernels and the model; None for all processors.

    Yields
    ------
    None
        The settings hold inside the block.

    Raises
    ------
    Refusal
        In place of a MemoryError.
    """
    try:
        # one thread for each matrix product: how BLAS splits one over threads can change its last bits
        with (
            threadpool_limits(limits=1, user_api="blas"),
            fc.num_threads(threads or fc.get_num_threads()),
            np.errstate(over="ignore", invalid="ignore"),  # a loss that is not finite ends the run by itself
        ):
            yield
    except MemoryError as error:
        raise Refusal(f"not enough memory for a model or batch of this size ({error})") from None
