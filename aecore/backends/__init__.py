"""Backends: where runs train, and how they are started, followed and stopped."""
