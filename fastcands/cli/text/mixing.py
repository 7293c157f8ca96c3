"""The Kneser-Ney model that a language model is mixed with, in a file beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fastcands.cli.errors import Refusal
from fastcands.cli.run.files import load_arrays, save_arrays
from fastcands.models import KneserNey, Mixture

__all__ = ["MIXTURE", "has_mixture", "load_mixture", "save_mixture"]

MIXTURE = "mixture.npz"


def save_mixture(folder: Path, model: KneserNey, weight: float, origin: tuple[str, int]) -> None:
    """Write the Kneser-Ney model and the weight of the mixture.

    Parameters
    ----------
    folder : Path
        Of the run.
    model : KneserNey
        Of the same text.
    weight : float
        Of the network.
    origin : pair of str and int
        What tells the network apart: the fingerprint of its text, and the step of its best state.

    Raises
    ------
    Refusal
        If the file cannot be written.
    """
    about = {"weight": weight, "fingerprint": origin[0], "step": origin[1]}
    save_arrays(folder / MIXTURE, {**model.state_dict(), "mixture": np.array(json.dumps(about))})


def has_mixture(folder: Path) -> bool:
    """Return whether the model in a folder was mixed.

    Parameters
    ----------
    folder : Path
        Of the run.

    Returns
    -------
    bool
        Whether there is such a file.
    """
    return (folder / MIXTURE).is_file()


def load_mixture(folder: Path, network: Any, origin: tuple[str, int]) -> Mixture:
    """Read what `save_mixture` wrote, and mix the network with it.

    Parameters
    ----------
    folder : Path
        Of the run.
    network : NGramPredictor or QRNNPredictor
        The model in the same folder.
    origin : pair of str and int
        Of that model.

    Returns
    -------
    Mixture
        Of the two.

    Raises
    ------
    Refusal
        If there is no such file, or it is damaged or of another model.
    """
    path = folder / MIXTURE
    if not path.is_file():
        raise Refusal(f"{folder}: the model there has no mixture ({MIXTURE} is missing); `fastcands train` makes it")
    arrays = load_arrays(path)
    try:
        about = json.loads(str(arrays["mixture"]))
        if (about["fingerprint"], about["step"]) != origin:
            raise Refusal(f"{path}: of another model than the one beside it")
        return Mixture(network, KneserNey.from_state(arrays), float(about["weight"]))
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise Refusal(f"{path}: not a mixture of this version of fastcands ({reason})") from None
