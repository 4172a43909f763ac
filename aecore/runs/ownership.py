"""Whose a run or a brought data set is, and what a visitor may do with it.

The owner stands in .owner.json in the thing's own folder, so that deleting one thing never changes
who may see another. Secrets are kept as digests: whoever reads the folder learns neither a
visitor's cookie nor a private link. A folder without the file belongs to the operator alone; the
models that come with the code belong to everybody.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from aecore.errors import RunError
from aecore.files import OWNER_FILE, read_plain_text, write_text_file
from aecore.model.parts.base import Options
from aecore.runs.file_cache import FileCache
from aecore.runs.listing import is_shipped_run, runs_folder

MAX_TITLE, MAX_NOTE = 100, 2000
SEEN_FOLDER = ".seen"  # in the runs folder: an empty file an owner, touched while they are here
SEEN_SECONDS = 60.0  # between two touches
REFUSAL = "This belongs to somebody else. Only its owner can do that."


class OwnerRecord(Options):
    """.owner.json."""

    owner: str = Field("", max_length=64)  # a digest, as `Visitor.ids`; empty is the operator
    published: bool = False  # everybody may see it
    link: str = Field("", max_length=64)  # the digest of its private link; empty for none
    title: str = Field("", max_length=MAX_TITLE)  # what its owner calls it
    note: str = Field("", max_length=MAX_NOTE)
    made: float = 0.0  # when, in seconds since 1970

    def write(self, folder: Path) -> None:
        """Replaces the record of a run or data set."""
        write_text_file(folder / OWNER_FILE, self.model_dump_json(indent=2) + "\n")


@dataclass(frozen=True)
class Visitor:
    """Somebody who asks for something. The first id is the one that new things are given."""

    ids: tuple[str, ...] = ()
    links: frozenset[str] = frozenset()  # digests of the private links that were opened
    is_operator: bool = False  # everything may be seen and changed, as on one's own machine

    @property
    def owner(self) -> str:
        """The owner that new things are given; empty where the operator makes them."""
        return self.ids[0] if self.ids else ""

    def owns(self, folder: Path) -> bool:
        """Returns True for a thing that is this visitor's own."""
        owner = read_owner_record(folder).owner
        return owner in self.ids if owner else self.is_operator

    def may_see(self, folder: Path) -> bool:
        """Returns True for what is shown to everybody, is one's own, or came by a private link."""
        if self.is_operator or is_shipped_run(folder):
            return True
        record = read_owner_record(folder)
        return (
            record.published
            or (bool(record.owner) and record.owner in self.ids)
            or (bool(record.link) and record.link in self.links)
        )

    def may_change(self, folder: Path) -> bool:
        """Returns True for what this visitor may stop, resume, rename, publish, push or delete."""
        if is_shipped_run(folder):
            return False
        return self.is_operator or self.owns(folder)

    def check_may_change(self, folder: Path) -> None:
        """Raises RunError for what this visitor may only look at."""
        if not self.may_change(folder):
            raise RunError(REFUSAL)


HOME_USER = Visitor(is_operator=True)  # of one's own machine


def digest_secret(kind: str, secret: str) -> str:
    """Returns what is kept of a secret: of a visitor's cookie, an account's name or a link."""
    return hashlib.sha256(f"{kind}:{secret}".encode()).hexdigest()[:32]


def _parse_owner(path: Path) -> OwnerRecord:
    return OwnerRecord.model_validate_json(read_plain_text(path))


_owners = FileCache(_parse_owner)


def read_owner_record(folder: Path) -> OwnerRecord:
    """Reads .owner.json; the operator's where it is missing or torn."""
    try:
        return _owners.read(folder / OWNER_FILE)
    except (OSError, ValueError):
        return OwnerRecord()


def change_owner_record(folder: Path, **changes: object) -> OwnerRecord:
    """Replaces fields of .owner.json; pydantic's ValueError for a value out of bounds."""
    record = OwnerRecord.model_validate({**read_owner_record(folder).model_dump(), **changes})
    record.write(folder)
    return record


def claim_folder(folder: Path, owner: str, published: bool = False) -> None:
    """Writes whose a new thing is; nothing for the operator's."""
    if owner:
        note_visit([owner])
        OwnerRecord(owner=owner, published=published, made=time.time()).write(folder)


def create_private_link(folder: Path) -> str:
    """Returns the secret of a new private link to a thing; an older link ends."""
    secret = secrets.token_urlsafe(16)
    change_owner_record(folder, link=digest_secret("link", secret))
    return secret


def revoke_private_link(folder: Path) -> None:
    """Ends the private link to a thing."""
    change_owner_record(folder, link="")


# -- who was here


def note_visit(owners: Iterable[str]) -> None:
    """Remembers that these owners are here; written once a minute at most."""
    for owner in owners:
        if time.time() - read_last_visit(owner) > SEEN_SECONDS:
            with suppress(OSError):  # a full disk, which is no reason to refuse a page
                seen_folder().mkdir(parents=True, exist_ok=True)
                (seen_folder() / owner).touch()


def read_last_visit(owner: str) -> float:
    """Returns when an owner was here last, in seconds since 1970; 0 where that is not known."""
    try:
        return (seen_folder() / owner).stat().st_mtime
    except OSError:
        return 0.0


def seen_folder() -> Path:
    """Returns the folder that remembers who was here when."""
    return runs_folder() / SEEN_FOLDER
