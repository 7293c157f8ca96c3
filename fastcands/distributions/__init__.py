"""Distributions over classes: the probability of a class, and how to draw one."""
