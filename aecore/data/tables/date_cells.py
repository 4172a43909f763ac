"""Dates as people write them, and the numbers that a model gets of them."""

from __future__ import annotations

import calendar
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ISO = "ISO8601"
SECONDS = "s"  # since 1970, as computers count
MILLISECONDS = "ms"
WHOLE_DAYS = "%Y%m%d"
ISO_SHAPE = (
    r"^\d{4}-\d{1,2}(-\d{1,2})?([T ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?)?"
    r" ?(Z|UTC|[+-]\d{2}:?\d{2})?$"
)
ZONE_SHAPE = r"(Z|UTC|[+-]\d{2}:?\d{2})$"
SHAPE = (
    r"^(\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}[. -] ?[A-Za-z]{3,9}\.?[ -]\d{2,4}"
    r"|[A-Za-z]{3,9}\.? \d{1,2},? \d{4})(,?[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?)?$"
)
DAYS_FIRST = ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%d-%m-%y")
MONTHS_FIRST = ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y", "%m-%d-%y", "%m.%d.%Y")
OTHERS = (
    *("%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y"),
    *("%d %B %Y", "%B %d, %Y", "%B %d %Y", "%d. %B %Y", "%d. %b %Y"),
)
TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
MAX_SAMPLE = 200
MAX_ISO_TEXTS = 100_000  # that tell how dates are written
LEAST_LENGTH = 0.5  # of the sine and cosine of an hour: means of many hours are shorter
DATE_SHARE = 0.95  # of the words of a column of dates


class ParsedDates(NamedTuple):
    """Words as dates."""

    values: pd.Series  # datetime64[us] without a zone; NaT where a word is no date
    written: str  # how: a format of Python, or ISO8601
    note: str = ""


def parse_date_words(words: pd.Series, day_first: bool, written: str = "") -> ParsedDates | None:
    """Return words as dates, written as most of them are; None where they are none.

    `day_first` says what 01/02/2024 is where no other word tells. With `written`, a format, there
    is nothing to guess.
    """
    if written:
        return ParsedDates(_read_dates(words, written), written)
    if len(words) == 0:
        return None
    if words.str.match(ISO_SHAPE).mean() >= DATE_SHARE:
        values = _read_dates(words, ISO)
        note = _describe_zones(words)
        return ParsedDates(values, ISO, note) if values.notna().mean() >= DATE_SHARE else None
    if words.str.match(SHAPE).mean() < DATE_SHARE:
        return None
    fitting = _find_formats(words, day_first)
    if not fitting:
        return None
    written = fitting[0]
    twin = _is_other_order(written, fitting[1:])
    note = (
        "Day and month could be the other way round: read as "
        f"{'day before month' if _has_day_first(written) else 'month before day'}."
    )
    return ParsedDates(_read_dates(words, written), written, note if twin else "")


