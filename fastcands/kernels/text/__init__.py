"""Readers of numbers and points in text."""
