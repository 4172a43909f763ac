"""Signing in for a page inside the frame of another site, where no sign-in can be kept.

The frame shows a link with a secret, and a short code. The link opens a tab, which signs in with
Hugging Face and then asks which code the frame shows: one click on it hands the account over to the
frame's session. A stranger who sends somebody such a link gains nothing by it alone: the tab says
what will happen, and the receiver does not see the stranger's code.

A hand-over lives in the memory of the session that asked for it, counts once, and for a few
minutes.
"""

from __future__ import annotations

import functools
import os
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Literal
from weakref import WeakValueDictionary

import streamlit as st
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from aecore.names import escape_name
from ui.kit.hub_accounts import HubAccount

HANDOVER_SECONDS = 300.0
POLL_SECONDS, IDLE_SECONDS = 1.5, HANDOVER_SECONDS / 2
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without those that look alike
CODE_LENGTH, CODES_SHOWN = 4, 3
HANDOVER_COOKIE = "aecore_handover"
HANDOVER_KEY, RESUMED_KEY, END_KEY = "hub-handover", "hub-handover-resumed", "hub-handover-end"
OLD_LINK = "link"  # of an address: a link that does not count
RISK = (
    "That page can then push models, read private ones and pay for jobs as **{name}**. Did somebody"
    " send you this link? Then choose *Cancel*: your account would be theirs."
)


class Handover:
    """One wish of a frame to be signed in; `code` is what its visitor compares."""

    def __init__(self, made: float) -> None:
        self.made = made
        self.secret = secrets.token_urlsafe(32)
        self.choices = draw_codes()
        self.code = secrets.choice(self.choices)
        self.state: Literal["waiting", "refused", "confirmed"] = "waiting"
        self.account: HubAccount | None = None  # between the tab's click and the frame's next look
        self.is_opened = False  # the frame's visitor clicked on the link


def draw_codes() -> tuple[str, ...]:
    """Returns the short codes of which the frame shows one, and the tab all."""
    codes: set[str] = set()
    while len(codes) < CODES_SHOWN:
        codes.add("".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH)))
    return tuple(codes)


class HandoverDesk:
    """The hand-overs of all sessions, by their secrets; each is forgotten with its session."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.waiting: WeakValueDictionary[str, Handover] = WeakValueDictionary()
        self.guard = threading.Lock()

    def open(self) -> Handover:
        """Returns a new hand-over, which its session must keep."""
        handover = Handover(self.clock())
        with self.guard:
            self.waiting[handover.secret] = handover
        return handover

    def find(self, secret: str) -> Handover | None:
        """Returns the hand-over of a link; None for one that is unknown, used or too old."""
        with self.guard:
            handover = self.waiting.get(secret)
            return handover if handover and self.is_waiting(handover) else None

    def is_waiting(self, handover: Handover) -> bool:
        """Returns True while a hand-over counts."""
        return handover.state == "waiting" and self.measure_age(handover) < HANDOVER_SECONDS

    def measure_age(self, handover: Handover) -> float:
        """Returns how many seconds ago a hand-over was asked for."""
        return self.clock() - handover.made

    def end(self, handover: Handover, code: str, account: HubAccount | None) -> bool:
        """Hands an account over if the code is right; a wrong one, or none, ends the hand-over."""
        with self.guard:
            if not self.is_waiting(handover):
                return False
            is_right = account is not None and code == handover.code
            handover.state = "confirmed" if is_right else "refused"
            handover.account = account if is_right else None
            return is_right

    def take(self, handover: Handover) -> HubAccount | None:
        """Returns the account that was handed over, once."""
        with self.guard:
            account, handover.account = handover.account, None
            return account


@functools.cache
def get_handover_desk() -> HandoverDesk:
    """Returns the hand-overs of this server."""
    return HandoverDesk()


# -- in the frame


def is_framed() -> bool:
    """Returns True inside the frame of another site: no cookie of a sign-in could be kept."""
    return bool(os.environ.get("SPACE_HOST")) and "_streamlit_xsrf" not in st.context.cookies


def offer_handover() -> None:
    """Shows a link to a tab that signs in, and the code to choose there; waits for the account."""
    handover = renew_handover()
    st.link_button(
        "Sign in with Hugging Face",
        f"https://{os.environ['SPACE_HOST']}/handover?secret={handover.secret}",
        icon=":material/open_in_new:",
        on_click=open_handover,
        args=(handover,),
    )
    st.caption(f"A new tab opens. Sign in there, then choose this page's code: **{handover.code}**")
    seconds = POLL_SECONDS if handover.is_opened else IDLE_SECONDS
    st.fragment(partial(wait_for_handover, handover), run_every=seconds)()


def renew_handover() -> Handover:
    """Returns this session's hand-over; a new one where the last has ended or will do so soon."""
    desk, handover = get_handover_desk(), st.session_state.get(HANDOVER_KEY)
    if isinstance(handover, Handover) and not needs_renewal(handover):
        return handover
    if isinstance(handover, Handover) and handover.is_opened:
        st.warning("The other tab did not sign you in here. Try again with the new code.")
    handover = desk.open()
    st.session_state[HANDOVER_KEY] = handover
    return handover


