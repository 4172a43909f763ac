"""The permission to upload: a ticket, which one page was given to fill one new set.

A ticket is hard to guess, lives in the memory of the server, is bound to the browser whose page has
it, and ends when the set is complete. Limits are held against uploads that go on at once: bytes are
counted before they are written.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from aecore.errors import DataError
from aecore.limits import read_limit
from aecore.runs.ownership import Visitor, claim_folder
from aecore.runs.storage import Reservation, format_bytes, ledger, reserve_storage
from aecore.runs.uploads import (
    UploadedData,
    check_upload_name,
    create_upload,
    read_upload_bytes,
)
from ui.kit.browser_id import is_same_cookie

MAX_TICKETS = 10_000  # that may be open at once; the oldest end first


@dataclass
class UploadTicket:
    """The permission to fill one set, which is made when its first file comes."""

    visitor: Visitor
    cookie: str  # of the browser that may use it; empty where it keeps none
    accept: tuple[str, ...]  # suffixes
    upload: UploadedData | None = None
    size: int = 0  # bytes that have come or are coming
    count: int = 0  # files that have come or are coming
    is_open: bool = True
    guard: threading.Lock = field(default_factory=threading.Lock)

    def open_set(self) -> UploadedData:
        """Returns the set, made and claimed at the first call."""
        with self.guard:
            if self.upload is None:
                self.upload = create_upload()
                claim_folder(self.upload.path, self.visitor.owner)
            return self.upload

    def add(self, name: str, size: int, count: int = 0) -> None:
        """Counts bytes and files; DataError where the set would have too many."""
        with self.guard:
            if not self.is_open:
                raise DataError("This set is complete. Bring the file as another one.")
            if self.size + size > read_upload_bytes():
                raise DataError(explain_too_large(name))
            if self.count + count > read_limit("pictures"):
                limit = f"{read_limit('pictures'):,.0f}"
                raise DataError(f"A data set has at most {limit} files. Pack them in one .zip.")
            self.size, self.count = self.size + size, self.count + count

    def subtract(self, size: int) -> None:
        """Counts a file no more that did not come; removes the set if it is left with nothing."""
        with self.guard:
            self.size, self.count = self.size - size, self.count - 1
            if not self.count and self.upload is not None:
                self.upload.delete()
                self.upload = None

    def close(self) -> UploadedData | None:
        """Ends the ticket; returns the set, None where nothing has come."""
        with self.guard:
            self.is_open = False
            return self.upload


class UploadDesk:
    """The open tickets of this server by their secrets, and the uploads that go on."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.tickets: OrderedDict[str, UploadTicket] = OrderedDict()
        self.active: Counter[str] = Counter()  # uploads by the owner of their sets

    def issue(self, visitor: Visitor, cookie: str, accept: Sequence[str]) -> str:
        """Returns the secret of a new ticket."""
        secret = secrets.token_urlsafe(24)
        with self.guard:
            self.tickets[secret] = UploadTicket(visitor, cookie, tuple(accept))
            while len(self.tickets) > MAX_TICKETS:
                self.tickets.popitem(last=False)
        return secret

    def find(self, secret: str, cookie: str) -> UploadTicket | None:
        """Returns an open ticket of that browser; None for any other secret."""
        with self.guard:
            ticket = self.tickets.get(secret)
        return ticket if ticket and is_same_cookie(ticket.cookie, cookie) else None

    def start_over(self, secret: str) -> None:
        """Removes what a ticket has brought so far: its secret stands for a new one, of no set."""
        with self.guard:
            ticket = self.tickets.get(secret)
            if ticket is None:
                return
            self.tickets[secret] = UploadTicket(ticket.visitor, ticket.cookie, ticket.accept)
        if upload := ticket.close():
            upload.delete()
            ledger.forget_measurement()

    def redeem(self, secret: str) -> UploadedData | None:
        """Ends a ticket; returns the set that it filled, None where nothing has come."""
        with self.guard:
            ticket = self.tickets.pop(secret, None)
        return ticket.close() if ticket else None

    @contextmanager
    def admit(self, owner: str) -> Iterator[None]:
        """Counts an upload while it goes on; DataError where there are too many at once."""
        with self.guard:
            if self.active[owner] >= read_limit("visitor_uploads"):
                raise DataError("Your other uploads are still under way. Wait for them.")
            if self.active.total() >= read_limit("uploads"):
                raise DataError("Many visitors are uploading now. Try again in a minute.")
            self.active[owner] += 1
        try:
            yield
        finally:
            with self.guard:
                self.active[owner] -= 1
                self.active = +self.active  # forgets those with none


upload_desk = UploadDesk()


class IncomingFile:
    """A file of a set while it comes, which counts its bytes before they are written."""

    def __init__(self, ticket: UploadTicket, name: str, storage: Reservation) -> None:
        self.ticket, self.name, self.storage = ticket, name, storage
        self.file: IO[bytes] | None = None
        self.counted = 0

    def count(self, size: int) -> None:
        """Counts bytes. Raises DataError or StorageError where there is no room for them."""
        self.ticket.add(self.name, size)
        self.counted += size
        self.storage.take(size)

    def write(self, chunk: bytes) -> None:
        """Writes the next bytes; raises as `count` does where they are more than were counted."""
        assert self.file is not None
        if (missing := self.file.tell() + len(chunk) - self.counted) > 0:
            self.count(missing)
        self.file.write(chunk)


@contextmanager
def receive_upload(
    ticket: UploadTicket, name: str, size: int, folder: str = ""
) -> Iterator[IncomingFile]:
    """Gives a file to write an upload to, which becomes one of the set if the block ends well.

    `size` is what its sender says it has, in bytes; `folder` that it came in. Raises DataError or
    StorageError, also at the end of the block, where the file cannot be taken.
    """
    name = check_upload_name(name)
    if not name.lower().endswith(ticket.accept):
        raise DataError(f"{name} is of no kind that is read here: give a {ticket.accept[0]}.")
    with upload_desk.admit(ticket.visitor.owner), reserve_storage(ticket.visitor) as storage:
        ticket.add(name, 0, count=1)
        incoming = IncomingFile(ticket, name, storage)
        try:
            incoming.count(size)
            with ticket.open_set().receiving(name, folder) as incoming.file:
                yield incoming
                if not incoming.file.tell():
                    raise DataError(f"{name} is empty. Choose another file.")
                ticket.add(name, 0)  # the set is still open
        except BaseException:
            ticket.subtract(incoming.counted)
            raise


def explain_too_large(name: str) -> str:
    """Returns the sentence for a file beyond the limit of its set."""
    limit = f"{format_bytes(read_upload_bytes())} in all"
    return f"{name} is too large: the limit is {limit}. Use fewer or smaller examples."
