"""Settings of Hypothesis for all tests."""

from hypothesis import settings

# no deadline: the first example of a kernel includes its compilation; the same examples in every run
settings.register_profile("fastcands", deadline=None, derandomize=True)
settings.load_profile("fastcands")
