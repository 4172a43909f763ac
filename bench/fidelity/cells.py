"""Cells: figures of an experiment, each kept as soon as it is there, so that it may be stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

FigureT = TypeVar("FigureT")


class CellStore:
    """Figures by their keys, in a file of one line each. A torn last line is measured again.

    A figure is a number, a text, or a list of them.
    """

    def __init__(self, path: Path):
        self.path = path
        self.figures: dict[str, Any] = {}
        lines = path.read_text().splitlines() if path.is_file() else []
        for line in lines:
            try:
                key, figure = json.loads(line)
            except ValueError:
                continue
            self.figures[key] = figure

    def measure(self, key: str, compute: Callable[[], FigureT]) -> FigureT:
        """Returns the figure of a key, which is computed and kept where it is not there."""
        if key not in self.figures:
            figure = compute()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write("\n" * self.is_torn() + json.dumps([key, figure]) + "\n")
            self.figures[key] = figure
            print(f"  {key}: {format_figures(figure)}", flush=True)
        figures: FigureT = self.figures[key]
        return figures

    def is_torn(self) -> bool:
        """Returns True where the file ends within a line."""
        return self.path.is_file() and not f"\n{self.path.read_text()}".endswith("\n")


def format_figures(figure: Any) -> str:
    """Returns a number, or several, with four digits; texts as they are."""
    values = figure if isinstance(figure, list) else [figure]
    return " ".join(v if isinstance(v, str) else f"{v:.4g}" for v in values)
