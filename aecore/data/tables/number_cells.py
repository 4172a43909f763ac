"""Numbers as people write them: decimal commas, thousands, percent, units and currencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

INFINITE_MARKS = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity", "∞", "-∞", "+∞")
MISSING_MARKS = (
    *INFINITE_MARKS,
    *("", "?", "-", "--", "---", "\N{EN DASH}", "\N{EM DASH}", ".", "..", "...", "*"),
    *("na", "n/a", "n.a.", "<na>", "nan", "-nan", "nat", "null", "(null)", "\\n", "none", "nil"),
    *("missing", "unknown", "undefined", "not available", "k.a.", "n.v.", "s/o", "n/d", "nd"),
    *("#n/a", "#na", "#n/a n/a", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"),
    *("#nv", "#wert!", "#bezug!", "#zahl!", "#name!", "1.#inf", "-1.#inf", "1.#qnan", "-1.#ind"),
)
"""Words, in small letters, that stand for a missing cell in a column of numbers."""

CURRENCIES = (
    "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|TRY|ZAR|KRW|MXN|RUB"
)
NUMBER = (
    r"^(?P<sign>[+-]?)"
    rf"(?P<before>(?:\p{{Sc}}|[A-Z]{{1,2}}\$|{CURRENCIES}|Rs\.?|kr\.?|Fr\.?)?)[ ]*"
    r"(?P<minus>[+-]?)"
    r"(?P<digits>\d[\d.,' ]*|[.,]\d+)"
    r"(?P<exponent>(?:[eE][+-]?\d{1,4})?)[ ]*"
    r"(?P<after>(?:[\p{L}%‰°\p{Sc}\"][^\d]{0,15}[23²³]?)?)$"
)
GROUPED = {  # digits in groups, by the mark before decimals; groups of two are Indian
    ".": r"^[1-9]\d{0,2}(?:(?:,\d{2})*,\d{3}|(?:'\d{3})+|(?: \d{3})+)(?:\.\d*)?$",
    ",": r"^[1-9]\d{0,2}(?:(?:\.\d{3})+|(?:'\d{3})+|(?: \d{3})+)(?:,\d*)?$",
}
PLAIN = {".": r"^(?:\d+\.?\d*|\.\d+)$", ",": r"^(?:\d+,?\d*|,\d+)$"}
LEADING_ZERO = r"^[+-]?0[\dxX][\dA-Fa-f]*$"
LONG_KEY = r"^\d{16,}$"
CLOCK = r"^-?(?:\d+ days?,? ?)?[+-]?\d{1,4}:\d{2}(?::\d{2}(?:\.\d+)?)?$"
MAX_EXACT = 2**53
MOST = 0.9  # of the words of a column of times


class ParsedNumbers(NamedTuple):
    """Words as numbers."""

    values: pa.Array  # int64 where all are whole, else double; null where a word is no number
    units: tuple[str, ...]  # that stand before or after a number; "" where one stands alone
    grouped: str = ""  # a number with marks between its thousands, where there is one


def parse_number_words(words: pa.Array, decimal: str) -> ParsedNumbers:
    """Return words (an array of strings) as numbers, by the mark before decimals.

    Infinite and too large numbers are null.
    """
    import pyarrow.compute as pc

    parts = pc.extract_regex(_spell_plainly(words), NUMBER)
    digits = pc.utf8_trim_whitespace(pc.struct_field(parts, "digits"))
    plain = pc.match_substring_regex(digits, PLAIN[decimal])
    grouped = pc.match_substring_regex(digits, GROUPED[decimal])
    before, after = (pc.struct_field(parts, name) for name in ("before", "after"))
    one_unit = pc.or_(pc.equal(before, ""), pc.equal(after, ""))
    is_number = pc.fill_null(pc.and_(pc.or_(plain, grouped), one_unit), False)
    for mark in (",", "'", " ") if decimal == "." else (".", "'", " "):
        digits = pc.replace_substring(digits, mark, "")
    digits = pc.replace_substring(digits, ",", ".")
    sign = pc.binary_join_element_wise(
        pc.struct_field(parts, "sign"), pc.struct_field(parts, "minus"), ""
    )
    exponent = pc.struct_field(parts, "exponent")
    spelled = pc.binary_join_element_wise(sign, digits, exponent, "")
    spelled = pc.replace_substring(spelled, "+", "", max_replacements=1)
    spelled = pc.if_else(is_number, pc.replace_substring(spelled, "--", ""), None)
    units = pc.if_else(is_number, pc.binary_join_element_wise(before, after, ""), None)
    names = sorted({unit.strip() for unit in pc.unique(units).to_pylist() if unit is not None})
    with_marks = words.filter(pc.fill_null(pc.and_(grouped, pc.invert(plain)), False))
    example = with_marks[0].as_py() if len(with_marks) else ""
    return ParsedNumbers(cast_numbers(spelled), tuple(names), example)


def parse_clock_words(words: pa.Array) -> pa.Array | None:
    """Return times such as 10:30, 0:00:12.5 or `1 days 00:00:00` in seconds, as double.

    Words that are none are null; returns None where most are.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    is_clock = pc.match_substring_regex(words, CLOCK)
    known = len(words) - words.null_count
    if not known or (pc.sum(is_clock).as_py() or 0) < MOST * known:
        return None
    short = pc.match_substring_regex(words, r"(^| )[+-]?\d{1,4}:\d{2}$")
    whole = pc.if_else(short, pc.binary_join_element_wise(words, "00", ":"), words)
    spans = pd.to_timedelta(pd.Series(whole.to_pylist(), dtype=object), errors="coerce")
    seconds = spans.dt.total_seconds().to_numpy()
    return pc.if_else(is_clock, pa.array(seconds, pa.float64(), from_pandas=True), None)


