"""A part of the benchmark of pictures: what it measures, and what it says of that."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.fidelity.cells import CellStore


class PicturePart(NamedTuple):
    """One part, named in the command line. A module of bench/pictures that holds one is a part."""

    name: str
    measure: Callable[[CellStore, str], None]  # keeps the cells that are missing; on a device
    report: Callable[[CellStore], list[str]]  # lines of Markdown about the cells that are kept


def collect_parts() -> dict[str, PicturePart]:
    """Return the parts by their names, in the order of their modules."""
    parts = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name == "__main__":
            continue
        for value in vars(importlib.import_module(f"bench.pictures.{module.name}")).values():
            if isinstance(value, PicturePart):
                parts[value.name] = value
    return parts
