"""How fast fastcands is, beside others that compute the same: ``python -m bench.run --help``."""