def _spell_plainly(words: pa.Array) -> pa.Array:
    """Return words with one kind of minus and of blank, and a minus for accountants' brackets."""
    import pyarrow.compute as pc

    for letter in ("\u2212", "\u2010", "\u2011"):
        words = pc.replace_substring(words, letter, "-")
    for letter in ("\u00a0", "\u202f", "\u2009", "\u2007"):
        words = pc.replace_substring(words, letter, " ")
    words = pc.replace_substring(words, "\u2019", "'")
    return pc.replace_substring_regex(words, r"^\(([^()]*\d[^()]*)\)$", r"-\1")


def cast_numbers(words: Any) -> Any:
    """Return strings in Python's spelling as int64, or as double where they are not all whole.

    Raises pyarrow's ArrowInvalid for a word that is no number; infinite ones become null.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.cast(words, pa.int64())
    except pa.ArrowInvalid:
        return drop_infinite(pc.cast(words, pa.float64()))


def drop_infinite(values: Any) -> Any:
    """Return numbers of type double with null in place of NaN and infinity."""
    import pyarrow.compute as pc

    finite = pc.is_finite(values)
    if pc.all(finite, min_count=0).as_py():
        return values
    return pc.if_else(finite, values, None)


def has_leading_zeros(words: Any) -> bool:
    """Return True where one of the words is a code such as 01000 rather than a number."""
    import pyarrow.compute as pc

    # most numbers below 1 begin with 0 and a point, and need no closer look
    zeros = pc.and_not(pc.starts_with(words, "0"), pc.starts_with(words, "0."))
    if not pc.any(zeros, min_count=0).as_py():
        return False
    return bool(pc.any(pc.match_substring_regex(words.filter(zeros), LEADING_ZERO)).as_py())


def is_missing_mark(words: Any, marks: tuple[str, ...] = MISSING_MARKS) -> Any:
    """Return True for each word that stands for a missing cell."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(pc.utf8_lower(words), pa.array(marks, pa.string()))
