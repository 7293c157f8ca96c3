"""What show_config says, against where it comes from."""

import json

import numba
import numpy as np
import pytest

import fastcands as fc
from fastcands.simd import dot
from fastcands.simd.target import VECTOR_BYTES


def test_sections_hold_what_is_in_use():
    with fc.num_threads(3):
        config = fc.show_config(mode="dicts")
    assert config["versions"]["fastcands"] == fc.__version__
    assert config["versions"]["numba"] == numba.__version__
    assert config["processor"]["vector bytes"] == VECTOR_BYTES
    assert config["threads"]["threads"] == 3
    assert json.loads(json.dumps(config)) == config


def test_the_instruction_set_of_the_tiers(monkeypatch):
    assert fc.show_config(mode="dicts")["matmul precision"]["instruction set"] == dot.name_of_chosen()
    monkeypatch.setattr(dot, "unusable", lambda: "amx: there is none")
    with fc.matmul_precision("medium"):
        section = fc.show_config(mode="dicts")["matmul precision"]
    assert section == {"setting": "medium", "computed as": "highest", "instruction set": "amx: there is none"}


def test_layer_and_cache_are_known_once_a_kernel_has_run():
    weights = np.zeros((40, 2), np.float32)
    fc.SoftmaxLoss().value(weights, None, [1, 2], np.ones((2, 2), np.float32))
    config = fc.show_config(mode="dicts")
    assert config["threads"]["layer"] in ("tbb", "omp", "workqueue")
    assert config["kernel cache"]["kernels"] > 0
    assert config["kernel cache"]["bytes"] > 1000


def test_printed_table(capsys):
    assert fc.show_config() is None
    printed = capsys.readouterr().out
    for text in ("versions:", f"fastcands:       {fc.__version__}", "processor:", "kernel cache:"):
        assert text in printed


def test_another_mode():
    with pytest.raises(ValueError, match="mode must be 'stdout' or 'dicts', got 'json'"):
        fc.show_config(mode="json")
