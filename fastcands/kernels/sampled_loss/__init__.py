"""Losses over the true classes and sampled candidates: the stages of one call, in float32 and float64."""
