"""The Hub accounts of visitors who signed in through another tab, in this server's memory alone.

A frame of another site keeps no sign-in, so the server does, for the browser that the frame is in.
It ends when either tab signs out, when the token expires or is refused, and when the browser's last
session has ended.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from ui.kit.sessions import call_at_session_end

SIGN_IN_SECONDS = 480 * 60.0  # as hf_oauth_expiration_minutes in README.md


class HubAccount(NamedTuple):
    """Somebody's account on the Hub, with the token that acts for it."""

    name: str
    token: str
    ends: float  # when the token expires, in seconds since 1970


class HubAccounts:
    """Accounts by the ids of browsers, and the tokens that count no more, as digests."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.accounts: dict[str, HubAccount] = {}
        self.sessions: dict[str, set[str]] = {}  # that use an account, by the browser's id
        self.ended: dict[str, float] = {}  # until when a token would have lived, by its digest
        self.guard = threading.Lock()

    def keep(self, browser: str, session_id: str, account: HubAccount) -> None:
        """Keeps the account of a browser, which one of its sessions was given."""
        with self.guard:
            self.accounts[browser] = account
            self.sessions.setdefault(browser, set()).add(session_id)

    def find(self, browser: str, session_id: str) -> HubAccount | None:
        """Returns the account of a browser, if it is signed in; its session uses it from now on."""
        with self.guard:
            self._drop_old()
            if browser in self.accounts:
                self.sessions[browser].add(session_id)
            return self.accounts.get(browser)

    def leave(self, session_id: str) -> None:
        """Ends the accounts that only a session which has ended was using."""
        with self.guard:
            for browser, sessions in list(self.sessions.items()):
                sessions.discard(session_id)
                if not sessions:
                    self._forget(browser)

    def end(self, token: str) -> None:
        """Ends the sign-in with a token everywhere on this server."""
        with self.guard:
            self.ended[digest_token(token)] = self.clock() + SIGN_IN_SECONDS
            for browser in [key for key, kept in self.accounts.items() if kept.token == token]:
                self._forget(browser)

    def renew(self, token: str) -> None:
        """Lets a token count again, which somebody entered anew."""
        with self.guard:
            self.ended.pop(digest_token(token), None)

    def is_ended(self, token: str) -> bool:
        """Returns True for a token that was signed out or that the Hub refused."""
        with self.guard:
            self._drop_old()
            return digest_token(token) in self.ended

    def _drop_old(self) -> None:
        now = self.clock()
        self.ended = {key: until for key, until in self.ended.items() if until > now}
        for browser in [key for key, account in self.accounts.items() if account.ends <= now]:
            self._forget(browser)

    def _forget(self, browser: str) -> None:
        self.accounts.pop(browser, None)
        self.sessions.pop(browser, None)


def digest_token(token: str) -> str:
    """Returns what is kept of a token that has ended."""
    return hashlib.sha256(token.encode()).hexdigest()


@functools.cache
def get_hub_accounts() -> HubAccounts:
    """Returns the accounts that this server keeps."""
    accounts = HubAccounts()
    call_at_session_end(accounts.leave)
    return accounts
