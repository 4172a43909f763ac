"""What can go wrong, in the user's words: what was wrong, what was got, what to do."""

from __future__ import annotations


class AecoreError(Exception):
    """Anything that the user can act on; its text is a sentence fit to show."""


class ConfigError(AecoreError):
    """A model, data or training option that cannot be honoured."""


class DataError(AecoreError):
    """Data that cannot be read, or that no model could learn from."""


class CheckpointError(AecoreError):
    """A run folder or a weights file that is torn, foreign or hostile."""


class RunError(AecoreError):
    """A run that is not in the state that was asked for."""


class BackendError(AecoreError):
    """A place that trains refused, or cannot do what was asked."""


class HubError(AecoreError):
    """The Hugging Face Hub said no, or could not be reached."""
