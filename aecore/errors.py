"""Errors that are shown to people: each says what was wrong, what it got and what to do."""

from __future__ import annotations


class AecoreError(Exception):
    """Base of all errors that a user can act on; their text is shown as it is."""


class ConfigError(AecoreError):
    """An option of a model, of data or of the training is unknown, or not possible."""


class DataError(AecoreError):
    """Data cannot be read, or no model could learn from them."""


class RoomError(DataError):
    """Data find no room in memory now."""


class StorageError(AecoreError):
    """There is no room on the disk for what somebody wants to keep."""


class CheckpointError(AecoreError):
    """A run folder or a weights file is incomplete, of another program, or hostile."""


class RunError(AecoreError):
    """A run is not in the state that the call needs."""


class BackendError(AecoreError):
    """A training backend refused a run, or cannot do what was asked."""


class HubError(AecoreError):
    """The Hugging Face Hub refused a request, or could not be reached."""


class LoginError(HubError):
    """The Hub does not accept a token, or no longer: signing in again helps."""
