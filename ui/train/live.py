"""A run as it trains: progress, curve, reconstructions, and what can be done with it."""

from __future__ import annotations

from typing import Any

import streamlit as st
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from aecore.analysis.metrics import METRIC_DESCRIPTIONS, METRIC_LABELS
from aecore.analysis.pictures import draw_grid, make_tiles
from aecore.backends.local import read_log_tail
from aecore.backends.registry import resume_run, stop_run
from aecore.backends.slots import slot_limit
from aecore.data.catalog import CATALOG
from aecore.data.splits import as_float
from aecore.errors import AecoreError
from aecore.model.config import RunConfig
from aecore.runs.listing import is_shipped_run, list_runs, runs_folder
from aecore.runs.recipe import format_train_command, infer_data_kind
from aecore.runs.run import LIVE_STATES, Run
from ui.kit.hub_account import get_hub_token
from ui.kit.messages import show_error
from ui.kit.runs import format_state_badge, get_variant_label
from ui.kit.visitor import is_mine, is_public
from ui.train.curve import draw_live_curve
from ui.train.places import describe_place

RUN_POLL_SECONDS = 1.0
LISTED_RUNS = 20
METRIC_WIDTH = 150  # pixels


# -- the list


@st.fragment(run_every=3.0)
def show_run_table() -> None:
    """Every run, newest first; a click opens it."""
    known = [run for run in list_runs() if is_mine(run)]
    st.subheader("Runs", anchor=False)
    st.caption(
        f"At most {slot_limit()} at a time; the others wait their turn. Choose one to watch it."
    )
    for run in known[:LISTED_RUNS]:
        row, now = (
            st.container(horizontal=True, vertical_alignment="center", gap="small"),
            run.state(),
        )
        row.markdown(format_state_badge(run), width=100)
        if row.button(run.id, key=f"open-{run.id}", type="tertiary", icon=":material/monitoring:"):
            st.switch_page("train.py", query_params={"run": run.id})
        row.caption(f"epoch {now.epoch} of {now.epochs}" if now.epochs else "", width="content")
    if len(known) > LISTED_RUNS:
        st.caption(f"and {len(known) - LISTED_RUNS} older ones, in {runs_folder()}")


# -- the live view


def show_live_run(run: Run) -> None:
    """A run as it stands, redrawn while it lives; buttons to stop, resume and delete it."""
    try:
        config = run.config()
    except AecoreError as error:
        show_error(error)
        return
    alive = run.state().state in LIVE_STATES
    st.subheader(
        f"{get_variant_label(run)} on {config.data.name if config.data else 'unknown data'}",
        anchor=False,
    )
    show_run_buttons(run)
    st.fragment(
        lambda: watch_run(run, config, alive), run_every=RUN_POLL_SECONDS if alive else None
    )()
    with st.expander("The same from a terminal", icon=":material/terminal:"):
        st.code(show_same_command(run, config), language="bash", wrap_lines=True)
    if run.state().state in ("failed", "lost") and (said := read_log_tail(run)):
        with st.expander("What the process printed", icon=":material/article:"):
            st.code(said, language=None, wrap_lines=True)
    with st.expander("config.json", icon=":material/data_object:"):
        st.json(config.model_dump(mode="json"), expanded=2)


def show_same_command(run: Run, config: RunConfig) -> str:
    """What trains it again; for a model of unknown making, what measures it."""
    try:
        return format_train_command(config, infer_data_kind(config))
    except AecoreError:
        return f"python -m aecore evaluate {run.id}"


def show_run_buttons(run: Run) -> None:
    """What can be done with the run in its state."""
    now = run.state().state
    row = st.container(horizontal=True, vertical_alignment="center")
    if now in LIVE_STATES:
        row.button(
            "Stop",
            icon=":material/stop:",
            on_click=stop_run,
            args=(run,),
            help="The best model so far is kept.",
        )
    elif now in ("stopped", "lost", "failed") and run.config().data:
        row.button(
            "Resume",
            icon=":material/play_arrow:",
            on_click=resume_shown_run,
            args=(run,),
            type="primary",
        )
    if run.has_model():
        row.page_link(
            "latent.py",
            label="Latent map",
            icon=":material/scatter_plot:",
            query_params={"run": run.id},
        )
        row.page_link(
            "generate.py",
            label="Generate",
            icon=":material/auto_awesome:",
            query_params={"run": run.id},
        )
        row.page_link(
            "compare.py",
            label="Compare",
            icon=":material/compare:",
            query_params={"runs": [run.id]},
        )
    if now == "failed" and is_data_missing(run) and row.button("Train on the digits instead"):
        st.switch_page(
            "train.py", query_params={"variant": run.config().model.variant, "data": "digits"}
        )
    if row.button("New run", icon=":material/add:", type="tertiary"):
        st.switch_page("train.py")
    if now not in LIVE_STATES and not is_shipped_run(run.path) and not is_public():
        with row.popover("Delete", icon=":material/delete:"):
            st.markdown(f"Delete **{run.id}** with its weights?")
            st.button("Delete for good", on_click=delete_shown_run, args=(run,), type="primary")


