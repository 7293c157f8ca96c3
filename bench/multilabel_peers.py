"""Many labels a point: fastcands beside omikuji on the same files, in one run; the table of docs/multilabel.md.

    python -m bench.debian_packages data
    python -m fastcands.data.synthetic_extreme data/small --labels 5000 --features 20000 --points 20000
    python -m bench.multilabel_peers data/tags data/depends data/small --peer-python peers/bin/python --json peers.json

A folder of data has ``train.txt`` and ``test.txt`` in the format of the Extreme Classification Repository. omikuji
trains with its defaults (three trees, as in Parabel), and with one tree. It may be in an environment of its own:
``--peer-python`` names the interpreter. fastcands is called by its command, with its defaults and with the options of
each ``--fastcands``, and with those of each ``--equal-time`` for the seconds that omikuji took with its defaults. Each
measurement is a process of its own; with ``--repeats`` the systems take turns, and times and precisions are medians.

Training is timed without reading the files, and for fastcands without its evaluations, too. Kernels of fastcands are
compiled before the clock starts, once a machine. Prediction is that of the five best labels of each test point:
omikuji's by its Python function, point by point, as it offers no other; fastcands ranks all labels exactly.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["fastcands_figures", "omikuji_figures", "precisions", "split_point", "table"]

CUTS = (1, 3, 5)
_ROOT = Path(__file__).parents[1]


def split_point(line: str) -> tuple[set[int], list[tuple[int, float]]]:
    """Return the labels and the pairs of feature and value of a line of a file.

    Parameters
    ----------
    line : str
        As in the repository's format.

    Returns
    -------
    tuple
        A set of labels, and a list of pairs.
    """
    labels, _, rest = line.partition(" ")
    pairs = (pair.split(":") for pair in rest.split())
    return {int(label) for label in labels.split(",") if label}, [(int(f), float(v)) for f, v in pairs]


def precisions(ranked: Iterable[list[int]], truth: Iterable[set[int]]) -> list[float]:
    """Return precision@1, @3 and @5; a ranking that is too short misses.

    Parameters
    ----------
    ranked : iterable of list of int
        The labels of each point, the best first.
    truth : iterable of set of int
        The right ones.

    Returns
    -------
    list of float
        One for each of `CUTS`.
    """
    hits = [[label in true for label in labels] for labels, true in zip(ranked, truth, strict=True)]
    return [sum(sum(row[:k]) for row in hits) / (k * len(hits)) for k in CUTS]


def _worker(train: str, test: str, threads: int, trees: int) -> None:
    """Train and test omikuji in this process, and print what came out as JSON."""
    import omikuji
    from omikuji._libomikuji import ffi, lib

    pool = omikuji._ThreadPoolHandle(threads)
    data = ffi.gc(lib.load_omikuji_data_set(train.encode(), pool.ptr), lib.free_omikuji_data_set)
    settings = omikuji.Model.default_hyper_param()
    settings.n_trees = trees
    started = time.perf_counter()
    model = omikuji.Model(lib.train_omikuji_model(data, settings, pool.ptr), pool)
    trained = time.perf_counter() - started
    points = [split_point(line) for line in Path(test).read_text().splitlines()[1:]]
    started = time.perf_counter()
    answers = [model.predict(pairs, top_k=CUTS[-1]) for _, pairs in points]
    predicted = time.perf_counter() - started
    found = precisions([[label for label, _ in answer] for answer in answers], [labels for labels, _ in points])
    figures = {"precision": found, "train_seconds": trained, "predict_seconds": predicted}
    print(json.dumps({**figures, "version": omikuji.__version__}))


def _run(command: list[str]) -> dict[str, Any]:
    """Return the JSON object that is the last line of what a command prints."""
    found = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(f"{shlex.join(command)}\n{found.stderr}")
    answer: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return answer


def omikuji_figures(python: str, folder: Path, threads: int, trees: int) -> dict[str, Any]:
    """Return what omikuji comes to on a folder of data.

    Parameters
    ----------
    python : str
        An interpreter that has it.
    folder : Path
        With the data.
    threads, trees : int
        How many.

    Returns
    -------
    dict
        ``precision``, ``train_seconds``, ``predict_seconds`` and ``version``.
    """
    numbers = [str(threads), str(trees)]
    return _run([python, __file__, "--worker", *map(str, (folder / "train.txt", folder / "test.txt")), *numbers])


def fastcands_figures(folder: Path, threads: int, options: list[str]) -> dict[str, Any]:
    """Return what fastcands comes to on a folder of data.

    Parameters
    ----------
    folder : Path
        With the data.
    threads : int
        How many.
    options : list of str
        For ``fastcands train``.

    Returns
    -------
    dict
        ``precision``, ``train_seconds``, ``predict_seconds`` and ``epochs``.
    """
    command = [sys.executable, "-m", "fastcands"]
    common = ["--threads", str(threads), "--json"]
    with tempfile.TemporaryDirectory() as out:
        train = ["train", "--task", "multilabel", str(folder / "train.txt"), "--out", f"{out}/model"]
        trained = _run([*command, *train, *common, *options])
        tested = _run([*command, "evaluate", f"{out}/model", str(folder / "test.txt"), *common])
    return {
        "precision": [tested[f"precision_at_{k}"] for k in CUTS],
        "train_seconds": trained["seconds"],
        "predict_seconds": tested["seconds"],
        "epochs": trained["epochs"],
    }


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    found = {**runs[0], "runs": len(runs)}
    found["precision"] = [statistics.median(run["precision"][i] for run in runs) for i in range(len(CUTS))]
    for name in ("train_seconds", "predict_seconds"):
        found[name] = statistics.median(run[name] for run in runs)
    return found


def measure(folder: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the rows of a folder of data: all systems, taking turns.

    Parameters
    ----------
    folder : Path
        With the data.
    given : argparse.Namespace
        The options of the command.

    Returns
    -------
    list of dict
        A row a system: ``data``, ``system`` and its figures.
    """
    threads = given.threads
    systems: dict[str, Callable[[], dict[str, Any]]] = {
        f"omikuji, {trees} tree{'s'[: trees > 1]}": lambda trees=trees: omikuji_figures(
            given.peer_python, folder, threads, trees
        )
        for trees in (3, 1)
    }
    for options in ["", *given.fastcands]:
        systems[f"fastcands {options}".strip()] = lambda options=options: fastcands_figures(
            folder, threads, shlex.split(options)
        )
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(given.repeats):
        for name, call in systems.items():
            runs.setdefault(name, []).append(call())
            print(f"{folder.name}: {name}: {json.dumps(runs[name][-1])}", file=sys.stderr, flush=True)
        seconds = f"{runs['omikuji, 3 trees'][0]['train_seconds']:.1f}"
        for options in given.equal_time:
            name = f"fastcands {options} --max-seconds {seconds}".replace("  ", " ")
            runs.setdefault(name, []).append(
                fastcands_figures(folder, threads, [*shlex.split(options), "--max-seconds", seconds])
            )
    return [{"data": folder.name, "system": name, **_medians(found)} for name, found in runs.items()]


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a table in Markdown, with precisions in per cent.

    Parameters
    ----------
    rows : list of dict
        From `measure`.

    Returns
    -------
    str
        The table.
    """
    lines = [
        "| data | system | P@1 | P@3 | P@5 | training | prediction |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [f"{100 * value:.1f}" for value in row["precision"]]
        times = [f"{row[name]:.1f} s" for name in ("train_seconds", "predict_seconds")]
        lines.append(f"| {' | '.join([row['data'], row['system'], *cells, *times])} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table and write the figures."""
    if sys.argv[1:2] == ["--worker"]:
        train, test, threads, trees = sys.argv[2:]
        return _worker(train, test, int(threads), int(trees))
    parser = argparse.ArgumentParser(prog="python -m bench.multilabel_peers", description="Compare with omikuji.")
    parser.add_argument("folders", type=Path, nargs="+", help="each with train.txt and test.txt")
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that has omikuji")
    parser.add_argument("--threads", type=int, default=1, help="of both, default: %(default)s")
    parser.add_argument("--repeats", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--fastcands", action="append", default=[], metavar="OPTIONS", help="a further run, repeatable")
    parser.add_argument(
        "--equal-time", action="append", default=[], metavar="OPTIONS", help="the same, for omikuji's seconds"
    )
    parser.add_argument("--json", type=Path, help="where the figures go")
    given = parser.parse_args()
    given.peer_python = os.path.abspath(given.peer_python)  # not resolved: that would leave its environment
    from bench.provenance import provenance

    about = provenance(given.threads, quick=False)
    rows = [row for folder in given.folders for row in measure(folder.absolute(), given)]
    print(f"{about['processor']}, {given.threads} of {about['cores']} processors, load {about['load']}\n")
    print(table(rows))
    if given.json is not None:
        given.json.write_text(json.dumps({"provenance": about, "results": rows}, indent=2) + "\n")
    return None


if __name__ == "__main__":
    main()
