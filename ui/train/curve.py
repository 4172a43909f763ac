"""The loss of a run while it trains, as an ECharts chart, which is updated in place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from aecore.names import clean_name
from aecore.runs.records import EpochRecord, KnobRecord, PriorRecord
from ui.kit.figures import LOSS_LABEL, get_variant_colour, thin_records
from ui.kit.losses import spans_decades

MARK_COLOUR = "#888888"  # seen on both themes
MAX_MARKS = 30  # the latest ones: more cannot be read
# told apart by width and depth, for many dashes look solid; the thin line lies on the broad one
TRAINING_STYLE = {"width": 5, "opacity": 0.4}
VALIDATION_STYLE = {"width": 1.5, "opacity": 1}


def draw_live_curve(
    records: Sequence[EpochRecord | PriorRecord],
    variant: str,
    total: int,
    moves: Sequence[KnobRecord] = (),
    unit: str = "",
) -> dict[str, Any]:
    """Returns training and validation loss over epochs as an ECharts spec, `unit` on its axis.

    Training is a broad pale line, validation a thin dark one on it. Upright lines mark the knobs
    that were moved. Losses of many decades have a logarithmic axis.
    """
    records = thin_records(records)
    losses = [loss for record in records for loss in (record.loss, record.validation_loss)]
    log = spans_decades(losses)

    def series(
        name: str, losses: Sequence[float | None], style: dict[str, float]
    ) -> dict[str, Any]:
        points = [
            [record.epoch, math.log10(loss), float(f"{loss:.6g}")] if log else [record.epoch, loss]
            for record, loss in zip(records, losses, strict=True)
            if loss is not None
        ]
        return {
            "name": name,
            "type": "line",
            "data": points,
            "showSymbol": len(points) < 30,
            "lineStyle": {"color": get_variant_colour(variant), **style},
            "itemStyle": {"color": get_variant_colour(variant), "opacity": style["opacity"]},
            "animation": False,
            **({"encode": {"x": 0, "y": 1, "tooltip": 2}} if log else {}),
        }

    validation = series(
        "validation", [record.validation_loss for record in records], VALIDATION_STYLE
    )
    return {
        "grid": {"left": 60, "right": 20, "top": 40, "bottom": 40},
        "legend": {"top": 0, "lineStyle": {"width": "inherit"}, "itemStyle": {"opacity": 0}},
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
        "yAxis": make_loss_axis(unit, log),
        "series": [
            {
                **series("training", [record.loss for record in records], TRAINING_STYLE),
                "markLine": mark_moves(moves),
            },
            *([validation] if validation["data"] else []),  # few rows are all for training
        ],
    }


def make_loss_axis(unit: str, log: bool) -> dict[str, Any]:
    """Returns the axis of the loss; a logarithmic one is that of the exponent of 10.

    ECharts writes the values of its own logarithmic axis out, with all their zeros.
    """
    name = f"{LOSS_LABEL}{f', {unit}' if unit else ''}{', logarithmic' if log else ''}"
    # begins at the left edge, for it is longer than the space beside the axis
    style = {"nameTextStyle": {"align": "left"}}
    axis: dict[str, Any] = {"type": "value", "name": name, "scale": True, **style}
    return axis | ({"minInterval": 1, "axisLabel": {"formatter": "10^{value}"}} if log else {})


def mark_moves(moves: Sequence[KnobRecord]) -> dict[str, Any]:
    """Returns an upright line for each moved knob, as a markLine of ECharts.

    Points of the curve are ends of epochs: a move at the first step of an epoch lies on the point
    before it, one on the way half an epoch later.
    """
    lines = [
        {
            "xAxis": max(1.0, move.epoch - (0.5 if move.step else 1.0)),
            "name": f"{clean_name(path).rpartition('.')[2]} {value:.3g}",
        }
        for move in moves
        for path, value in move.knobs.items()
    ]
    return {
        "symbol": "none",
        "silent": True,
        "animation": False,
        "lineStyle": {"color": MARK_COLOUR, "type": "dotted", "width": 1.5},
        "label": {"formatter": "{b}", "position": "insideEndTop", "color": MARK_COLOUR},
        "data": lines[-MAX_MARKS:],
    }
