"""Names and sentences with words of strangers in them: made fit to be shown, as the text they are.

A file name, a column, a class or the id of a run is text wherever it is shown. These functions see
to it, for people (`clean_text`, `clean_name`) and for Markdown (`escape_markdown`, `escape_name`);
`list_few` joins several in a sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_NAME_LENGTH = 100
JOINER = "\u2060"  # is not seen, and keeps renderers from reading more into plain text
JOINERS_OF_LETTERS = "\u200c\u200d"  # belong to the spelling of some scripts and emoji
REPLACEMENT = "\ufffd"
# Markdown takes a backslash before these for text; underscores inside a word are text to it ...
MARKDOWN_MARKS = re.compile(r"[\\`*{}\[\]#|~$]|(?<!\w)_+|_+(?!\w)|:(?!\s)")
# ... but not where renderers look through the finished text, for addresses, :icons: and arrows;
# nor for what makes a list or a heading of a line by its beginning.
MARKDOWN_PATTERNS = re.compile(
    r"^(?=(?:[-+]|\d+[.)])(?:\s|$)|[-=]+$)|[:@](?=\S)|www(?=\.)|(?<!\S)(?:<->|<-|->|--|>=|<=|~=)(?!\S)",
    re.IGNORECASE,
)


def drop_unprintable(text: str) -> str:
    """Returns the text with what cannot be seen dropped, or replaced where it is no character.

    That is directions of writing, which can show a name backwards, control characters, and halves
    of surrogate pairs, which no file and no page can hold.
    """
    if text.isprintable():
        return text
    return "".join(map(_make_printable, text))


def _make_printable(letter: str) -> str:
    if letter.isprintable() or letter in JOINERS_OF_LETTERS:
        return letter
    if letter.isspace():
        return " "
    return "" if unicodedata.category(letter) == "Cf" else REPLACEMENT


def clean_text(text: str) -> str:
    """Returns the text on one line, without what cannot be seen."""
    return " ".join(drop_unprintable(text).split())


def clean_name(text: str, limit: int = MAX_NAME_LENGTH) -> str:
    """Returns the text on one line, of at most `limit` characters; an ellipsis where it was cut."""
    name = clean_text(text)
    return name if len(name) <= limit else f"{name[: limit - 1].rstrip()}\u2026"


def escape_markdown(text: str) -> str:
    """Returns the text on one line so that Markdown shows it as it is: no link, picture or icon.

    Made for Streamlit and for cards of the Hub, which read more than Markdown: formulas, colours,
    icons, and bare addresses as links.
    """
    joined = MARKDOWN_PATTERNS.sub(lambda match: match[0] + JOINER, clean_text(text))
    html = joined.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MARKDOWN_MARKS.sub(lambda match: "".join(f"\\{mark}" for mark in match[0]), html)


def escape_name(text: str, limit: int = MAX_NAME_LENGTH) -> str:
    """Returns a name as `escape_markdown` does, cut to `limit` characters."""
    return escape_markdown(clean_name(text, limit))


def list_few(names: Iterable[str], limit: int = 8) -> str:
    """Joins the first names with commas, and says how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - limit:,} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
