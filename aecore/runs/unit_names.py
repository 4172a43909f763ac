"""units.json in a run folder: the names that its owner gave to units of the code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from aecore.files import UNIT_NAMES_FILE, read_plain_text, write_text_file
from aecore.names import clean_name

MAX_UNIT_NAME = 60  # letters
MAX_NAMED_UNITS = 5000


def read_unit_names(folder: Path) -> dict[int, str]:
    """Return the names of units by their numbers; none where the file is missing or unsound."""
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        values = json.loads(read_plain_text(folder / UNIT_NAMES_FILE))
        names = {int(unit): str(name) for unit, name in values.items()}
        return clean_unit_names(names)
    return {}


def write_unit_names(folder: Path, names: Mapping[int, str]) -> None:
    """Replace the names of units. OSError where the folder cannot be written."""
    text = json.dumps({str(unit): name for unit, name in clean_unit_names(names).items()}, indent=2)
    write_text_file(folder / UNIT_NAMES_FILE, text + "\n")


def clean_unit_names(names: Mapping[int, str]) -> dict[int, str]:
    """Return names within bounds, by unit, without empty ones."""
    cleaned = {unit: clean_name(name.strip(), MAX_UNIT_NAME) for unit, name in names.items()}
    kept = [(unit, name) for unit, name in sorted(cleaned.items()) if name and unit >= 0]
    return dict(kept[:MAX_NAMED_UNITS])
