"""The five parts of an autoencoder: for each, its options and the module or function they build."""
