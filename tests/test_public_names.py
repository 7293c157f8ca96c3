"""The public boundary: every public name is on an API page, and every room is public or listed as internal."""

from __future__ import annotations

import importlib
import re
import types
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fastcands"
API = "\n".join(page.read_text() for page in sorted((ROOT / "docs" / "api").glob("*.md")))
COMPATIBILITY = (ROOT / "docs" / "compatibility.md").read_text()

PUBLIC_PACKAGES = ("data", "metrics", "models", "nn", "schedules")
# public names that stand in a room which is internal otherwise
EXCEPTIONS = {
    "fastcands.optimizers.StateArray",
    "fastcands.optimizers.from_dict",
    "fastcands.samplers.CandidateSampler",
}


def public_names() -> set[str]:
    names = set()
    for module_name in ("fastcands", *(f"fastcands.{package}" for package in PUBLIC_PACKAGES)):
        module = importlib.import_module(module_name)
        for name in module.__all__:
            if not isinstance(getattr(module, name), types.ModuleType):
                names.add(f"{module_name}.{name}")
    return names


def names_on_the_api_pages() -> list[str]:
    return re.findall(r"^\.\. (?:auto(?:class|function|exception)|py:data):: ([\w.]+)$", API, re.MULTILINE)


def rooms() -> set[str]:
    """The packages and modules right below ``fastcands``."""
    return {
        path.stem
        for path in PACKAGE.iterdir()
        if path.stem != "__init__" and (path.suffix == ".py" or (path / "__init__.py").is_file())
    }


def internal_rooms(page: str) -> list[str]:
    """The names in the first column of the table below the heading "Internal packages"."""
    section = page.split("\n## Internal packages\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def test_public_names_and_names_on_the_api_pages_are_the_same() -> None:
    listed = names_on_the_api_pages()
    assert len(listed) == len(set(listed))
    assert set(listed) == public_names() | EXCEPTIONS


def test_the_exceptions_are_on_the_compatibility_page() -> None:
    assert {name for name in EXCEPTIONS if f"`{name}`" not in COMPATIBILITY} == set()


def test_every_room_is_public_or_listed_as_internal() -> None:
    listed = internal_rooms(COMPATIBILITY)
    assert len(listed) == len(set(listed))
    assert set(listed) == rooms() - set(PUBLIC_PACKAGES)


def test_the_list_of_internal_rooms_is_read_as_it_stands() -> None:
    page = (
        "\n## Internal packages\n\n| Name | |\n|---|---|\n| `jit`, `simd` | `a` |\n| `cli` | |\n\n## More\n| `no` | |\n"
    )
    assert internal_rooms(page) == ["jit", "simd", "cli"]


def test_the_changelog_has_a_section_for_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert importlib.import_module("fastcands").__version__ in headings
