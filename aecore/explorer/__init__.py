"""The latent explorer: its packs of bytes, its JavaScript, and a page without a server."""
