"""Autoencoders of real pictures, beside PCA and plain nets: `python -m bench.pictures`."""
