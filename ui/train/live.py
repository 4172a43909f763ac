"""A run as it trains: progress, curve and reconstructions."""

from __future__ import annotations

from typing import Any

import streamlit as st
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from aecore.analysis.metrics import METRIC_DESCRIPTIONS, METRIC_LABELS
from aecore.analysis.pictures import draw_grid, make_tiles
from aecore.backends.local import read_log_tail
from aecore.data.splits import as_float
from aecore.errors import AecoreError, RunError
from aecore.model.config import RunConfig
from aecore.runs.listing import check_run_id, find_run
from aecore.runs.recipe import format_train_command, infer_data_kind
from aecore.runs.run import LIVE_STATES, Run
from ui.kit.messages import show_error
from ui.kit.runs import format_state_badge, get_variant_label
from ui.kit.visitor import is_mine
from ui.train.backend_form import describe_place
from ui.train.curve import draw_live_curve
from ui.train.run_buttons import show_run_buttons

RUN_POLL_SECONDS = 1.0
METRIC_WIDTH = 150  # pixels


# -- the run of the address


def read_watched_id() -> str | None:
    """Returns the id of the run to watch, which the address names as ?run= or ?watch=."""
    if "watch" in st.query_params:
        st.query_params.from_dict({"run": st.query_params["watch"]})
    return st.query_params.get("run")


def show_watched_run(run_id: str) -> None:
    """Show the run of the address as it stands, or why it cannot be shown."""
    st.markdown(
        "**Watch the reconstructions sharpen.** The run goes on when you close this page; "
        "its address finds it."
    )
    try:
        run = find_run(check_run_id(run_id))
        if not is_mine(run):
            raise RunError(f"{run.id} was trained on data that another visitor brought.")
    except AecoreError as error:
        show_error(error)
        st.page_link("train.py", label="Start a new run", icon=":material/add:")
    else:
        show_live_run(run)


def show_live_run(run: Run) -> None:
    """Show a run, drawn again while it lives, with buttons to stop, resume and delete it."""
    try:
        config = run.config()
    except AecoreError as error:
        show_error(error)
        return
    alive = run.state().state in LIVE_STATES
    data_name = config.data.name if config.data else "unknown data"
    st.subheader(f"{get_variant_label(run)} on {data_name}", anchor=False)
    show_run_buttons(run)
    st.fragment(
        lambda: watch_run(run, config, alive), run_every=RUN_POLL_SECONDS if alive else None
    )()
    show_run_details(run, config)


def show_run_details(run: Run, config: RunConfig) -> None:
    """Show folded: the command that repeats the run, what its process printed, its config."""
    with st.expander("The same from a terminal", icon=":material/terminal:"):
        st.code(format_repeat_command(run, config), language="bash", wrap_lines=True)
    if run.state().state in ("failed", "lost") and (log := read_log_tail(run)):
        with st.expander("What the process printed", icon=":material/article:"):
            st.code(log, language=None, wrap_lines=True)
    with st.expander("config.json", icon=":material/data_object:"):
        st.json(config.model_dump(mode="json"), expanded=2)


def format_repeat_command(run: Run, config: RunConfig) -> str:
    """Returns the command that trains the run again; for a model of unknown origin, measures it."""
    try:
        return format_train_command(config, infer_data_kind(config))
    except AecoreError:
        return f"python -m aecore evaluate {run.id}"


# -- one look at the folder


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
