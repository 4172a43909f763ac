"""The results on a model card: its metrics, published figures, and the doctor's findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aecore.analysis.card_text import format_card_number, name_data_set
from aecore.analysis.doctor.base import Finding
from aecore.analysis.metrics import METRICS
from aecore.data.catalog import CATALOG
from aecore.model.config import RunConfig
from aecore.names import escape_markdown
from aecore.runs.recipe import format_settings
from aecore.runs.references import find_references


def format_results_section(config: RunConfig, metrics: Mapping[str, float]) -> str:
    """Returns the table of test metrics with their explanations, then published figures."""
    data = f"the test split of {escape_markdown(name_data_set(config))}"
    measured_on = data if config.data else "test data"
    units = "pixels in [0, 1]" if config.model.scaling == "none" else "scaled columns"
    if config.model.likelihood.find_unscaled(config.model.features):
        units = "scaled numbers and the probabilities of words"
    higher = [METRICS[name].label for name in metrics if METRICS[name].direction > 0]
    tail = f", of {join_labels(higher)} higher" if higher else ""
    lines = ["| metric | value | what it is |", "|---|---|---|"]
    lines += [
        f"| {name} | {format_card_number(value)} | {describe_metric(name)} |"
        for name, value in metrics.items()
    ]
    return (
        f"Measured on {measured_on}, in {units}. Of errors and bounds lower is better{tail}."
        + format_credit(config)
        + "\n\n"
        + "\n".join(lines)
        + format_published_figures(config, metrics)
    )


def join_labels(labels: Sequence[str]) -> str:
    """Returns labels in one text: `PSNR, SSIM and MS-SSIM`."""
    *others, last = labels
    return f"{', '.join(others)} and {last}" if others else last


def format_credit(config: RunConfig) -> str:
    """Returns a sentence on whose data it is and its licence; empty where that is not known."""
    entry = CATALOG.get(config.data.name) if config.data else None
    return f" Data: {entry.credit}." if entry and entry.credit else ""


def describe_metric(name: str) -> str:
    """Returns the explanation of a metric, for a cell of a table."""
    return METRICS[name].explanation.rstrip(".").replace("|", "\\|")


def format_published_figures(config: RunConfig, metrics: Mapping[str, float]) -> str:
    """Returns a list of published figures beside the run's own; empty where there are none."""
    lines = [
        f"- {name} {format_card_number(metrics[name])}; "
        f"{escape_markdown(reference.source)}: {format_card_number(reference.value)}"
        for name, reference in find_references(config).items()
        if name in metrics
    ]
    return "\n\nFor comparison:\n\n" + "\n".join(lines) if lines else ""


def format_diagnosis(findings: Sequence[Finding]) -> str:
    """Returns a table of what the doctor finds, and the flags that mend what is wrong."""
    lines = ["| check | verdict | evidence |", "|---|---|---|"]
    lines += [f"| {f.name} | {f.kind} | {join_sentences(f.text, f.meaning)} |" for f in findings]
    cures = [
        f"- {f.name}: `{format_settings(f.cure)}`" for f in findings if f.kind == "sick" and f.cure
    ]
    return "\n".join(lines) + ("\n\nTo mend it:\n\n" + "\n".join(cures) if cures else "")


def join_sentences(*sentences: str) -> str:
    """Returns sentences as one text; empty ones are left out."""
    return " ".join(filter(None, sentences))
