"""What the command says to its user instead of a traceback."""

from __future__ import annotations

__all__ = ["FAILED", "INTERRUPTED", "OK", "REFUSED", "BrokenDown", "Interrupted", "Refusal"]

OK = 0
FAILED = 1  # Python's own code for an unexpected error; also when the reader of the output has gone
REFUSED = 2  # bad input or a file that cannot be read or written
INTERRUPTED = 130  # 128 + SIGINT, as shells count


class Refusal(Exception):
    """A request that cannot be met, with the one line that says why."""


class BrokenDown(Refusal):
    """A training loss that is not finite; the model is as it was before that step."""


class Interrupted(Exception):
    """Ctrl-C or SIGTERM came, and the work can stop here."""
