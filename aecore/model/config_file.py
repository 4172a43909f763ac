"""config.json as it stands in a run folder: read within bounds, and none of its options checked.

No torch is imported, so that runs are listed at once; `weights.read_config` checks all of it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from aecore.errors import CheckpointError
from aecore.files import CONFIG_FILE, is_plain_file

MAX_CONFIG_BYTES = 4_000_000  # the kinds of 100,000 columns


class ConfigNames(NamedTuple):
    """The variant, data and sweep that a config.json names."""

    variant: str
    data: str  # a set of the catalog or a path; empty where the config names none
    sweep: str  # empty where it is of none


def read_config_names(folder: Path) -> ConfigNames:
    """Return the names in a folder's config.json; CheckpointError where they are not there."""
    match values := read_config_values(folder):
        case {"model": {"variant": str(variant)}}:
            data, sweep = values.get("data"), values.get("sweep")
            name = data.get("name") if isinstance(data, dict) else ""
            texts = [text if isinstance(text, str) else "" for text in (name, sweep)]
            return ConfigNames(variant, *texts)
    raise CheckpointError(f"{folder / CONFIG_FILE} names no variant. Pull or copy the run again.")


def read_config_values(folder: Path) -> Any:
    """Return the JSON of a folder's config.json; CheckpointError says what is wrong with the file.

    That it is an object of sound options is not checked.
    """
    path = folder / CONFIG_FILE
    try:
        check_plain_file(path)
        size = path.stat().st_size
        if size > MAX_CONFIG_BYTES:
            raise CheckpointError(f"{path} has {size:,} bytes; the limit is {MAX_CONFIG_BYTES:,}.")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} has no {path.name}. Give the path of a run's folder, or the name of a "
            "model that comes with aecore."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} cannot be read as JSON ({error}). Pull or copy the run again."
        ) from error


def check_plain_file(path: Path) -> None:
    """Raise CheckpointError for a FIFO, a device or a folder, which nobody should open.

    Links are followed: the Hub's cache has a link for each file.
    """
    if os.path.exists(path) and not is_plain_file(path):
        raise CheckpointError(f"{path} is no plain file. Pull or copy the run again.")
