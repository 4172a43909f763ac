"""The option --set: `part.field=value`, and `data.columns.NAME=kind` with any name."""

from __future__ import annotations

import json
from typing import Any

from aecore.errors import ConfigError
from aecore.runs.plan import COLUMNS_PREFIX


def parse_setting(text: str) -> tuple[str, Any]:
    """Returns (name, value) of `part.field=value`; the value is read as JSON where it can be.

    The name of a column that holds `=` is quoted as JSON: `data.columns."a=b"=number`. So may any
    other be; without quotes all between `data.columns.` and the first `=` is the name.
    """
    if text.startswith(f'{COLUMNS_PREFIX}"'):
        column, text = split_quoted_name(text, len(COLUMNS_PREFIX))
        return f"{COLUMNS_PREFIX}{column}", parse_value(text)
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(
            f"--set takes PART.FIELD=VALUE, got {text!r}. Write it as bottleneck.beta=2."
        )
    return name, parse_value(value)


def split_quoted_name(text: str, start: int) -> tuple[str, str]:
    """Returns the JSON string that begins at `start`, and what follows the `=` after it."""
    try:
        name, end = json.JSONDecoder().raw_decode(text, start)
    except ValueError:
        name, end = "", len(text)
    if text[end : end + 1] != "=":
        raise ConfigError(
            f"--set takes {COLUMNS_PREFIX}NAME=KIND, got {text!r}. "
            f'Quote a name as JSON: {COLUMNS_PREFIX}"a=b"=number.'
        )
    return name, text[end + 1 :]


def parse_value(text: str) -> Any:
    """Returns the text as JSON where it is such, else as it stands."""
    try:
        return json.loads(text)
    except ValueError:
        return text
