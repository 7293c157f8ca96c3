"""Checks of arguments; all messages of the library."""
