"""All measurements, each in a process of its own: ``python -m bench.run [samplers] [losses]``."""

from __future__ import annotations

import subprocess
import sys

MODULES = ("samplers", "losses")


def main() -> None:
    """Run the named modules, all by default."""
    chosen = sys.argv[1:] or MODULES
    unknown = [name for name in chosen if name not in MODULES]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(MODULES)}")
    for name in chosen:
        print(f"\n{name}\n", flush=True)
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)


if __name__ == "__main__":
    main()
