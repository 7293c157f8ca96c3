"""Epilogues: what is done to a tile of logits while it is in cache. One file for each loss."""
