"""What was done to the pictures of a set, counted: a few sentences instead of one for each."""

from __future__ import annotations

from typing import Any, NamedTuple

from aecore.data.raw import ReportProgress, format_count
from aecore.errors import DataError

MAX_NOTES = 10  # of single pictures
NAMED_FILES = 3  # in a sentence about many
CHANGES = {
    "turned": "turned upright by EXIF orientation",
    "frames": "several pages or animated frames, of which the first is read",
    "cmyk": "converted from CMYK to sRGB",
    "profile": "converted from a colour profile to sRGB",
    "no profile": "a colour profile that cannot be used, taken as sRGB",
    "partial": "more bits or bands than could be read, 8 bits of 3; save as TIFF uncompressed",
    "no values": "NaN, infinite or no-data values, taken as the lowest",
    "odd": "not pictures, left out",
    "archive": "archives in the set that are not opened, left out; unpack them first",
}


class ImageNotes:
    """Collects what was left out or changed, and says it in few sentences."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.rejections: list[str] = []
        self.first_refusal = ""  # the first of them with what to do about it
        self.changes: dict[str, list[str]] = {}
        self.counts: dict[str, int] = {}
        self.greys: tuple[float, float] | None = None  # that deep images were scaled by

    def add_change(self, change: str, name: str) -> None:
        """Count a file to which a change of CHANGES was made."""
        names = self.changes.setdefault(change, [])
        if len(names) < NAMED_FILES:
            names.append(name)
        self.counts[change] = self.counts.get(change, 0) + 1

    def list_sentences(self) -> tuple[str, ...]:
        """Return what there is to say; of many unusable pictures the first few are named."""
        rejections = self.rejections[:MAX_NOTES]
        if more := len(self.rejections) - MAX_NOTES:
            rejections += [f"And {more:,} more were left out."] if more > 0 else []
        changes = [self._tell_change(change) for change in self.changes]
        return (*self.sentences, *changes, *rejections)

    def _tell_change(self, change: str) -> str:
        count, names = self.counts[change], [name[:80] for name in self.changes[change]]
        more = f" and {count - len(names):,} more" if count > len(names) else ""
        noun = "file" if change in ("odd", "archive") else "picture"
        return f"{format_count(count, noun)}: {CHANGES[change]} ({', '.join(names)}{more})."


class ImageReading(NamedTuple):
    """Settings for reading the images of a set, and notes about what is left out or changed."""

    set_name: str
    report: ReportProgress
    side: int | None
    leave_out_unusable: bool
    notes: ImageNotes
    greys: tuple[float, float] | None = None  # values of deep images that become 0 and 255
    keeps_order: bool = False  # that of the file, such as the rows of a .parquet; else by name

    def list_choices(self) -> dict[str, Any]:
        """Return the settings that were chosen while reading, as DataConfig has them."""
        choices: dict[str, Any] = {"side": self.side}
        return choices if self.notes.greys is None else choices | {"greys": self.notes.greys}

    def reject(self, reason: str) -> None:
        """Raise DataError, or leave one image out with a note."""
        if not self.leave_out_unusable:
            raise DataError(reason)
        self.notes.first_refusal = self.notes.first_refusal or reason
        # without what to do about it
        self.notes.rejections.append(reason.rsplit(". ", 1)[0].rstrip(".") + ".")

    def leave_out(self, fact: str, done: str, cure: str) -> None:
        """Raise DataError with a fact and its cure, or note the fact and what is done about it."""
        if not self.leave_out_unusable:
            raise DataError(f"{fact}. {cure}")
        self.notes.sentences.append(f"{fact}: {done}.")

    def set_aside(self, change: str, name: str, refusal: str) -> None:
        """Raise DataError, or count a file that is no image among those left out."""
        if not self.leave_out_unusable:
            raise DataError(refusal)
        self.notes.add_change(change, name)
