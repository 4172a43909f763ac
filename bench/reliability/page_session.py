"""A page as a browser holds it, without the browser: Streamlit's messages over a websocket.

What is asked is what a browser would ask: the states of widgets that were moved, the parts of the
page that are in its cache, and the fragments that poll, each at its interval.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bench.reliability.widget_states import make_event_state, make_widget_state

COOKIE_NAME = "aecore_visitor"  # of the visitor's id
CACHED_RUNS = 2  # runs of the script after which a browser forgets a part that was not shown
ANSWER_SECONDS = 60.0  # after which a page counts as hanging


class Answer(NamedTuple):
    """How long a page took to answer, and what was wrong with the answer."""

    seconds: float
    problems: tuple[str, ...]


class Shown(NamedTuple):
    """One element of the page."""

    element: Element
    fragment: str  # the id of the part that runs by itself, empty for the whole page
    run: str  # the run of the script that drew it last


class PageSession:
    """One browser tab: what it shows, and what can be done with it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.pages: dict[str, str] = {}  # the pages' hashes by their addresses
        self.page, self.query = "", ""
        self.elements: dict[tuple[int, ...], Shown] = {}
        self.states: dict[str, WidgetState] = {}
        self.cache: dict[str, tuple[ForwardMsg, int]] = {}
        self.timers: dict[str, asyncio.Task[None]] = {}
        self.runs = 0  # whole runs of the script that have ended
        self.run, self.fragments = "", frozenset[str]()  # of the script, under way
        self.wanted, self.has_begun = "", False  # the fragment that is waited for
        self.waiting: asyncio.Future[None] | None = None
        self.closed = ""  # why there are no more answers

    # -- what a visitor does

    async def go(self, page: str = "", query: str = "") -> Answer:
        """Open a page by its address, such as "train" and "variant=vae"; waits for all of it."""
        state = ClientState(query_string=query, page_script_hash=self.pages.get(page, ""))
        if not state.page_script_hash:
            state.page_name = page
        self.states.clear()
        return await self.ask(state)

    async def press(self, shown: Shown, value: Any = True) -> Answer:
        """Move a widget to a value, or press a button; waits for the answer."""
        state = make_widget_state(shown.element, value)
        is_button = shown.element.WhichOneof("type") == "button"
        return await self.send_state(state, shown.fragment, keeps=not is_button)

    async def trigger(self, shown: Shown, event: str, value: Any) -> Answer:
        """Send an event of a component, as its JavaScript does; waits for the answer."""
        state = make_event_state(shown.element.bidi_component.id, event, value)
        return await self.send_state(state, shown.fragment, keeps=False)

    def find(self, kind: str, label: str = "") -> Shown | None:
        """Returns the first element of that kind whose label begins so; None where none does."""
        return next(iter(self.list_shown(kind, label)), None)

    def list_shown(self, kind: str, label: str = "") -> list[Shown]:
        """Returns the elements of that kind whose labels begin so, in the order of the page."""
        shown = [self.elements[path] for path in sorted(self.elements)]
        of_kind = [one for one in shown if one.element.WhichOneof("type") == kind]
        return [
            one
            for one in of_kind
            if not label or getattr(one.element, kind).label.startswith(label)
        ]

    # -- asking

    async def send_state(self, state: WidgetState, fragment: str, keeps: bool) -> Answer:
        """Ask for the page with one more widget moved; `keeps` where it stays so."""
        if keeps:
            self.states[state.id] = state
        asked = self.make_state(fragment)
        if not keeps:
            asked.widget_states.widgets.append(state)
        return await self.ask(asked)

    def make_state(self, fragment: str = "") -> ClientState:
        """Returns what a browser says of itself when it asks."""
        state = ClientState(
            query_string=self.query, page_script_hash=self.page, fragment_id=fragment
        )
        state.widget_states.widgets.extend(self.states.values())
        state.cached_message_hashes.extend(self.cache)
        return state

    async def ask(self, state: ClientState) -> Answer:
        """Send a request and wait until the script has ended for it.

        ConnectionError where the connection was closed before.
        """
        if self.closed:
            raise ConnectionError(self.closed)
        started = time.perf_counter()
        self.waiting = asyncio.get_running_loop().create_future()
        self.wanted, self.has_begun = state.fragment_id, False
        if not state.fragment_id:
            self.stop_timers()
        await self.send(BackMsg(rerun_script=state))
        try:
            await asyncio.wait_for(self.waiting, ANSWER_SECONDS)
        except TimeoutError:
            return Answer(ANSWER_SECONDS, (f"no answer within {ANSWER_SECONDS:.0f} s",))
        problems = [self.closed] if self.closed else self.list_exceptions()
        return Answer(time.perf_counter() - started, tuple(problems))

    async def send(self, message: BackMsg) -> None:
        """Send one message; a closed connection ends the waiting instead."""
        try:
            await self.socket.send(message.SerializeToString())
        except WebSocketException as error:
            self.end_waiting(f"the connection is closed ({error})")

    def list_exceptions(self) -> list[str]:
        """Returns the exceptions that the page shows."""
        return [
            f"{shown.element.exception.type}: {shown.element.exception.message[:120]}"
            for shown in self.list_shown("exception")
        ]

    # -- what the server sends

    async def read(self) -> None:
        """Take messages until the connection ends."""
        try:
            async for data in self.socket:
                self.take(ForwardMsg.FromString(data))
        except WebSocketException as error:
            self.end_waiting(f"the connection broke off ({error})")
        else:
            self.end_waiting("the server closed the connection")
        finally:
            self.stop_timers()

    def end_waiting(self, closed: str = "") -> None:
        """Let the waiting request have its answer."""
        self.closed = closed or self.closed
        if self.waiting and not self.waiting.done():
            self.waiting.set_result(None)

    def take(self, message: ForwardMsg) -> None:
        """Take one message of the server."""
        match message.WhichOneof("type"):
            case "ref_hash":
                kept, _ = self.cache[message.ref_hash]
                self.cache[message.ref_hash] = kept, self.runs
                self.draw(kept, message)
            case "delta":
                if message.metadata.cacheable:
                    self.cache[message.hash] = message, self.runs
                self.draw(message, message)
            case "new_session":
                self.begin_run(message)
            case "script_finished":
                self.end_run(message)
            case "navigation":
                self.page = message.navigation.page_script_hash
                pages = message.navigation.app_pages
                self.pages = {
                    "" if page.is_default else page.url_pathname: page.page_script_hash
                    for page in pages
                }
            case "page_info_changed":
                self.query = message.page_info_changed.query_string
            case "auto_rerun":
                self.start_timer(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            case "stop_auto_rerun":
                self.stop_timers(message.stop_auto_rerun.fragment_ids)

    def draw(self, kept: ForwardMsg, message: ForwardMsg) -> None:
        """Put an element in its place."""
        path, delta = tuple(message.metadata.delta_path), kept.delta
        if delta.WhichOneof("type") == "new_element":
            self.elements[path] = Shown(delta.new_element, delta.fragment_id, self.run)

    def begin_run(self, message: ForwardMsg) -> None:
        """Note which run of the script begins."""
        self.run = message.metadata.run.script_run_id
        self.fragments = frozenset(message.metadata.run.fragment_ids)
        is_answer = self.wanted in self.fragments or not self.fragments
        self.has_begun = self.has_begun or is_answer
        if not self.fragments:
            self.page = message.new_session.page_script_hash
            self.stop_timers()

    def end_run(self, message: ForwardMsg) -> None:
        """Forget what the run did not draw again, and answer who waits for it."""
        if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return
        self.elements = {
            path: shown for path, shown in self.elements.items() if not self.is_stale(shown)
        }
        if not self.fragments:
            self.runs += 1
            recent = self.runs - CACHED_RUNS
            self.cache = {key: kept for key, kept in self.cache.items() if kept[1] >= recent}
        if self.has_begun:
            self.end_waiting()

    def is_stale(self, shown: Shown) -> bool:
        """Returns True for an element that the run could have drawn, and did not."""
        return shown.run != self.run and (not self.fragments or shown.fragment in self.fragments)

    # -- fragments that poll

    def start_timer(self, fragment: str, seconds: float) -> None:
        """Ask for a fragment again and again."""
        self.stop_timers([fragment])
        self.timers[fragment] = asyncio.create_task(self.poll(fragment, seconds))

    async def poll(self, fragment: str, seconds: float) -> None:
        """Ask for a fragment at every interval, without waiting for it."""
        while not self.closed:
            await asyncio.sleep(seconds)
            state = self.make_state(fragment)
            state.is_auto_rerun = True
            await self.send(BackMsg(rerun_script=state))

    def stop_timers(self, fragments: Any = None) -> None:
        """Stop the timers of these fragments, or all."""
        for fragment in list(self.timers if fragments is None else fragments):
            if timer := self.timers.pop(fragment, None):
                timer.cancel()


def make_cookie(name: str) -> str:
    """Returns the cookie of a visitor of that name, as the server would have made one."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


@asynccontextmanager
async def open_session(address: str, cookie: str) -> AsyncIterator[PageSession]:
    """Connect as the visitor of that cookie; the page closes at the end."""
    url = address.replace("http", "ws", 1) + "/_stcore/stream"
    headers = {"Cookie": f"{COOKIE_NAME}={cookie}"}
    connection = connect(
        url,
        additional_headers=headers,
        subprotocols=["streamlit"],  # type: ignore[list-item]
        max_size=None,
        proxy=None,
        ping_interval=None,
        open_timeout=ANSWER_SECONDS,
    )
    async with connection as socket:
        session = PageSession(socket)
        reader = asyncio.create_task(session.read())
        try:
            yield session
        finally:
            session.stop_timers()
            reader.cancel()
