"""Settings for all tests: Hypothesis; threads and matrix tiles for small problems too."""

import pytest
from hypothesis import settings

from fastcands import threads
from fastcands.losses import bf16_all_classes

# no deadline: the first example of a kernel includes its compilation; the same examples in every run
settings.register_profile("fastcands", deadline=None, derandomize=True)
settings.load_profile("fastcands")


@pytest.fixture(autouse=True, scope="session")
def small_calls_are_as_large_ones():
    """Give small calls the threads and tiles of large ones: a test's problems are small, and have to meet them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "_WORTH_STARTING", 0)
        patch.setattr(bf16_all_classes, "_FEWEST_EXAMPLES", 0)
        patch.setattr(bf16_all_classes, "_WORTH_ROUNDING", 0)
        yield
