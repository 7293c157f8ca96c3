"""Passes over all classes: exact losses, ranks, top classes."""
