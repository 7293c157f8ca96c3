"""A language model as its configuration describes it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import fastcands as fc
from fastcands.cli.text.trainer import make_text_model
from fastcands.models import QRNNModel
from tests.cli.conftest import CONFIG

COUNTS = np.array([50, 20, 9, 4, 2, 1, 1, 0])


def test_a_model_as_configured() -> None:
    config = dataclasses.replace(CONFIG, optimizer="momentum", learning_rate=0.5)
    model = make_text_model(config, COUNTS, lambda first: lambda step: first / (1 + step))
    assert isinstance(model.table.optimizer, fc.Momentum)
    assert model.table.optimizer.learning_rate(1) == 0.25
    assert model.dense_optimizer.learning_rate(0) == pytest.approx(0.005)
    assert model.table.num_classes == 8
    assert model.context == config.context


def test_the_other_body() -> None:
    config = dataclasses.replace(CONFIG, body="qrnn", context=None, tied=True, dropout=0.25)
    model = make_text_model(config, COUNTS, lambda first: lambda step: first)
    assert isinstance(model, QRNNModel)
    assert (model.tied, model.dropout) == (True, 0.25)
