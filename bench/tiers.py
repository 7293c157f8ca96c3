"""The demo in each tier of precision, and with a bfloat16 table, at equal steps: the figure of docs/precision.md.

Run with ``python -m bench.tiers``: four runs of ``fastcands train`` one after the other, two minutes or so each, saved
in build/tiers; a run that is there already is not made again. Writes docs/figures/precision.png and prints a table.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

RUNS = {
    "highest": ("highest", "float32"),
    "high": ("high", "float32"),
    "medium": ("medium", "float32"),
    "medium, bfloat16 table": ("medium", "bfloat16"),
}
STYLES = {"highest": "k-", "high": "tab:blue", "medium": "tab:orange", "medium, bfloat16 table": "tab:green"}
EPOCHS = 0.7
"""As far as the demo comes in its time on two cores."""
_ROOT = Path(__file__).parents[1]
SAVED, TARGET = _ROOT / "build" / "tiers", _ROOT / "docs" / "figures" / "precision.png"


def trained(name: str) -> Path:
    """Return the folder of a run, made if need be."""
    precision, dtype = RUNS[name]
    folder = SAVED / f"{precision}-{dtype}"
    if not (folder / "metrics.json").exists():
        options = ["--epochs", str(EPOCHS), "--precision", precision, "--table-dtype", dtype, "--out", str(folder)]
        subprocess.run([sys.executable, "-m", "fastcands", "train", *options], check=True, stdout=sys.stderr)
    return folder


def curve(folder: Path) -> list[dict[str, Any]]:
    """Return a run's evaluations."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def main() -> None:
    """Train, draw, print."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    exact = curve(trained("highest"))
    finals: list[tuple[str, float, float]] = []
    for name in RUNS:
        folder = trained(name)
        points = curve(folder)
        steps = [point["step"] for point in points]
        perplexities = [point["valid_perplexity"] for point in points]
        ratios = [100 * (here / point["valid_perplexity"] - 1) for here, point in zip(perplexities, exact, strict=True)]
        left.plot(steps, perplexities, STYLES[name], label=name)
        right.plot(steps, ratios, STYLES[name], label=name)
        final = json.loads((folder / "metrics.json").read_text())
        finals.append((name, final["valid_perplexity"], final["test_perplexity"]))
    left.set(title="held-out perplexity", xlabel="steps")
    right.set(title="difference from 'highest' (%)", xlabel="steps")
    for height in (-0.5, 0.5):
        right.axhline(height, color="grey", linestyle="--", linewidth=1)
    for axis in (left, right):
        axis.grid(alpha=0.3)
    left.legend()
    figure.suptitle(f"100,000 words, {exact[-1]['step']:,} steps of 1,024 predictions in each precision")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(TARGET, dpi=110)
    print("| | validation perplexity | test perplexity |\n|---|---|---|")
    for name, *perplexities in finals:
        cells = (
            f"{here:.2f} ({here / there - 1:+.2%})" for here, there in zip(perplexities, finals[0][1:], strict=True)
        )
        print("|", name, "|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
