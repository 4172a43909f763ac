"""Tasks: what a trained autoencoder is used for, as functions on arrays."""
