"""Models of points with many labels: their points, training, figures, saved models, and what is asked of those."""