def needs_renewal(handover: Handover) -> bool:
    """Returns True for a link that no longer counts, or not for long enough to begin with it."""
    desk = get_handover_desk()
    is_late = not handover.is_opened and desk.measure_age(handover) >= IDLE_SECONDS
    return is_late or not desk.is_waiting(handover)


def open_handover(handover: Handover) -> None:
    """Notes that the visitor follows the link."""
    handover.is_opened = True


def wait_for_handover(handover: Handover) -> None:
    """Runs the page once more when the other tab has answered, or the link is too old."""
    if needs_renewal(handover):
        st.rerun()


def take_handover() -> HubAccount | None:
    """Returns the account that was handed over to this session, once."""
    handover = st.session_state.get(HANDOVER_KEY)
    account = get_handover_desk().take(handover) if isinstance(handover, Handover) else None
    if account:
        del st.session_state[HANDOVER_KEY]
    return account


# -- in the tab


async def begin_handover(request: Request) -> Response:
    """GET /handover?secret=: remembers the link in a cookie, since a sign-in returns to Home."""
    secret = request.query_params.get("secret", "")
    if get_handover_desk().find(secret) is None:
        return RedirectResponse(f"/hub?{OLD_LINK}=old", 303)
    answer = RedirectResponse("/hub", 303)
    seconds = int(HANDOVER_SECONDS)
    answer.set_cookie(
        HANDOVER_COOKIE, secret, seconds, path="/", secure=True, httponly=True, samesite="lax"
    )
    return answer


def find_handover() -> Handover | None:
    """Returns the hand-over that this tab was opened for, while it counts."""
    secret = st.context.cookies.get(HANDOVER_COOKIE, "")
    return get_handover_desk().find(secret) if secret else None


def resume_handover(page: str) -> None:
    """Goes to a page once a session where a hand-over waits: a sign-in returns to Home."""
    if not st.session_state.get(RESUMED_KEY) and find_handover():
        st.session_state[RESUMED_KEY] = True
        st.switch_page(page)


def show_handover_end() -> None:
    """Says how this tab's hand-over ended, and whether its link counts."""
    if text := st.session_state.pop(END_KEY, ""):
        st.info(text, icon=":material/tab_close:")
    elif st.query_params.get(OLD_LINK):
        st.info("This link was used, or is too old. Go back to the page and click there again.")


def show_handover(handover: Handover, account: HubAccount | None) -> None:
    """Asks the visitor of the tab to sign in, then whether the frame shall have the account."""
    st.session_state[RESUMED_KEY] = True
    if account is None:
        st.markdown("**Sign in for the page that you came from.** You are asked before it is.")
        show_sign_in_button()
    else:
        name = escape_name(account.name)
        st.markdown(f"**Sign in as {name} on the page that you came from?**")
        st.warning(RISK.format(name=name), icon=":material/warning:")
        st.markdown("Choose the code that it shows:")
        with st.container(horizontal=True):
            for code in handover.choices:
                st.button(code, on_click=end_handover, args=(handover, code, account))
    st.button("Cancel", type="tertiary", on_click=end_handover, args=(handover, "", None))


def show_sign_in_button() -> None:
    """Shows the button that goes to Hugging Face and comes back signed in."""
    st.button(
        "Sign in with Hugging Face",
        icon=":material/login:",
        on_click=st.login,
        args=("huggingface",),
    )


def end_handover(handover: Handover, code: str, account: HubAccount | None) -> None:
    """Hands the account over, or nothing where the code is not the frame's; says so."""
    is_right = get_handover_desk().end(handover, code, account)
    st.session_state[END_KEY] = (
        "Done: the other page is signed in. You can close this tab."
        if is_right
        else "Nobody was signed in on the other page. To try again, click there on its new link."
    )
