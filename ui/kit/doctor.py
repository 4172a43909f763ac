"""The model doctor on a page: what it finds in a run, and buttons that train the cure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from aecore.analysis.doctor import Finding, examine
from aecore.analysis.doctor.patient import MIN_ROWS, draw_specimen
from aecore.data.catalog import CATALOG
from aecore.errors import AecoreError
from aecore.model.config import RunConfig
from aecore.model.variants.fitting import configure
from aecore.model.variants.overrides import override_config
from aecore.names import escape_markdown
from aecore.runs.recipe import (
    format_setting_value,
    infer_data_kind,
    list_changes,
    list_column_traits,
)
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES
from ui.kit.cache import get_dataset, get_model
from ui.kit.fields import format_field_name
from ui.kit.measurement import wait_for_measurement
from ui.kit.memory import keep_in_memory
from ui.kit.messages import show_note
from ui.kit.run_data import has_own_sample, is_data_missing
from ui.kit.runs import get_variant_label
from ui.kit.visitor import map_own_sets

ALWAYS_SHOWN = "underfitting"  # of healthy models too: the error of PCA beside the model's
EXAMINING = "The doctor looks at the model ..."
ICONS = {"sick": ":material/healing:", "note": ":material/info:", "fine": ":material/check_circle:"}


# -- findings


@keep_in_memory()
def load_findings(path: str, version: float, examples: int) -> tuple[Finding, ...]:
    """Returns what the doctor finds in a run, of whose own data so many examples are at hand."""
    run = Run(Path(path))
    return tuple(examine(get_model(run), get_dataset(run)[0], run))


def examine_runs(runs: Sequence[Run]) -> dict[str, tuple[Finding, ...]] | None:
    """Returns the findings of runs by their ids; None, and shows that it works, until it has them.

    It works in a thread, and again when missing data have come. A run that cannot be examined has
    none.
    """
    versions = tuple((str(run.path), run.version(), is_data_missing(run)) for run in runs)
    name = f"doctor-{versions}"  # none of them trains: each version is looked at as soon as it is
    examined = wait_for_measurement(
        name, versions, EXAMINING, lambda: {run.id: find_or_skip(run) for run in runs}
    )
    return examined.result if examined else None


def find_or_skip(run: Run) -> tuple[Finding, ...]:
    """Returns the findings of a run; none where its own data or weights cannot be read."""
    try:
        dataset, remark = get_dataset(run)
        if remark and not has_own_sample(run):
            return ()
        return load_findings(str(run.path), run.version(), dataset.count)
    except AecoreError:
        return ()


def explain_no_findings(run: Run) -> str:
    """Returns a sentence on why nothing was found in a run: what its examination lacked."""
    try:
        dataset, remark = get_dataset(run)
    except AecoreError:
        return "The model's own data are not here: it was not examined."
    if remark and not has_own_sample(run):
        return "The model's own data are not here: it was not examined."
    count = len(draw_specimen(dataset, run.config().data).test)
    if count < MIN_ROWS:
        return f"Not examined: at least {MIN_ROWS} test examples are needed, got {count}."
    return "The model's weights cannot be read: it was not examined."


# -- one run


def show_diagnosis(run: Run) -> None:
    """Show what the doctor finds in a run that has ended, with a button for each cure."""
    if not run.has_model() or run.state().state in LIVE_STATES:
        return
    if run.config().model.network.is_pretrained:  # its cures would be for whoever trained it
        return
    st.markdown("**Model doctor**")
    findings = (examine_runs([run]) or {}).get(run.id)
    if findings is None:
        return
    if not findings:
        show_note(explain_no_findings(run))
        return
    sick = [finding for finding in findings if finding.kind == "sick"]
    for finding in sick:
        show_disease(run, finding)
    if not sick:
        st.markdown(f":green-badge[{ICONS['fine']} No disease found]")
    show_other_checks([finding for finding in findings if finding.kind != "sick"])
    if is_data_missing(run):
        show_note("Examined with the images that come with the app.")


def show_disease(run: Run, finding: Finding) -> None:
    """Show a disease: the evidence, what it means, and a button that opens the form with a cure."""
    with st.container(border=True):
        title = finding.name.capitalize()
        st.markdown(f":red-badge[{ICONS['sick']} {title}] {escape_markdown(finding.text)}")
        st.markdown(escape_markdown(finding.meaning))
        link = link_cure(run.config(), finding)
        if link and st.button(
            f"Train with {describe_cure(finding)}",
            key=f"cure-{run.id}-{finding.name}",
            icon=":material/healing:",
            help="Opens the form of a new run with the settings of this one and this change.",
        ):
            st.switch_page("train.py", query_params=link)


def show_other_checks(findings: Sequence[Finding]) -> None:
    """Show notes and the comparison with PCA, then folded the other checks and their numbers."""
    folded = [f for f in findings if f.kind == "fine" and f.name != ALWAYS_SHOWN]
    for finding in findings:
        if finding not in folded:
            title = (
                "Compared with PCA" if finding.name == ALWAYS_SHOWN else finding.name.capitalize()
            )
            icon = "info" if finding.kind == "note" else "check_circle"
            show_note(f"{title}: {finding.text} {finding.meaning}", icon)
    if folded:
        plural = "" if len(folded) == 1 else "s"
        with st.expander(f"{len(folded)} check{plural} passed", icon=ICONS["fine"]):
            for finding in folded:
                title = finding.name.capitalize()
                st.markdown(f"**{title}**: {escape_markdown(finding.text)}")


# -- several runs


def show_diagnoses(runs: Sequence[Run]) -> None:
    """Show what the doctor finds in several runs that have ended: a table, and the cures below."""
    runs = [
        run
        for run in runs
        if run.state().state not in LIVE_STATES and not run.config().model.network.is_pretrained
    ]
    if not runs:
        return
    st.subheader("Model doctor", anchor=False)
    diagnoses = examine_runs(runs)
    if diagnoses is None:
        return
    if not any(diagnoses.values()):
        show_note("The models' own data are not here, or too few: they were not examined.")
        return
    st.dataframe(
        tabulate_diagnoses(runs, diagnoses),
        hide_index=True,
        alt="What the doctor finds in each run",
    )
    for run in runs:
        for finding in diagnoses[run.id]:
            if finding.kind == "sick":
                st.markdown(f"**{escape_markdown(run.id)}**")
                show_disease(run, finding)


def tabulate_diagnoses(
    runs: Sequence[Run], diagnoses: dict[str, tuple[Finding, ...]]
) -> pd.DataFrame:
    """Returns a row for each run: its diseases, and its error beside that of PCA."""
    rows = []
    for run in runs:
        findings = diagnoses[run.id]
        sick = [finding.name for finding in findings if finding.kind == "sick"]
        verdict = ", ".join(sick) or ("healthy" if findings else "not examined")
        pca = next((f.text for f in findings if f.name == ALWAYS_SHOWN), "")
        rows.append(
            {"run": run.id, "variant": get_variant_label(run), "verdict": verdict, "PCA": pca}
        )
    return pd.DataFrame(rows)


# -- the cure


def describe_cure(finding: Finding) -> str:
    """Returns the changes of a cure in words: `free bits 0.25, learning rate 0.005`."""
    return ", ".join(describe_change(path, value) for path, value in finding.cure.items())


def describe_change(path: str, value: Any) -> str:
    """Returns one change in words; of a part's kind the part is named."""
    *parts, field = path.split(".")
    name = format_field_name(parts[-1] if field == "kind" and parts else field)
    if parts[:1] == ["penalties"]:
        name = f"{format_field_name(parts[1])} {name.lower()}"
    if value is None:
        text = "none"
    else:
        text = format_field_name(value) if isinstance(value, str) else f"{value:.4g}"
    return f"{name[:1].lower() + name[1:] if name[1:2].islower() else name} {text}"


def link_cure(config: RunConfig, finding: Finding) -> dict[str, str | list[str]] | None:
    """Returns the address of the Train form with a run's settings and the change that cures it.

    None where the form cannot show that: the variant or the data are not known here.
    """
    data = find_data_option(config)
    if not finding.cure or data is None:
        return None
    try:
        cured = override_config(config, finding.cure)
        base = configure(
            cured.model.variant,
            cured.model.input_shape,
            kind=infer_data_kind(cured),
            traits=list_column_traits(cured),
        )
    except AecoreError:
        return None
    settings = [
        f"{path}={format_setting_value(value)}" for path, value in list_changes(cured, base)
    ]
    return {"variant": cured.model.variant, "data": data, "set": settings}


def find_data_option(config: RunConfig) -> str | None:
    """Returns how the Train form names a run's data; None where the visitor cannot choose them."""
    name = config.data.name if config.data else ""
    if name in CATALOG:
        return name
    sets = map_own_sets().items()
    return next((token for token, upload in sets if upload.config().name == name), None)
