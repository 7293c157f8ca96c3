"""Compiled loops: arrays in, arrays out, no Python objects, one idea a file."""
