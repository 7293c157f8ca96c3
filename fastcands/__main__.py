"""``python -m fastcands``: the same as the command ``fastcands``."""

from fastcands.cli import main

if __name__ == "__main__":
    main()
