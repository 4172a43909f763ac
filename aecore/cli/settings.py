"""The option --set: `part.field=value`, and `data.columns.NAME=kind` with any name."""

from __future__ import annotations

import json
import re
from typing import Any

from aecore.errors import ConfigError

SETTING = re.compile(r'((?:[^="]|"(?:[^"\\]|\\.)*")*)(=?)(.*)', re.DOTALL)


def parse_setting(text: str) -> tuple[str, Any]:
    """Returns (name, value) of `part.field=value`; the value is read as JSON where it can be.

    Quotes in the name are JSON, too, and may hold an equals sign: `data.columns."a=b"=number`.
    """
    match = SETTING.match(text)
    name, equals, value = match.groups() if match else ("", "", "")
    if not equals or not name:
        raise ConfigError(
            f"--set takes PART.FIELD=VALUE, got {text!r}. Write it as bottleneck.beta=2; a name "
            'with an equals sign is quoted: data.columns."a=b"=number.'
        )
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):  # no JSON, or lists in lists by the thousand
        return name, value
