"""The page of the table of defaults: docs/results/defaults.md."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from aecore.model.config import ModelConfig
from bench.defaults.cells import Figures, judge_cell
from bench.defaults.sets import PHOTOGRAPHS
from bench.results import describe_commit, write_result

INTRODUCTION = """# Defaults

Every variant, trained at its defaults on data of many kinds, beside PCA with as many units.
*Left* is the share of the test examples' variance that reconstructions leave, in the scaled units
that the model sees: 0 is perfect, 1 says nothing. *Active* units vary with the input. More than
PCA leaves is fine where that is the point: a KL term, a penalty, a code of few values or wider
than the input. Photographs are shown as they are.

Made by `python -m bench.defaults`, which keeps each cell as it ends."""
HEADER = "| variant | units | active | left | by PCA | seeds | verdict |"


class Row(NamedTuple):
    """A variant on a data set, over some seeds."""

    data: str
    model: ModelConfig
    seeds: Sequence[Figures]

    @property
    def verdict(self) -> str:
        """The worst verdict of any seed."""
        verdicts = [judge_cell(figures, self.model) for figures in self.seeds]
        return min(verdicts, key=rank_verdict)


def rank_verdict(verdict: str) -> int:
    """Return the place of a verdict, from the worst on."""
    order = ("diverged", "collapsed", "worse than PCA", "fine:", "fine")
    return next(place for place, start in enumerate(order) if verdict.startswith(start))


def write_defaults_page(rows: Sequence[Row]) -> None:
    """Write the page of all rows, a table for each data set."""
    lines = [INTRODUCTION, "", f"At commit {describe_commit()}. {count_verdicts(rows)}"]
    for data in dict.fromkeys(row.data for row in rows):
        title = f"{data} (photographs)" if data in PHOTOGRAPHS else data
        lines += [
            "",
            f"## {title}",
            "",
            "| variant | units | active | left | by PCA | seeds | verdict |",
        ]
        lines += ["|---|---:|---:|---:|---:|---:|---|"]
        lines += [format_row(row) for row in rows if row.data == data]
    write_result("defaults.md", [*lines, ""])


def count_verdicts(rows: Sequence[Row]) -> str:
    """Return how many rows have which verdict, in one sentence; photographs do not count."""
    verdicts = [row.verdict.split(":")[0] for row in rows if row.data not in PHOTOGRAPHS]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts).most_common())
    return f"Rows outside photographs: {counts}."


def format_row(row: Row) -> str:
    """Return the line of a variant on a data set."""
    cells = [
        row.model.variant,
        str(row.model.latent_dim),
        f"{statistics.fmean(figures.active for figures in row.seeds):.0f}",
        format_share([figures.left for figures in row.seeds]),
        format_share([figures.left_by_pca for figures in row.seeds]),
        str(len(row.seeds)),
        row.verdict,
    ]
    return "| " + " | ".join(cells) + " |"


def format_share(values: Sequence[float]) -> str:
    """Return the mean of shares in three digits, with the deviation where there are several."""
    spread = f" ± {statistics.stdev(values):.1g}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3g}{spread if max(values) > min(values) else ''}"
