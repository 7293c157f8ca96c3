"""What a tile of logits becomes: one file a loss."""
