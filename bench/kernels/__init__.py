"""Every kernel alone, by pytest-benchmark: ``make bench-kernels``."""
