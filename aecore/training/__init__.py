"""Training: from a run folder to the same folder with a model in it."""
