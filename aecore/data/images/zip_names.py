"""Names in a .zip that does not say their encoding: all of them together tell it."""

from __future__ import annotations

import unicodedata
import zipfile
from collections.abc import Iterable
from contextlib import suppress

from charset_normalizer import from_bytes

UTF8_FLAG = 0x800
MAX_GUESS_BYTES = 20_000  # of different names, from which the encoding is guessed
# by how often archives have them; zipfile takes the first of each alphabet where names fit several
ENCODINGS = {
    **{"utf_8": "UTF-8", "gb18030": "GBK", "cp932": "Shift-JIS", "cp949": "EUC-KR"},
    **{"big5": "Big5", "cp437": "CP437", "cp850": "CP850", "cp866": "CP866"},
    **{"cp1251": "Windows-1251", "cp1252": "Windows-1252", "cp1253": "Windows-1253"},
    **{"cp1255": "Windows-1255", "cp1256": "Windows-1256", "cp874": "CP874"},
}
# first bytes of the characters of two bytes that are in daily use
COMMON_BYTES = {
    "gb18030": ((0xB0, 0xD7),),
    "big5": ((0xA4, 0xC6),),
    "cp932": ((0x82, 0x83), (0x88, 0x97)),
    "cp949": ((0xB0, 0xC8),),
}


def decode_zip_names(members: Iterable[zipfile.ZipInfo]) -> tuple[dict[str, str], str | None]:
    """Return the right name of each member by the one that `zipfile` gives it, and the encoding.

    The encoding is None where names say it themselves, are in ASCII, or in zipfile's own CP437.
    """
    stated = {info.filename: info.filename for info in members}
    raw = {info.filename: _get_raw_name(info) for info in members}
    unknown = {name: content for name, content in raw.items() if not content.isascii()}
    encoding = guess_name_encoding(unknown.values()) if unknown else None
    if encoding is None or encoding == "cp437":
        return stated, None
    decoded = {
        name: content.decode(encoding, "replace").replace("\ufffd", "?")
        for name, content in unknown.items()
    }
    if len({*(stated | decoded).values()}) < len(stated):  # two names would be one
        return stated, None
    return stated | decoded, ENCODINGS[encoding]


def _get_raw_name(info: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a name that does not say its encoding; none of one that does."""
    if info.flag_bits & UTF8_FLAG:
        return b""
    try:
        return info.filename.encode("cp437")
    except UnicodeEncodeError:
        return b""


def guess_name_encoding(names: Iterable[bytes]) -> str | None:
    """Return the encoding of names, judged together; None where no one fits."""
    parts = dict.fromkeys(part for name in names for part in name.split(b"/"))
    sample = b"\n".join(part for part in parts if not part.isascii())[:MAX_GUESS_BYTES]
    try:
        sample.decode("utf-8")
        return "utf_8"
    except UnicodeDecodeError:
        pass
    chaos = {match.encoding: match.chaos for match in from_bytes(sample, cp_isolation=[*ENCODINGS])}
    ranks = {}
    for place, encoding in enumerate(ENCODINGS):
        with suppress(UnicodeDecodeError):
            odd = count_odd_letters(sample.decode(encoding), encoding)
            ranks[encoding] = (odd, chaos.get(encoding, 1.0), place)
    return min(ranks, key=lambda encoding: ranks[encoding]) if ranks else None


def count_odd_letters(text: str, encoding: str) -> float:
    """Return the share of characters beyond ASCII that names in daily use would not have."""
    others = [character for character in text if not character.isascii()]
    if encoding in COMMON_BYTES:
        odd = sum(not is_common(character, encoding) for character in others)
    else:
        odd = sum(not character.isalpha() for character in others)
        odd += sum(len(list_scripts(word)) > 1 for word in text.split("\n"))
    return odd / max(1, len(others))


def is_common(character: str, encoding: str) -> bool:
    """Return True for a character that is in daily use where this encoding is."""
    content = character.encode(encoding, "replace")
    ranges = COMMON_BYTES[encoding]
    return len(content) == 2 and any(low <= content[0] <= high for low, high in ranges)


def list_scripts(word: str) -> set[str]:
    """Return the alphabets of a word's letters: LATIN, CYRILLIC ..."""
    names = (unicodedata.name(letter, "?") for letter in word if letter.isalpha())
    return {name.split(" ")[0] for name in names}
