"""Rows of a class table: where they are, reading, packing, merging."""
