"""What every training run shares: configuration, loop, saved files, progress, reports, pictures."""
