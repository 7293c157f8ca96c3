"""Passes over every class: exact losses, ranks, the best classes."""
