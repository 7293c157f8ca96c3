"""Language models: their text, training, figures, saved models, and what is asked of a saved model."""
