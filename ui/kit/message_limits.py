"""How much one browser may send over its connections to a public page.

A connection that sends more than its share is read more slowly, so that the network holds it back;
one that never pauses is closed. Others notice nothing: each connection has a share of its own.
"""

from __future__ import annotations

from asyncio import sleep
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aecore.limits import is_public, read_limit
from ui.kit.visitor_cookie import read_visitor_id

MAX_CONNECTIONS = 20  # of one visitor at a time: each is an open page
MESSAGE_BYTES = 100_000  # a longer message counts as several
POLICY_VIOLATION = 1008  # the websocket's code for a connection that is closed for what it did


class MessageLimits:
    """ASGI middleware: slows websockets that send too much, and closes those that never pause."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.connections: Counter[str] = Counter()  # by visitor; those without cookies not at all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or not is_public():
            await self.app(scope, receive, send)
            return
        visitor = read_visitor_id(Headers(scope=scope))
        if visitor and self.connections[visitor] >= MAX_CONNECTIONS:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        self.connections[visitor] += 1
        try:
            await self.app(scope, limit_messages(receive, send), send)
        finally:
            self.connections[visitor] -= 1
            self.connections += Counter()  # forgets visitors without connections


def limit_messages(receive: Receive, send: Send) -> Receive:
    """Returns `receive` with the pauses that keep one connection to its share."""
    limit = min(max(read_limit("messages"), 1), 1e9)  # none at all would be no page
    share = MessageShare(limit, monotonic())

    async def receive_slowly() -> Message:
        message = await receive()
        if message["type"] != "websocket.receive":
            return message
        size = len(message.get("bytes") or message.get("text") or "")
        pause = share.spend(1 + size // MESSAGE_BYTES, monotonic())
        if share.is_flooded():
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        if pause:
            await sleep(pause)
        return message

    return receive_slowly


@dataclass
class MessageShare:
    """The messages that a connection may send at once; they come back evenly within a minute."""

    limit: float  # a minute
    then: float  # when it was last looked at, in seconds
    left: float = field(init=False)
    paused: int = 0  # messages in a row that had to wait

    def __post_init__(self) -> None:
        self.left = self.limit

    def spend(self, count: float, now: float) -> float:
        """Takes `count` messages from the share; returns the seconds until they are paid for."""
        a_second = self.limit / 60
        self.left = min(self.limit, self.left + (now - self.then) * a_second) - count
        self.then = now
        self.paused = self.paused + 1 if self.left < 0 else 0
        return max(0.0, -self.left / a_second)

    def is_flooded(self) -> bool:
        """Returns True where a whole minute's messages came without one pause."""
        return self.paused > self.limit
