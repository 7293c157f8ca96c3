"""The command ``fastcands``: its entry, what all of it shares, and a folder for each part.

`run` is what every training run needs, whatever its data is; `text` and `multilabel` are the two kinds of data,
`compare` several runs on the same text; `commands` has one file for each subcommand, which reads its options and calls
the rest.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from fastcands.cli.main import run
    except ModuleNotFoundError as error:
        if (error.name or "fastcands").partition(".")[0] == "fastcands":
            raise
        print(f"fastcands: the command needs {error.name}: pip install 'fastcands[cli]'", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("fastcands: stopped at once", file=sys.stderr)
        sys.exit(130)
    sys.exit(run())
