"""Rows of a class table: their addresses, reading, packing, merging."""