def _find_formats(words: pd.Series, day_first: bool) -> list[str]:
    """Return the formats that read the words, the likeliest first."""
    first, second = (DAYS_FIRST, MONTHS_FIRST) if day_first else (MONTHS_FIRST, DAYS_FIRST)
    dates = ("%d.%m.%Y", "%d.%m.%y", *first, *second, *OTHERS)
    names = [f"{date}{time}" for date, time in itertools.product(dict.fromkeys(dates), TIMES)]
    sample = words.iloc[:: max(1, len(words) // MAX_SAMPLE)]
    names = [name for name in names if _read_dates(sample, name).notna().mean() >= DATE_SHARE]
    shares = {name: _read_dates(words, name).notna().mean() for name in names}
    best = max(shares.values(), default=0)
    return [name for name, share in shares.items() if share == best and share >= DATE_SHARE]


def _has_day_first(written: str) -> bool:
    return written.startswith("%d")


def _is_other_order(written: str, others: list[str]) -> bool:
    numeric = "%b" not in written and "%B" not in written and not written.startswith("%Y")
    return numeric and any(_has_day_first(name) != _has_day_first(written) for name in others)


def _read_dates(words: pd.Series, written: str) -> pd.Series:
    """Return words of a format as datetime64[us] without a zone: the clock of each, or UTC."""
    import pandas as pd

    if written != ISO:
        return pd.to_datetime(words, format=written, errors="coerce").astype("datetime64[us]")
    if len(list_zones(words)) <= 1:  # of one zone: as its clocks show
        words = words.str.replace(rf" ?{ZONE_SHAPE}", "", regex=True).where(
            words.str.len() > 10, words
        )
    dates = pd.to_datetime(words, format=ISO, errors="coerce", utc=True)
    return dates.dt.tz_localize(None).astype("datetime64[us]")


def list_zones(words: pd.Series) -> set[str]:
    """Return the zones that stand behind the times of dates."""
    times = words[words.str.len() > 10]
    return set(times.str.extract(ZONE_SHAPE, expand=False).dropna())


def find_iso_format(texts: pa.ChunkedArray) -> str:
    """Return the format of Python that writes dates as the longest of the first ISO texts is.

    Times are in the zone that they are read in: the one of all texts, or UTC where they differ.
    """
    import pandas as pd

    known = pd.Series(texts.slice(0, MAX_ISO_TEXTS).drop_null().to_pylist(), dtype=object)
    longest = max(known, key=len, default="")
    if len(longest) < len("2024-01-01"):
        return "%Y-%m"
    clock = longest[11:]
    if not clock:
        return "%Y-%m-%d"
    zones = list_zones(known)
    zone = "+00:00" if len(zones) > 1 else next(iter(zones), "")
    seconds = ":%S" if clock.removesuffix(zone).count(":") > 1 else ""
    return f"%Y-%m-%d{longest[10]}%H:%M{seconds}{zone}"


def _describe_zones(words: pd.Series) -> str:
    zones = sorted(list_zones(words))
    if not zones:
        return ""
    return f"Times are those of the zone {zones[0]}." if len(zones) == 1 else "Times are in UTC."


# -- the numbers that a model gets


def choose_date_parts(dates: np.ndarray[Any, Any]) -> tuple[str, ...]:
    """Return which parts of dates (datetime64, NaT where missing) tell something.

    That is the time, and the season, weekday and hour where they vary.
    """
    import pandas as pd

    known = pd.DatetimeIndex(dates[~np.isnat(dates)])
    varying = {
        "season": known.month.nunique() > 3,
        "weekday": known.dayofweek.nunique() > 1 and known.day.nunique() > 1,
        "hour": known.hour.nunique() > 1,
    }
    return ("time", *(part for part, varies in varying.items() if varies))


def list_date_features(name: str, parts: tuple[str, ...]) -> list[str]:
    """Return the names of the features of a date's parts."""
    features = []
    for part in parts:
        turns = part in ("season", "weekday", "hour")
        features += [f"{name}[{part} {wave}]" for wave in ("sin", "cos")] if turns else []
        features += [] if turns else [f"{name}[{part}]"]
    return features


def list_part_slices(parts: tuple[str, ...]) -> dict[str, slice]:
    """Return the places of each part's features among those of a date."""
    slices, start = {}, 0
    for part in parts:
        slices[part] = slice(start, start + len(list_date_features("", (part,))))
        start = slices[part].stop
    return slices


def spell_date_part(part: str, features: np.ndarray[Any, Any]) -> list[str | None]:
    """Return one part of dates, other than the time, in words: `14:30`, `Monday`.

    features (n, 1 or 2). None where sine and cosine are both small, as the mean of all hours is.
    """
    if part == "year":
        return [f"{year:.0f}" for year in features[:, 0]]
    turns = np.nan_to_num(np.arctan2(features[:, 0], features[:, 1]) / (2 * np.pi)) % 1
    is_vague = ~(np.hypot(features[:, 0], features[:, 1]) >= LEAST_LENGTH)
    texts = [_spell_turn(part, turn) for turn in turns.tolist()]
    return [None if vague else text for vague, text in zip(is_vague, texts, strict=True)]


def _spell_turn(part: str, turn: float) -> str:
    if part == "weekday":
        return calendar.day_name[round(7 * turn) % 7]
    if part == "hour":
        minutes = round(24 * 60 * turn) % (24 * 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}"
    return str(np.datetime64("2023-01-01") + round(365.25 * turn) % 365)[5:]


def compute_date_features(
    dates: np.ndarray[Any, Any], parts: tuple[str, ...], start: np.datetime64
) -> list[np.ndarray[Any, Any]]:
    """Return the features (N,) of dates, NaN where one is missing: days since `start`, the year,

    and sine and cosine of what comes round again.
    """
    import pandas as pd

    index = pd.DatetimeIndex(dates)
    clock = (index.hour + index.minute / 60 + index.second / 3600).to_numpy(np.float64)
    turns = {
        "season": (index.dayofyear.to_numpy(np.float64) - 1) / 365.25,
        "weekday": index.dayofweek.to_numpy(np.float64) / 7,
        "hour": clock / 24,
    }
    features: list[np.ndarray[Any, Any]] = []
    for part in parts:
        if part == "time":
            features.append((index - pd.Timestamp(start)).to_numpy() / np.timedelta64(1, "D"))
        elif part == "year":
            features.append(index.year.to_numpy(np.float64))
        else:
            angle = 2 * np.pi * turns[part]
            features += [np.sin(angle), np.cos(angle)]
    return features
