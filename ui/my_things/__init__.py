"""Only what the page My things needs."""
