"""What the server keeps in memory for its visitors: one store, bounded by bytes.

`@keep_in_memory` keeps what a function returns for the next call with equal arguments, as
`st.cache_resource` does, with these differences:

- All functions share one budget: the limit `decoded_mb`, and at home half of the memory. When it is
  full, what visitors who have left had brought goes first, then what was not used for longest.
- The owners of private runs and sets among the arguments are a part of the key, and what was made
  of a folder that is deleted goes with it.
- No message of a browser clears it.

What is returned is shared by all who ask for it, and must never be changed.
"""

from __future__ import annotations

import functools
import inspect
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from cachetools import Cache, LRUCache
from pydantic import BaseModel

from aecore.data.memory import measure_usable_memory
from aecore.errors import RoomError
from aecore.files import CONFIG_FILE
from aecore.limits import is_public, read_limit
from aecore.model.config import DataConfig
from aecore.runs.listing import is_shipped_run
from aecore.runs.ownership import read_owner_record
from aecore.runs.run import Run
from aecore.runs.uploads import find_upload_of_path
from ui.kit.progress import show_share
from ui.kit.sessions import get_session_id, is_visitor_present
from ui.kit.sizes import count_bytes, follow_large_blocks

P = ParamSpec("P")
T = TypeVar("T")
decode_lock = threading.Lock()  # data of strangers are read one set at a time: that takes memory
is_computing: ContextVar[bool] = ContextVar("is_computing", default=False)


def read_memory_budget() -> float:
    """Returns how many bytes may be kept."""
    return min(read_limit("decoded_mb") * 1e6, measure_usable_memory() / 2)


# -- the store


class Origin(NamedTuple):
    """What a kept value was made of."""

    owners: tuple[str, ...] = ()  # of private content in it; empty where everybody may see it
    folders: tuple[Path, ...] = ()  # of the runs and sets

    def is_deleted(self) -> bool:
        """Returns True where one of the folders is gone."""
        return not all(folder.exists() for folder in self.folders)

    def is_left(self) -> bool:
        """Returns True for private content whose owners are all away."""
        return bool(self.owners) and not any(map(is_visitor_present, self.owners))


SHARED = Origin()


class KeptValue(NamedTuple):
    """A value that is kept."""

    value: Any
    size: int  # bytes
    origin: Origin
    expires: float  # by time.monotonic


