"""Text of a model card that cannot break out of its place, whatever a stranger's config holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aecore.analysis.metrics import METRICS
from aecore.data.catalog import CATALOG
from aecore.model.config import RunConfig
from aecore.names import clean_name
from aecore.runs.foreign import name_data
from aecore.runs.records import is_finite_number


def keep_known_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Returns the known metrics that are finite numbers, in the order of METRICS."""
    return {name: metrics[name] for name in METRICS if is_finite_number(metrics.get(name))}


def name_data_set(config: RunConfig) -> str:
    """Returns a catalog set's label, else the name on one line, never a path; for people."""
    if config.data is None or config.data.name not in CATALOG:
        return clean_name(name_data(config.data)) if config.data else "data"
    return CATALOG[config.data.name].label


def quote_yaml(text: str) -> str:
    """Returns the text in double quotes, escaped, as YAML and Python read it."""
    return json.dumps(text)


def fence_code(language: str, text: str) -> str:
    """Returns a code block of Markdown."""
    return f"```{language}\n{text}\n```"


def format_card_number(value: float) -> str:
    """Formats to three significant digits, or whole with its thousands set apart."""
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.3g}"
