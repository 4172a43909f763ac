"""The loss of a run while it trains, as an ECharts chart, which is updated in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ui.kit.figures import LOSS_LABEL, get_variant_colour, thin_records


def draw_live_curve(
    records: Sequence[Mapping[str, Any]], variant: str, total: int
) -> dict[str, Any]:
    """Returns training and validation loss over epochs as an ECharts spec."""
    records = thin_records(records)
    epochs = [row["epoch"] for row in records]

    def series(name: str, key: str, style: str) -> dict[str, Any]:
        points = [[e, row[key]] for e, row in zip(epochs, records, strict=True) if key in row]
        line = {"color": get_variant_colour(variant), "type": style, "width": 2}
        return {
            "name": name,
            "type": "line",
            "data": points,
            "showSymbol": len(points) < 30,
            "lineStyle": line,
            "itemStyle": {"color": get_variant_colour(variant)},
            "animation": False,
        }

    return {
        "grid": {"left": 60, "right": 20, "top": 40, "bottom": 40},
        "legend": {"top": 0},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "value",
            "name": "epoch",
            "nameLocation": "middle",
            "nameGap": 25,
            "min": 1,
            "max": max(2, total),
            "minInterval": 1,
        },
        "yAxis": {"type": "value", "name": LOSS_LABEL, "scale": True},
        "series": [
            series("training", "loss", "solid"),
            series("validation", "validation_loss", "dashed"),
        ],
    }