class MemoryStore:
    """Values by their keys, within a budget of bytes; each is computed once at a time."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.kept: LRUCache[Hashable, KeptValue] = LRUCache(
            math.inf, getsizeof=lambda entry: entry.size
        )
        # each held by whoever computes a key's value, and there for as long as somebody waits
        self.locks = weakref.WeakValueDictionary[Hashable, threading.Lock]()
        self.dropped: list[tuple[weakref.ref[object], int]] = []  # large blocks, perhaps in use

    def get(self, key: Hashable) -> KeptValue | None:
        """Returns what is kept under a key; None where nothing is, or it has expired."""
        with self.guard:
            entry = self.kept.get(key)
            return entry if entry and time.monotonic() < entry.expires else None

    def load(
        self,
        key: Hashable,
        compute: Callable[[], Any],
        origin: Origin = SHARED,
        seconds: float = math.inf,
        must_fit: bool = False,
    ) -> Any:
        """Returns the kept value of a key, or computes and keeps it.

        With `must_fit`, raises RoomError for a value that finds no room; any other is returned and
        not kept.
        """
        with self.guard:
            lock = self.locks.setdefault(key, threading.Lock())
        with lock:
            if entry := self.get(key):
                return entry.value
            value = compute()
            if not self.keep(key, value, origin, seconds) and must_fit:
                raise RoomError(
                    f"These data take {count_bytes(value) / 1e6:,.0f} MB of memory, and there is "
                    "no room for them now. Try again in a few minutes, or bring fewer examples."
                )
            return value

    def keep(
        self, key: Hashable, value: Any, origin: Origin = SHARED, seconds: float = math.inf
    ) -> bool:
        """Keeps a value if it finds room; returns whether it did."""
        entry = KeptValue(value, count_bytes(value), origin, time.monotonic() + seconds)
        with self.guard:
            self.kept.pop(key, None)
            fits = self.make_room(entry.size)
            if fits:
                self.kept[key] = entry
            return fits

    def make_room(self, size: int) -> bool:
        """Drops what may go until there is room for a value; returns whether there is."""
        self.drop(Origin.is_deleted)
        room = read_memory_budget() - size
        if room < 0:
            return False
        if self.kept.currsize > room - self.count_dropped():
            self.drop(Origin.is_left)
        while self.kept and self.kept.currsize > room - self.count_dropped():
            self.release(self.kept.popitem()[1])
        return self.kept.currsize <= room - self.count_dropped()

    def drop(self, is_gone: Callable[[Origin], bool]) -> None:
        """Drops the values of origins for which `is_gone`."""
        with self.guard:
            read = functools.partial(Cache.__getitem__, self.kept)  # which does not count as use
            for key in [key for key in self.kept if is_gone(read(key).origin)]:
                self.release(self.kept.pop(key))

    def release(self, entry: KeptValue) -> None:
        """Counts the large blocks of a dropped value for as long as somebody uses them."""
        self.dropped += follow_large_blocks(entry.value)

    def count_dropped(self) -> int:
        """Returns the bytes of dropped values that are still in use."""
        self.dropped = [(block, size) for block, size in self.dropped if block() is not None]
        return sum({id(block()): size for block, size in self.dropped}.values())

    def count_kept(self) -> int:
        """Returns the bytes that are kept."""
        return int(self.kept.currsize)


memory_store = MemoryStore()


def forget_deleted() -> None:
    """Drop at once what was made of runs and sets that are deleted now."""
    memory_store.drop(Origin.is_deleted)


# -- for functions


def keep_in_memory(
    spinner: str = "", *, seconds: float = math.inf, decodes: bool = False
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keeps what a function returns, in a store that all functions share.

    Parameters whose names begin with an underscore are not a part of the key.

    Args:
        spinner: What a page shows while the function works.
        seconds: For how long a value counts.
        decodes: The function reads brought data: that of strangers is read one set at a time, and
            refused with a RoomError where the memory has no room for it.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        signature = inspect.signature(function)
        name = f"{function.__module__}.{function.__qualname__}"

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            arguments = signature.bind(*args, **kwargs).arguments
            values = tuple(arguments[key] for key in arguments if not key.startswith("_"))
            origin = find_origin(values)
            key = (name, freeze(values), origin.owners)
            if entry := memory_store.get(key):
                return entry.value
            is_strange = decodes and bool(origin.owners)

            def compute() -> T:
                with decode_lock if is_strange else nullcontext():
                    return function(*args, **kwargs)

            with show_computing(spinner):  # around it all: a click ends the page where it is hidden
                return memory_store.load(key, compute, origin, seconds, must_fit=is_strange)

        return call

    return decorate


def freeze(value: Any) -> Hashable:
    """Returns a key for arguments: options by their fields, lists and tuples item by item."""
    if isinstance(value, BaseModel):
        return type(value).__name__, value.model_dump_json()
    if isinstance(value, list | tuple):
        return tuple(map(freeze, value))
    return value


@contextmanager
def show_computing(text: str) -> Iterator[None]:
    """Show how far the computing of a value is; not in a thread, nor within another computation."""
    is_shown = bool(text) and bool(get_session_id()) and not is_computing.get()
    spinner: AbstractContextManager[None] = show_share(text) if is_shown else nullcontext()
    token = is_computing.set(True)
    try:
        with spinner:
            yield
    finally:
        is_computing.reset(token)


# -- whose it is


class ExamplesKey(NamedTuple):
    """What identifies examples: a digest of their values, and whose they are."""

    digest: str
    owner: str = ""  # of brought examples


def find_origin(values: Any) -> Origin:
    """Returns the owners of what is private among arguments, and the folders they name."""
    folders = tuple(sorted(set(list_folders(values))))
    owners = {*map(find_private_owner, folders), *list_example_owners(values)} - {""}
    return Origin(tuple(sorted(owners)), folders)


def list_folders(value: Any) -> Iterator[Path]:
    """Yields the folders of runs and brought sets that arguments name."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from list_folders(item)
    elif isinstance(value, Run):
        yield value.path
    elif isinstance(value, DataConfig):
        yield from list_folders(value.name)
    elif isinstance(value, Path) or (isinstance(value, str) and os.sep in value):
        path = Path(value)
        if upload := find_upload_of_path(str(path.absolute())):
            yield upload.path
        elif (path / CONFIG_FILE).is_file():
            yield path


def list_example_owners(value: Any) -> Iterator[str]:
    """Yields the owners of brought examples among arguments."""
    if isinstance(value, ExamplesKey):
        yield value.owner
    elif isinstance(value, list | tuple):
        for item in value:
            yield from list_example_owners(item)


def find_private_owner(folder: Path) -> str:
    """Returns whose alone a run or set is; empty at home, and for what everybody may see."""
    if not is_public() or is_shipped_run(folder):
        return ""
    record = read_owner_record(folder)
    return "" if record.published else record.owner
