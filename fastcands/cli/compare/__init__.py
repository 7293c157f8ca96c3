"""The same model and text with several losses and samplers: who takes part, on which conditions, with what result."""
