"""Draws, expected counts and accidental hits."""
