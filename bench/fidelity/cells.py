"""Cells: figures of an experiment, each kept as soon as it is there, so that it may be stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path


class CellStore:
    """Figures by their keys, in a file of one line each. A torn last line is measured again."""

    def __init__(self, path: Path):
        self.path = path
        self.figures: dict[str, float] = {}
        lines = path.read_text().splitlines() if path.is_file() else []
        for line in lines:
            try:
                key, figure = json.loads(line)
            except ValueError:
                continue
            self.figures[key] = figure

    def measure(self, key: str, compute: Callable[[], float]) -> float:
        """Returns the figure of a key, which is computed and kept where it is not there."""
        if key not in self.figures:
            figure = compute()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write("\n" * self.is_torn() + json.dumps([key, figure]) + "\n")
            self.figures[key] = figure
            print(f"  {key}: {figure:.4g}", flush=True)
        return self.figures[key]

    def is_torn(self) -> bool:
        """Returns True where the file ends within a line."""
        return self.path.is_file() and not f"\n{self.path.read_text()}".endswith("\n")
