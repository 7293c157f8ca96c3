"""Settings for all tests: Hypothesis, and threads for small problems too."""

import pytest
from hypothesis import settings

from fastcands import threads

# no deadline: the first example of a kernel includes its compilation; the same examples in every run
settings.register_profile("fastcands", deadline=None, derandomize=True)
settings.load_profile("fastcands")


@pytest.fixture(autouse=True, scope="session")
def threads_for_small_calls():
    """Give small calls the threads that large ones get: a test's problems are small, and have to meet them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "_WORTH_STARTING", 0)
        yield
