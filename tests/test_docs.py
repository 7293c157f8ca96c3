"""Files that README, CONTRIBUTING, CHANGELOG and docs name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def named_files(text: str) -> list[str]:
    """Paths of source files in a text, and the targets of links within the repository."""
    paths = re.findall(r"(?<![\w./-])([\w-]+/[\w./-]*\w\.py)\b", text)
    links = re.findall(r"\]\(([\w./-]+\.(?:md|png))(?:#[\w-]+)?\)", text)
    return paths + links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    places = (page.parent, ROOT, ROOT / "fastcands")
    lost = [name for name in named_files(page.read_text()) if not any((place / name).exists() for place in places)]
    assert lost == []


def test_names_of_files_are_found() -> None:
    text = "Run `tests/a.py`, `kernels/b` or pytest tests/c.py -x; see [d](docs/d.md#e), https://x.org/docs/f.py\n"
    assert named_files(text) == ["tests/a.py", "tests/c.py", "docs/d.md"]
