"""Ratios, quartiles, which run counts, and tables from stored lines."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from bench import tables
from bench.cases import EXPECTED, GRID, Expectation
from bench.phases import shares
from bench.provenance import KEYS, provenance
from bench.results import Line, figure_values, latest, outcomes, read_lines, spread, write_line
from bench.tasks import GROUPS, TASKS, choose

FACTS = provenance(2, quick=False)


def line(entry: str, rounds: list[Any], task: str = "step", case: str = "a", **facts: Any) -> Line:
    sizes = dict(zip("VDBS", TASKS[task].cases[case], strict=True))
    known = TASKS[task].entries[entry]
    measure = TASKS[task].measure
    return Line(task, case, sizes, entry, known.contender, known.operation, 2, measure, rounds, FACTS | facts)


def test_provenance_has_all_that_is_promised() -> None:
    assert set(FACTS) == set(KEYS)
    assert FACTS["threads"] == 2
    assert FACTS["cores"] >= 1
    assert all(isinstance(FACTS[name], str) and FACTS[name] for name in ("date", "processor", "os", "python"))
    assert FACTS["date"].endswith("+00:00")
    json.dumps(FACTS)


def test_quartiles() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0, 5.0]) == (2, 3, 4)
    assert spread([7.0]) == (7, 7, 7)
    assert spread([1.0, 2.0]) == (1.25, 1.5, 1.75)


def test_a_ratio_is_taken_round_by_round() -> None:
    """A machine that gets slower by the round changes no ratio; the ratio of the medians would hide the odd round."""
    ours, theirs = [1.0, 2.0, 4.0, 8.0], [3.0, 6.0, 12.0, 24.0]
    entries = {"fastcands": line("fastcands", ours), "TensorFlow": line("TensorFlow", theirs)}
    figure = next(f for f in TASKS["step"].figures if f.name == "TensorFlow / fastcands")
    assert figure_values(figure, entries) == [3, 3, 3, 3]


def test_rounds_that_do_not_match_are_refused() -> None:
    entries = {"fastcands": line("fastcands", [1.0]), "TensorFlow": line("TensorFlow", [1.0, 2.0])}
    with pytest.raises(ValueError, match="zip"):
        figure_values(TASKS["step"].figures[1], entries)


def test_memory_is_the_peak_or_what_is_no_result() -> None:
    mebibyte = 2**20
    rows = [{"peak": 100 * mebibyte, "results": 60 * mebibyte}]
    case = "V=1,000,000"
    entries = {"fastcands, forward": line("fastcands, forward", rows, "memory_growth_exact", case)}
    found = outcomes(latest(entries.values()))
    assert [o.spread.median for o in found] == [40]
    assert found[0].met is True
    rows = [{"peak": 50.0, "results": 0}, {"peak": 80.0, "results": 0}]
    both = {name: line(name, rows, "memory", "c") for name in ("fastcands", "TensorFlow")}
    assert [o.spread.median for o in outcomes(latest(both.values()))] == [1]


def test_the_last_run_counts_as_a_whole() -> None:
    old = {"date": "2026-01-01T00:00:00+00:00"}
    new = {"date": "2026-01-02T00:00:00+00:00"}
    lines = [line("fastcands", [9.0], **new), line("fastcands", [1.0], **old), line("TensorFlow", [1.0], **old)]
    found = latest(lines)["step", "a"]
    assert set(found) == {"fastcands"}
    assert found["fastcands"].rounds == [9.0]
    assert outcomes(latest(lines)) == []


def test_expectations() -> None:
    assert Expectation(True, 3.5).met(3.5)
    assert not Expectation(True, 3.5).met(3.49)
    assert Expectation(False, 1.1).met(1.1)
    assert not Expectation(False, 1.1).met(1.11)
    assert str(Expectation(False, 1.1)) == "≤ 1.1"


def test_every_expectation_belongs_to_a_figure_of_a_case() -> None:
    for (task, figure), cases in EXPECTED.items():
        assert figure in {f.name for f in TASKS[task].figures}
        assert set(cases) <= set(TASKS[task].cases), (task, figure)


def test_every_figure_is_of_entries_that_are_there() -> None:
    for task in TASKS.values():
        for figure in task.figures:
            assert {figure.over, figure.under or figure.over} <= set(task.entries), task.name


def test_a_quick_run_is_not_held_to_anything() -> None:
    entries = [line("fastcands", [1.0], quick=True), line("3 products", [1.0], quick=True)]
    found = outcomes(latest(entries))
    assert [(o.expected, o.met) for o in found] == [(None, None)]


def test_tasks_are_chosen_by_name_or_group() -> None:
    assert choose([]) == list(TASKS.values())
    assert [task.name for task in choose(["hits", "samplers"])][:2] == ["hits", "sampler_uniform"]
    assert len(choose(["samplers", "hits"])) == len(GROUPS["samplers"])
    with pytest.raises(ValueError, match="unknown: nothing; there are step"):
        choose(["nothing"])


def test_lines_survive_a_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lines.jsonl"
    written = [line("fastcands", [1.5, 2.5]), line("TensorFlow", [3.0, 5.0])]
    for one in written:
        write_line(path, one)
    assert list(read_lines([path])) == written
    with path.open("a") as file:
        file.write(json.dumps(dataclasses.asdict(written[0]) | {"task": "a task of old"}) + "\n")
    assert list(read_lines([path])) == written
    with path.open("a") as file:
        file.write('{"task": "step"}\n')
    with pytest.raises(ValueError, match="line 4 is no result"):
        list(read_lines([path]))


def test_tables_have_figures_quartiles_targets_and_times() -> None:
    ours, theirs, limit = [1e-3, 2e-3, 3e-3], [3e-3, 8e-3, 15e-3], [1e-3, 1e-3, 1e-3]
    entries = [line("fastcands", ours), line("TensorFlow", theirs), line("3 products", limit)]
    found = tables.all_tables(latest(entries))
    text = "\n".join(tables.markdown(table) for table in found)
    assert "| step | a | TensorFlow / fastcands | 4 (3.5 – 4.5) | ≥ 3.5 | yes |" in text
    assert "| step | a | fastcands / 3 products | 2 (1.5 – 2.5) | ≤ 1.6 | **no** |" in text
    assert "### Sampled softmax: value and gradients (ms)" in text
    a = GRID["a"]
    assert f"| a | {a.classes:,} | {a.width} | {a.batch} | {a.candidates:,} | 2 | 1 | 8 |  |  |" in text
    for table in found:
        assert {len(row) for row in table.rows} == {len(table.heads)}


def test_where_time_goes_adds_up() -> None:
    rounds = [
        {"sampled_loss.logits.form_tiles": 0.5, "optimizers.sgd.sgd_rows": 0.2, "total": 1.0},
        {"sampled_loss.logits.form_tiles": 1.0, "optimizers.sgd.sgd_rows": 0.6, "total": 2.0},
    ]
    found = shares(line("train_step", rounds, "where"))
    assert sum(found.values()) == pytest.approx(1)
    assert found["gather candidates, product, exponentials"] == pytest.approx(0.5)
    assert found["update rows"] == pytest.approx(0.25)
    table = tables.kernel_table(TASKS["where"], latest([line("train_step", rounds, "where")]))
    assert table is not None
    assert ["update rows", "25.0 %"] in [list(row) for row in table.rows]


def test_a_page_keeps_what_stands_outside_of_the_markers() -> None:
    begin, end = tables.MARKERS
    page = f"before\n{begin}\nold\n{end}\nafter\n"
    assert tables.replace_between(page, tables.MARKERS, "new") == f"before\n{begin}\n\nnew\n\n{end}\nafter\n"
    with pytest.raises(ValueError, match="the page must have"):
        tables.replace_between("no markers", tables.MARKERS, "new")


def test_the_machine_is_told() -> None:
    one = line("fastcands", [1.0], versions={"numba": "0.1"}, threading_layer="tbb", commit="f" * 40, dirty=True)
    text = tables.machine(latest([one]))
    for part in (FACTS["processor"], "2 threads", "layer tbb", "f" * 12, "not committed", "numba 0.1", FACTS["date"]):
        assert part in text
    assert "quick run" not in text
    assert "quick run" in tables.machine(
        latest([dataclasses.replace(one, provenance=one.provenance | {"quick": True})])
    )
