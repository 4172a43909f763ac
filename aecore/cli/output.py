"""The output of commands: metrics, tables and examples."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aecore.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from aecore.analysis.doctor import Finding


def print_metrics(metrics: Mapping[str, float | str]) -> None:
    """Prints metrics, one a line."""
    for name, value in metrics.items():
        print(f"{name:16} {value:.4f}" if isinstance(value, float) else f"{name:16} {value}")


def print_findings(findings: Sequence[Finding]) -> None:
    """Prints what the doctor finds: the verdict and its evidence, what it means, and the cure."""
    from aecore.runs.recipe import format_settings

    for finding in findings:
        print(f"{finding.kind:5} {finding.name:22} {finding.text}")
        if finding.meaning:
            print(f"{'':28} {finding.meaning}")
        if finding.cure:
            print(f"{'':28} Cure: {format_settings(finding.cure)}")


def print_rows(
    rows: Sequence[Mapping[str, Any]], as_json: bool, columns: Iterable[str] | None = None
) -> None:
    """Prints rows as JSON, or as aligned columns; of all that the rows have by default."""
    if as_json:
        print(json.dumps(rows))
        return
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    table = [names, *([format_cell(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(names))]
    for line in table:
        cells = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def format_cell(value: Any) -> str:
    """Returns a value as the text of a column: a float in four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_examples(path: Path, x: Tensor) -> Path:
    """Writes examples (N, *input_shape) and returns the path of the file.

    Images become one PNG grid; anything else, or a .npz by name, an array x.
    """
    import numpy

    from aecore.analysis.pictures import draw_grid

    try:
        if path.suffix == ".npz" or x.dim() != 4:
            if path.suffix != ".npz":
                print(f"Rows are no picture: {path.name} becomes an array.", file=sys.stderr)
            path = path.with_suffix(".npz")
            numpy.savez(path, x=x.numpy())
        else:
            draw_grid(x).save(path)
        return path
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be written: {error}. Give a .png or .npz in a folder that exists."
        ) from error
