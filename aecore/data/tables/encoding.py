"""Text of any encoding as a stream of UTF-8: what it is written in is found from the whole file."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass, field
from typing import IO, cast

from aecore.data.memory import check_data_bytes
from aecore.data.tables.bounds import PART_BYTES
from aecore.data.tables.contents import TableSource, read_first_bytes
from aecore.errors import DataError

MARKS = {  # before UTF-32, whose mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WIDE_ENCODINGS = {
    (4, 0): "utf-32-le",
    (4, 3): "utf-32-be",
    (2, 0): "utf-16-le",
    (2, 1): "utf-16-be",
}
MAX_EVIDENCE = 64_000  # bytes of words with other letters than ASCII's
WORD = re.compile(rb"[\x40-\xff\x20'.\-]{1,200}")
WEST = ("àâæçèéêëîïôœùûüÿ", "äöüßé", "åäöæøéü", "áàâãçéêíñóôõúüºª", "àèéìòù")
EAST = ("ąćęłńóśźż", "áčďéěíĺľňóôŕřšťúůýžä", "áéíóöőúüű", "čćđšž", "ăâîşșţț")
LATIN_LANGUAGES = {  # the letters of their languages; in order of preference
    "cp1252": WEST,
    "cp1250": EAST,
    "cp1254": ("âçğ\u0131iîöşüû",),
    "cp850": WEST,
    "cp437": WEST,
    "cp852": EAST,
    "mac_roman": WEST,
}
OTHER_SCRIPTS = ["cp1251", "cp866", "koi8_r", "cp932", "euc_jp", "gb18030", "big5", "cp949"]
OTHER_SCRIPTS += ["cp1253", "cp1255", "cp1256", "cp874"]
SCRIPT_RUN = re.compile(rb"[\x80-\xff]{2}")
MAX_CONTROLS = 0.1  # of the first bytes of a text
LATIN_SHARE = 0.6  # of the bytes of words: more of them beyond ASCII is another script
OPENING, CLOSING = "\u201c\u2018«¿¡\u201e\u201a", "\u201d»…"  # marks of quotation and the like
DASHES, SIGNS = "\u2013\u2014\u2019", "°€£µ²³±\u00d7½¼¾§©®™·ª¹º¥‰\xa0"
BROKEN = "\ufffd"


@dataclass
class TextFacts:
    """What is known of a text file after one look at all of its bytes."""

    encoding: str = "utf-8"
    size: int = 0  # bytes, as UTF-8 where the file is UTF-16 or UTF-32
    lines: int = 0
    commas: int = 0
    quotes: int = 0
    has_blanks: bool = False  # or other letters than ASCII's, which may be blanks
    has_spaced_quotes: bool = False  # a blank between a separator and a quotation mark
    wide_letters: int = 0  # bytes of letters of several bytes, as far as the file is UTF-8
    evidence: bytearray = field(default_factory=bytearray)  # words that are not UTF-8
    notes: list[str] = field(default_factory=list)


def examine_text(source: TableSource) -> TextFacts:
    """Look at all bytes of a text file. Raises DataError for what is no text, or too long."""
    facts = TextFacts(_find_wide_encoding(read_first_bytes(source), source.name))
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_as_utf8(source, facts.encoding) as stream:
        for part in iter(lambda: stream.read(PART_BYTES), b""):
            _count_marks(facts, part)
            check_data_bytes(facts.size, source.name)
            _check_utf8(facts, part, decoder)
    if not facts.evidence and decoder.getstate()[0]:
        facts.evidence += decoder.getstate()[0]  # a letter that is cut off at the end
    if facts.evidence:
        facts.encoding = choose_encoding(bytes(facts.evidence), facts.wide_letters)
    if facts.encoding not in ("utf-8", "utf-8-sig"):
        facts.notes.append(f"{source.name} is read in the encoding {facts.encoding}, not UTF-8.")
    elif facts.evidence:
        facts.encoding = "utf-8-sig"
        facts.notes.append(f"{source.name} is UTF-8 with broken letters: each is read as {BROKEN}.")
    return facts


def open_as_utf8(source: TableSource, encoding: str, has_broken: bool = True) -> IO[bytes]:
    """Open a text file as a stream of UTF-8 without a byte order mark."""
    stream = source.open()
    if encoding == "utf-8":
        return stream
    text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
    return cast(IO[bytes], Utf8Stream(text))


class Utf8Stream(io.RawIOBase):
    """The UTF-8 of a text, read in parts."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self.text = text
        self.rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, fewer only at the end."""
        if size is None or size < 0:
            return self.rest + self.text.read().encode()
        while len(self.rest) < size:
            letters = self.text.read(size)
            if not letters:
                break
            self.rest += letters.encode()
        found, self.rest = self.rest[:size], self.rest[size:]
        return found

    def close(self) -> None:
        self.text.close()
        super().close()


def choose_encoding(evidence: bytes, wide_letters: int = 0) -> str:
    """Return the likeliest encoding of words that are not UTF-8.

    `wide_letters` are the bytes of the file's letters that are well-formed UTF-8: where most are,
    the others are broken.
    """
    text = evidence.decode("utf-8", "replace")
    broken = text.count(BROKEN)
    wide_letters += sum(not letter.isascii() for letter in text) - broken
    if wide_letters > 4 * broken:
        return "utf-8"
    letters = sum(byte > 0x7F or chr(byte).isalpha() for byte in evidence)
    share = sum(byte > 0x7F for byte in evidence) / letters
    if share > LATIN_SHARE and SCRIPT_RUN.search(evidence):
        return _choose_script(evidence) or _choose_latin(evidence)
    return _choose_latin(evidence)


def _choose_script(evidence: bytes) -> str | None:
    """Return the encoding of a script other than Latin, the commoner of two that are as likely."""
    from charset_normalizer import from_bytes

    matches = from_bytes(evidence, cp_isolation=OTHER_SCRIPTS, threshold=0.3)
    scores = {match.encoding: (-match.coherence, match.chaos) for match in matches}
    known = [name for name in OTHER_SCRIPTS if name in scores]
    return min(known, key=lambda name: scores[name]) if known else None


def _choose_latin(evidence: bytes) -> str:
    scores = {name: rate_latin(evidence, name) for name in LATIN_LANGUAGES}
    return max(scores, key=lambda name: scores[name])


def rate_latin(words: bytes, encoding: str) -> float:
    """Return how far the letters beyond ASCII make sense where they stand, from 0 to 2.

    That is the share of those that fit any language of the encoding, and one alone.
    """
    text = f" {words.decode(encoding, 'replace')} "
    places = [i for i, letter in enumerate(text) if not letter.isascii()]
    around = [text[i - 1 : i + 2] for i in places]
    languages = LATIN_LANGUAGES[encoding]
    counts = [sum(_fits(part, letters) for part in around) for letters in languages]
    fitting = sum(_fits(part, "".join(languages)) for part in around)
    return (fitting + max(counts)) / max(1, len(places))


def _fits(around: str, letters: str) -> bool:
    """Return True if the middle one of three characters belongs between the others."""
    before, letter, after = around[0], around[1], around[2]
    if letter.lower()[0] in letters:  # a capital I with a dot becomes two characters
        return not (
            (letter.isupper() and before.islower()) or (letter.islower() and after.isupper())
        )
    if letter in OPENING:
        return not before.isalnum() and after.isalnum()
    if letter in SIGNS:
        return not (before.isalpha() and after.isalpha())
    return letter in DASHES or (letter in CLOSING and before.isalnum() and not after.isalnum())


def _find_wide_encoding(head: bytes, file_name: str) -> str:
    """Return the encoding that a byte order mark or the pattern of zeros tells; else UTF-8."""
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" not in head:
        return "utf-8"
    for (width, place), encoding in WIDE_ENCODINGS.items():
        zeros = [head[i::width].count(0) / max(1, len(head[i::width])) for i in range(width)]
        others = [share for i, share in enumerate(zeros) if i != place]
        if zeros[place] < 0.2 and min(others) > 0.8:
            return encoding
    controls = sum(byte < 32 and byte not in b"\t\n\r" for byte in head)
    if controls < MAX_CONTROLS * len(head):
        return "utf-8"
    raise DataError(f"{file_name} holds no text but other data. Save it as .csv or .xlsx.")


def _count_marks(facts: TextFacts, part: bytes) -> None:
    facts.size += len(part)
    facts.lines += max(part.count(b"\n"), part.count(b"\r"))
    facts.commas += part.count(b",")
    if not facts.has_blanks:
        facts.has_blanks = b" " in part or b"\t" in part or not part.isascii()
    if b'"' in part:
        facts.quotes += part.count(b'"')
        facts.has_spaced_quotes |= any(mark in part for mark in (b', "', b'; "', b'| "', b'\t "'))


def _check_utf8(facts: TextFacts, part: bytes, decoder: codecs.IncrementalDecoder) -> None:
    """Count the letters of several bytes; collect words once the file is not UTF-8."""
    if not facts.evidence:
        try:
            facts.wide_letters += len(part) - len(decoder.decode(part))
            return
        except UnicodeDecodeError:
            decoder.reset()
    for word in WORD.findall(part):
        if len(facts.evidence) > MAX_EVIDENCE:
            break
        if not word.isascii():
            facts.evidence += word + b"\n"