def is_data_missing(run: Run) -> bool:
    """Whether the run's data set is known, but not on this machine."""
    config = run.config()
    entry = CATALOG.get(config.data.name) if config.data else None
    return entry is not None and not entry.is_local()


def resume_shown_run(run: Run) -> None:
    try:
        resume_run(run, get_hub_token())
    except AecoreError as error:
        st.toast(str(error))


def delete_shown_run(run: Run) -> None:
    try:
        run.delete()
        st.query_params.pop("run", None)
        st.toast(f"{run.id} is deleted.")
    except AecoreError as error:
        st.toast(str(error))


def watch_run(run: Run, config: RunConfig, was_alive: bool) -> None:
    """One look at the folder: progress, curve, numbers, reconstructions."""
    now, records = run.state(), run.epochs()
    done = (now.epoch + now.progress) / max(1, now.epochs)
    text = {
        "queued": "waiting for its turn",
        "running": f"epoch {min(now.epoch + 1, now.epochs)} of {now.epochs}",
    }
    st.markdown(f"{format_state_badge(run)} {now.device}{describe_place(run)}")
    st.progress(min(1.0, done), text=text.get(now.state, f"{now.epoch} of {now.epochs} epochs"))
    if now.note and now.state in LIVE_STATES:
        st.caption(f":material/pending: {now.note}")
    if now.error:
        st.error(now.error, icon=":material/error:")
    left, right = st.columns(2, gap="large")
    with left:
        if records:
            spec = draw_live_curve(records, config.model.variant, now.epochs)
            st.echarts_chart(
                spec, key="curve", height=320, alt="Loss by epoch, training and validation"
            )
            show_last_epoch(records[-1])
        elif pretraining := run.records("pretrain"):
            st.caption(
                f"Pretraining layer {pretraining[-1].get('layer', 1)}, loss {pretraining[-1].get('loss', 0):.4g}"
            )
        elif now.state in LIVE_STATES:
            st.skeleton(height=320)
    with right:
        show_previews(run)
    show_test_metrics(run)
    if was_alive and now.state not in LIVE_STATES:
        st.rerun()  # once more, whole: the polling stops and the buttons change


def show_last_epoch(record: dict[str, Any]) -> None:
    """The last epoch in figures."""
    shown = {
        "training loss": "loss",
        "validation loss": "validation_loss",
        "seconds an epoch": "seconds",
    }
    present = [(label, record[key]) for label, key in shown.items() if key in record]
    row = st.container(horizontal=True)
    for label, value in present:
        row.metric(label, f"{value:#.4g}", width=METRIC_WIDTH)


def show_previews(run: Run) -> None:
    """The same test inputs as they were rebuilt at a chosen epoch, the latest by default."""
    kept = run.previews()
    if not kept:
        st.caption("Reconstructions appear after the first epoch.")
        return
    epochs = [epoch for epoch, _ in kept]
    key = f"preview-{len(epochs)}"  # a new one becomes the default
    epoch = st.select_slider("Epoch", epochs, epochs[-1], key=key) if len(epochs) > 1 else epochs[0]
    try:
        tensors = {name: as_float(t) for name, t in load(dict(kept)[epoch].read_bytes()).items()}
        inputs, rebuilt = tensors["x"], tensors["reconstruction"]
        shape = run.config().model.input_shape
        if inputs.shape != rebuilt.shape or tuple(inputs.shape[1:]) != shape or not len(inputs):
            raise KeyError("x")
    except (SafetensorError, OSError, KeyError):
        st.caption("This preview cannot be read.")
        return
    limit = float(inputs.abs().max())
    pairs = torch.cat(
        [part for i in range(0, len(inputs), 8) for part in (inputs[i : i + 8], rebuilt[i : i + 8])]
    )
    st.image(
        draw_grid(make_tiles(pairs, limit), 8),
        width="stretch",
        alt=f"Test inputs above their reconstructions, epoch {epoch}",
    )
    st.caption(f"Test inputs, each row above its reconstructions at epoch {epoch}.")


def show_test_metrics(run: Run) -> None:
    """The test metrics of a finished run."""
    found = run.test_metrics()
    if not found:
        return
    st.markdown("**On the test set**")
    row = st.container(horizontal=True)
    for name, value in found.items():
        text = f"{value:,}" if isinstance(value, int) else f"{value:#.4g}"
        row.metric(
            METRIC_LABELS.get(name, name),
            text,
            help=METRIC_DESCRIPTIONS.get(name),
            width=METRIC_WIDTH,
        )
