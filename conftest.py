"""Runs the Python of README and docs as tests; pytest itself runs the examples of docstrings.

What fastcands needs of Numba beyond its public names is tried before everything else.
"""

from doctest import ELLIPSIS, NORMALIZE_WHITESPACE

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from tests.numba_internals import missing

try:
    import fastcands  # noqa: F401
except Exception as error:
    if lines := missing():
        raise pytest.UsageError("\n".join(["fastcands cannot be imported with this Numba:", *lines])) from error
    raise

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE)],
    patterns=["*.md"],
).pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of Numba's internals first: whatever they find explains other failures."""
    items.sort(key=lambda item: item.path.name != "test_numba_internals.py")
