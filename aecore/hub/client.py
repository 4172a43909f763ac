"""The client of the Hugging Face Hub: its address, tokens, and its errors in plain sentences.

HF_ENDPOINT says which Hub. A token of None is this machine's own login, False is none, text is a
visitor's; no token is ever part of a message.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aecore.errors import AecoreError, HubError, LoginError
from aecore.files import LIBRARY

if TYPE_CHECKING:
    from huggingface_hub import HfApi


Token = str | bool | None

TOKEN_TEXT = re.compile(r"[\w.~+/=-]{1,4096}", re.ASCII)
DEFAULT_ENDPOINT = "https://huggingface.co"
HUB_TIMEOUT = 8.0  # seconds that the Hub may be silent when it is first asked


def hub_endpoint() -> str:
    """Returns the address of the Hub: $HF_ENDPOINT, or huggingface.co."""
    return (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def open_client(token: Token) -> HfApi:
    """Returns the client of huggingface_hub, with this token."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub_endpoint(), token=check_token(token), library_name=LIBRARY)


def check_token(token: Token) -> Token:
    """Returns the token without spaces around it; HubError for text that cannot be one.

    A client that cannot send such a text would quote it in its message.
    """
    if not isinstance(token, str):
        return token
    token = token.strip()
    if not TOKEN_TEXT.fullmatch(token):
        raise HubError(
            "The token is empty or has characters that no token has. Copy it again from the Hub."
        )
    return token


def get_json(path: str, token: Token, params: Mapping[str, Any] | None = None) -> Any:
    """Returns the Hub's answer to one GET, as JSON.

    Unlike the client's own calls it fails after HUB_TIMEOUT.
    """
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
    """Turns whatever the client, the network or the disk raises into a HubError.

    It is a LoginError where the Hub does not accept the token.
    """
    try:
        yield
    except AecoreError:
        raise
    except Exception as error:  # a strange answer can make the client raise anything
        kind = LoginError if is_login_refused(error) else HubError
        raise kind(explain_hub_error(error, repo, revision)) from error


def is_login_refused(error: Exception) -> bool:
    """Returns True for the Hub's 401, unless it hides a repository with it."""
    from huggingface_hub.errors import RepositoryNotFoundError

    status = getattr(getattr(error, "response", None), "status_code", 0)
    return status == 401 and not isinstance(error, RepositoryNotFoundError)


def explain_hub_error(error: Exception, repo: str, revision: str | None) -> str:
    """Returns what went wrong and what to do, without any token or link."""
    host = urlsplit(hub_endpoint()).hostname or "The Hub"
    if text := explain_client_refusal(error, repo, revision, host):
        return text
    if status := getattr(getattr(error, "response", None), "status_code", 0):
        return explain_http_status(status, repo, host, extract_server_reason(error))
    return (
        explain_lost_connection(error, repo, host)
        or explain_disk_error(error, repo)
        or (
            f"The answer of {host} makes no sense ({type(error).__name__}). "
            "Is HF_ENDPOINT the address of a Hub?"
        )
    )


def explain_client_refusal(error: Exception, repo: str, revision: str | None, host: str) -> str:
    """Returns a sentence for what the client has a class of its own for, else an empty text."""
    from huggingface_hub import errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so the Hub is not asked. Unset it."
    if isinstance(error, errors.LocalTokenNotFoundError):
        return "No one is signed in. Run `hf auth login`, or give a token."
    if isinstance(error, errors.GatedRepoError):
        return f"{repo} is gated. Accept its terms on its page, then use a token of that account."
    if isinstance(error, errors.RevisionNotFoundError):
        name = revision or "main"
        return f"{repo} has no revision {name!r}. Give a branch, a tag or a commit's id."
    if isinstance(error, errors.RepositoryNotFoundError):
        hidden = f"{repo or 'It'} does not exist on {host}, or is private."
        return f"{hidden} Check the name, or use a token that may read it."
    return ""


def explain_lost_connection(error: Exception, repo: str, host: str) -> str:
    """Returns a sentence where the Hub could not be asked, else an empty text."""
    from huggingface_hub import constants, errors

    if isinstance(error, errors.LocalEntryNotFoundError) and constants.HF_HUB_OFFLINE:
        return f"{repo} is not in the Hub's cache, and HF_HUB_OFFLINE is set. Pull it once without."
    kind = type(error).__name__
    if kind == "UnsupportedProtocol":  # of httpx, which the client uses
        return "HF_ENDPOINT is no http address. Set it to that of a Hub, or unset it."
    if isinstance(
        error, errors.HTTPError | errors.LocalEntryNotFoundError | ConnectionError | TimeoutError
    ):
        return f"{host} could not be reached ({kind}). Check the network and try again."
    return ""


def explain_disk_error(error: Exception, repo: str) -> str:
    """Returns a sentence where files could not be written, else an empty text."""
    if not isinstance(error, OSError):
        return ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full, so {repo} was not saved. Free some space and try again."
    if error.strerror:
        return (
            f"Files of {repo} cannot be kept here: {error.strerror}. "
            "Choose another folder, or set HF_HOME."
        )
    return ""


def explain_http_status(status: int, repo: str, host: str, reason: str) -> str:
    """Returns a sentence for an HTTP status; `reason` is the server's own, in brackets."""
    if status == 401:
        return f"{host} does not accept this login. Sign in again, or give another token."
    if status == 403:
        owner = repo.split("/")[0] or "this account"
        return (
            f"This login may not write to {owner}{reason}. "
            "Use your own name, and a token that may write."
        )
    if status in (409, 412):
        return f"{repo} was changed by someone else at the same moment. Try again."
    if status == 429:
        return f"{host} has had too many requests from here. Wait a few minutes and try again."
    if status >= 500:
        return f"{host} has a problem of its own ({status}). Try again later."
    return f"{host} refused{reason} ({status}). Check the name and try again."


def extract_server_reason(error: Exception) -> str:
    """Returns the reason that the server gave, as one short line without anything like a token."""
    text = " ".join(str(getattr(error, "server_message", None) or "").split())[:200].rstrip(".")
    return f" ({re.sub(r'hf_[A-Za-z0-9]+', 'hf_...', text)})" if text else ""
