"""The Hugging Face Hub's client: which Hub, whose token, and what it says in plain sentences.

HF_ENDPOINT says which Hub. A token of None is this machine's own login, False is none, text is a visitor's;
no token is ever part of a message.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aecore.errors import AecoreError, HubError
from aecore.files import LIBRARY

if TYPE_CHECKING:
    from huggingface_hub import HfApi


Token = str | bool | None


DEFAULT_ENDPOINT = "https://huggingface.co"
HUB_TIMEOUT = 8.0  # seconds that the Hub may be silent when it is first asked


def hub_endpoint() -> str:
    """Returns the address of the Hub: $HF_ENDPOINT, or huggingface.co."""
    return (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def open_client(token: Token) -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub_endpoint(), token=check_token(token), library_name=LIBRARY)


def check_token(token: Token) -> Token:
    """The token, if it can be one: a client that cannot send it would quote it."""
    if isinstance(token, str) and not re.fullmatch(
        r"[\w.~+/=-]{1,4096}", token := token.strip(), re.ASCII
    ):
        raise HubError(
            "The token is empty or has characters that no token has. Copy it again from the Hub."
        )
    return token


def get_json(path: str, token: Token, params: Mapping[str, Any] | None = None) -> Any:
    """What the Hub answers to one GET, as JSON; unlike the client's own calls it fails after TIMEOUT."""
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    with explain_hub_errors():
        headers = build_hf_headers(token=check_token(token), library_name=LIBRARY)
        answer = get_session().get(
            hub_endpoint() + path, params=params, headers=headers, timeout=HUB_TIMEOUT
        )
        hf_raise_for_status(answer)
        return answer.json()


@contextmanager
def explain_hub_errors(repo: str = "", revision: str | None = None) -> Iterator[None]:
    """Whatever the client, the network or the disk says becomes a HubError with a sentence."""
    try:
        yield
    except AecoreError:
        raise
    except Exception as error:  # a strange answer can make the client raise anything
        raise HubError(explain_hub_error(error, repo, revision)) from error


def explain_hub_error(error: Exception, repo: str, revision: str | None) -> str:
    """What went wrong and what to do, in words that hold neither a token nor a link."""
    from huggingface_hub import constants, errors

    host = urlsplit(hub_endpoint()).hostname or "The Hub"
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so the Hub is not asked. Unset it."
    if isinstance(error, errors.LocalTokenNotFoundError):
        return "No one is signed in. Run `hf auth login`, or give a token."
    if isinstance(error, errors.GatedRepoError):
        return f"{repo} is gated. Accept its terms on its page, then use a token of that account."
    if isinstance(error, errors.RevisionNotFoundError):
        return (
            f"{repo} has no revision {revision or 'main'!r}. Give a branch, a tag or a commit's id."
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        hidden = f"{repo or 'It'} does not exist on {host}, or is private."
        return f"{hidden} Check the name, or use a token that may read it."
    if status:
        return explain_http_status(status, repo, host, extract_server_reason(error))
    if isinstance(error, errors.LocalEntryNotFoundError) and constants.HF_HUB_OFFLINE:
        return f"{repo} is not in the Hub's cache, and HF_HUB_OFFLINE is set. Pull it once without."
    if type(error).__name__ == "UnsupportedProtocol":
        return "HF_ENDPOINT is no http address. Set it to that of a Hub, or unset it."
    if isinstance(
        error, errors.HTTPError | errors.LocalEntryNotFoundError | ConnectionError | TimeoutError
    ):
        return f"{host} could not be reached ({type(error).__name__}). Check the network and try again."
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full, so {repo} was not saved. Free some space and try again."
    if isinstance(error, OSError) and error.strerror:
        return f"Files of {repo} cannot be kept here: {error.strerror}. Choose another folder, or set HF_HOME."
    return f"The answer of {host} makes no sense ({type(error).__name__}). Is HF_ENDPOINT the address of a Hub?"


def explain_http_status(status: int, repo: str, host: str, words: str) -> str:
    """An HTTP status, in a sentence."""
    if status == 401:
        return f"{host} does not accept this login. Sign in again, or give another token."
    if status == 403:
        owner = repo.split("/")[0] or "this account"
        return f"This login may not write to {owner}{words}. Use your own name, and a token that may write."
    if status in (409, 412):
        return f"{repo} was changed by someone else at the same moment. Try again."
    if status == 429:
        return f"{host} has had too many requests from here. Wait a few minutes and try again."
    if status >= 500:
        return f"{host} has a problem of its own ({status}). Try again later."
    return f"{host} refused{words} ({status}). Check the name and try again."


def extract_server_reason(error: Exception) -> str:
    """What the server gave as its reason, in one short line without anything like a token."""
    text = " ".join(str(getattr(error, "server_message", None) or "").split())[:200].rstrip(".")
    return f" ({re.sub(r'hf_[A-Za-z0-9]+', 'hf_...', text)})" if text else ""
