"""Losses over true classes and a sample of the others: the stages of one call, in float32 and float64."""
