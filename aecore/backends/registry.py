"""The backends: one entry for each, with what it is called and what it needs.

To add a backend, write its class in a file of this folder and add its line to BACKENDS.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from aecore.errors import BackendError
from aecore.hub.client import Token

if TYPE_CHECKING:
    from aecore.backends.base import Backend


@dataclass(frozen=True)
class BackendEntry:
    """A backend as the form and the command line offer it."""

    label: str
    icon: str  # a Material icon
    class_path: str  # "module:Class", imported when it is used
    is_remote: bool = True  # runs are sent there; else they are processes of this machine
    account: str = ""  # the service at which the visitor must be signed in; empty needs no token
    is_paid: bool = False  # machines are rented: a time limit bounds what a run may cost

    @property
    def needs_token(self) -> bool:
        return bool(self.account)

    def open(self, token: Token = False) -> Backend:
        """Returns the backend; it is given the token only where it needs one."""
        module, _, name = self.class_path.partition(":")
        backend_class = getattr(import_module(module), name)
        backend: Backend = backend_class(token) if self.needs_token else backend_class()
        return backend


# The names stand in remote.json. "hf" also rents machines, with the token of who pays.
BACKENDS = {
    "local": BackendEntry(
        "This machine", ":material/computer:", "aecore.backends.local:Local", is_remote=False
    ),
    "ray": BackendEntry("Ray cluster", ":material/lan:", "aecore.backends.ray:Ray"),
    "hf": BackendEntry(
        "Hugging Face Jobs",
        ":material/cloud:",
        "aecore.backends.huggingface:HuggingFace",
        account="Hugging Face",
        is_paid=True,
    ),
}


def find_backend(name: str) -> BackendEntry:
    """Returns the entry of that name; BackendError lists the names that there are."""
    if name not in BACKENDS:
        raise BackendError(
            f"There is no backend {name[:40]!r}. Choose one of: {', '.join(BACKENDS)}."
        )
    return BACKENDS[name]


def open_backend(name: str, token: Token = False) -> Backend:
    """Returns the backend of that name; `token` belongs to the account that it uses, if any."""
    return find_backend(name).open(token)
