"""Rows of a table updated in place."""
