"""The files that a command is given, opened as one set of data; a sentence where that fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aecore.data.catalog import CATALOG
from aecore.data.images.loose_pictures import are_loose_pictures, gather_pictures
from aecore.errors import AecoreError, DataError
from aecore.names import clean_name


@contextmanager
def open_files(names: Sequence[str]) -> Iterator[str]:
    """Gives the one path, or name of a known set, by which what was named is read."""
    if len(names) == 1 and (names[0] in CATALOG or not are_loose_pictures([Path(names[0])])):
        yield names[0]
        return
    with gather_pictures([Path(name) for name in names]) as folder:
        yield str(folder)


@contextmanager
def explain_any_error(name: str) -> Iterator[None]:
    """Turns what a library raises of a damaged file into a sentence that names the file."""
    try:
        yield
    except AecoreError:
        raise
    except (Exception, RecursionError) as error:
        reason = clean_name(str(error), 200)
        raise DataError(
            f"{Path(name).name} cannot be read ({type(error).__name__}: {reason}). "
            "Save it again, or bring it in another format."
        ) from error
