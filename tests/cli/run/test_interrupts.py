"""Signals as requests to stop."""

from __future__ import annotations

import os
import signal

import pytest

from fastcands.cli.errors import Interrupted
from fastcands.cli.run.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        interrupts.check()
        os.kill(os.getpid(), number)
        with pytest.raises(Interrupted):
            interrupts.check()
        with pytest.raises(KeyboardInterrupt):  # who asks twice does not want to wait
            signal.raise_signal(number)
    assert signal.getsignal(number) is before
