"""The loss of a run while it trains, as an ECharts chart, which is updated in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aecore.runs.records import EpochRecord
from ui.kit.figures import LOSS_LABEL, get_variant_colour, thin_records


def draw_live_curve(records: Sequence[EpochRecord], variant: str, total: int) -> dict[str, Any]:
    """Returns training and validation loss over epochs as an ECharts spec."""
    records = thin_records(records)

    def series(name: str, losses: Sequence[float | None], style: str) -> dict[str, Any]:
        points = [
            [record.epoch, loss]
            for record, loss in zip(records, losses, strict=True)
            if loss is not None
        ]
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
            series("training", [record.loss for record in records], "solid"),
            series("validation", [record.validation_loss for record in records], "dashed"),
        ],
    }
