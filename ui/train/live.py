"""A run as it trains: progress, curve and reconstructions."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.metrics import METRICS
from aecore.analysis.pictures import draw_grid, make_tiles
from aecore.backends.local import continue_queue
from aecore.backends.waiting import count_runs_ahead
from aecore.data.splits import as_float
from aecore.errors import AecoreError, CheckpointError
from aecore.model.config import RunConfig
from aecore.model.parts.networks.pretrained import PretrainedNetwork
from aecore.names import escape_markdown, escape_name
from aecore.runs.foreign import name_data
from aecore.runs.ownership import read_owner_record
from aecore.runs.previews import read_preview
from aecore.runs.recipe import format_train_command, infer_data_kind
from aecore.runs.records import EpochRecord
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES, State
from ui.kit.doctor import show_diagnosis
from ui.kit.examples import show_image
from ui.kit.figures import format_figure
from ui.kit.losses import name_loss_unit
from ui.kit.messages import hide_folders, show_error, show_note
from ui.kit.runs import format_state_badge, get_shown_config, get_variant_label
from ui.kit.visitor import find_visible_run, may_change
from ui.train.backend_form import describe_place
from ui.train.curve import draw_live_curve
from ui.train.knobs import show_knobs, show_moved_knobs
from ui.train.run_buttons import show_run_buttons
from ui.train.run_progress import describe_run_progress

RUN_POLL_SECONDS = 1.0
FIRST_POLL_SECONDS = 0.15  # while the first epoch is awaited
METRIC_WIDTH = 150  # pixels
PREVIEW_COLUMNS = 8


# -- the run of the address


def read_watched_id() -> str | None:
    """Returns the id of the run to watch, which the address names as ?run= or ?watch=."""
    if "watch" in st.query_params:
        st.query_params.from_dict({"run": st.query_params["watch"]})
    return st.query_params.get("run")


def show_watched_run(run_id: str) -> None:
    """Show the run of the address as it stands, or why it cannot be shown."""
    st.markdown(
        "**Watch the reconstructions sharpen.** Training continues if you close this page; "
        "come back with this link."
    )
    try:
        run = find_visible_run(run_id)
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
    poll_seconds = choose_poll_seconds(run, run.state())
    show_run_name(run, config)
    show_moved_knobs(run, config)
    show_run_buttons(run)
    show_read_only(config)
    st.fragment(lambda: watch_run(run, config, poll_seconds), run_every=poll_seconds)()
    show_knobs(run, config)
    show_diagnosis(run)
    show_run_details(run, config)


def show_run_name(run: Run, config: RunConfig) -> None:
    """Show the name that its owner gave a run, else its variant and data; to the owner the note."""
    record = read_owner_record(run.path)
    data_name = name_data(config.data) if config.data else "unknown data"
    kind = escape_name(f"{get_variant_label(run)} on {data_name}")
    st.subheader(escape_name(record.title) or kind, anchor=False)
    if record.title:
        st.caption(f"{kind} · {escape_name(run.id)}")
    if record.note and may_change(run):  # of a published run, too, it is for its owner
        st.caption(f"*{escape_markdown(record.note)}*")


def show_read_only(config: RunConfig) -> None:
    """Say so where the weights of a run were published, and are not trained here."""
    network = config.model.network
    if isinstance(network, PretrainedNetwork):
        license = f", licence {network.license}" if network.license else ""
        show_note(
            f"Read-only: the weights are those of {network.source}{license}. They are not trained "
            "here.",
            "lock",
        )


def show_run_details(run: Run, config: RunConfig) -> None:
    """Show folded: the command that repeats the run, what its process printed, its config."""
    config = get_shown_config(config)
    with st.expander("Command line", icon=":material/terminal:"):
        st.code(format_repeat_command(run, config), language="bash", wrap_lines=True)
    if run.state().state in ("failed", "lost") and (log := run.log_tail()):
        with st.expander("What the process printed", icon=":material/article:"):
            st.code(hide_folders(log), language=None, wrap_lines=True)
    with st.expander("config.json", icon=":material/data_object:"):
        st.json(config.model_dump(mode="json"), expanded=2)


def format_repeat_command(run: Run, config: RunConfig) -> str:
    """Returns the command that trains the run again; for a model of unknown origin, measures it."""
    try:
        return format_train_command(config, infer_data_kind(config))
    except AecoreError:
        return f"python -m aecore evaluate {run.id}"


# -- one look at the folder


def choose_poll_seconds(run: Run, state: State) -> float | None:
    """Returns how long after one look at a run the next one follows; None for one that ended."""
    if state.state not in LIVE_STATES:
        return None
    is_on_its_way = state.state == "running" or not count_runs_ahead(run.path)
    return FIRST_POLL_SECONDS if is_on_its_way and not run.epochs() else RUN_POLL_SECONDS


def watch_run(run: Run, config: RunConfig, poll_seconds: float | None) -> None:
    """Show a run as its folder says; run the page once more where it is to be polled otherwise."""
    state = run.state()
    if state.state == "queued":
        continue_queue()
    show_progress(run, state)
    left, right = st.columns(2, gap="large")
    with left:
        show_training(run, config, state)
    with right:
        show_previews(run, state)
    show_test_metrics(run)
    if choose_poll_seconds(run, state) != poll_seconds:
        st.rerun()  # once more, whole: when it has ended, the buttons change too


def show_progress(run: Run, state: State) -> None:
    """Show the state, the device, how far the run is, and its last error."""
    done = (state.epoch + state.progress) / max(1, state.epochs)
    st.markdown(f"{format_state_badge(run)} {escape_name(state.device)}{describe_place(run)}")
    st.progress(min(1.0, done), text=describe_run_progress(run, state))
    if state.note and state.state in LIVE_STATES:
        show_note(state.note, "pending")
    if state.error:
        show_error(state.error)


def show_training(run: Run, config: RunConfig, state: State) -> None:
    """Show the loss by epoch; before the first epoch, how far pretraining is."""
    records = run.epochs()
    if not records and (pretraining := run.pretraining()):
        last = pretraining[-1]
        st.caption(f"Pretraining layer {last.layer or 1}, loss {last.loss or 0:.4g}")
    elif records or state.state in LIVE_STATES:  # axes at first: the browser loads what draws them
        unit, moves = name_loss_unit(config.model.likelihood), run.knob_moves()
        spec = draw_live_curve(records, config.model.variant, state.epochs, moves, unit)
        st.echarts_chart(spec, key="curve", height=320, alt="Loss by epoch")
    if records:
        show_last_epoch(records[-1])
        show_kept_epoch(state, records[-1])
        show_prior_training(run, config)


def show_prior_training(run: Run, config: RunConfig) -> None:
    """Show the loss of the second stage by epoch, once it has begun."""
    records = run.prior_epochs()
    if not records or config.model.prior is None:
        return
    st.markdown("**Prior of the indices**", help="Learned after the model, by its codes.")
    spec = draw_live_curve(records, config.model.variant, config.model.prior.epochs, unit="nats")
    st.echarts_chart(
        spec, key="prior_curve", height=240, alt="Loss of the prior by epoch, in nats per example"
    )


def show_last_epoch(record: EpochRecord) -> None:
    """Show the losses and the seconds of the last epoch."""
    values = {
        "training loss": record.loss,
        "validation loss": record.validation_loss,
        "seconds per epoch": record.seconds,
    }
    row = st.container(horizontal=True)
    for label, value in values.items():
        if value is not None:
            row.metric(label, format_figure(value), width="content")


def show_kept_epoch(state: State, last: EpochRecord) -> None:
    """Say whose weights the model has where these are not those of the last epoch."""
    if state.kept_epoch is not None and state.kept_epoch < state.epoch:
        measure = "training" if last.validation_loss is None else "validation"
        kept = f"the weights of epoch {state.kept_epoch:,}: the {measure} loss is lowest there"
        if not state.kept_epoch:
            figure = "" if state.best is None else f", {format_figure(state.best)},"
            kept = f"its start, PCA: the {measure} loss before training{figure} is the lowest"
        st.caption(f"The model keeps {kept}.")


def show_previews(run: Run, state: State) -> None:
    """Show the same test inputs as reconstructed at a chosen epoch.

    By default that is the latest, and of a finished run the one nearest to the model's own.
    """
    paths = dict(run.previews())
    if not paths:
        st.caption("Reconstructions appear after the first epoch.")
        return
    kept = None if state.state in LIVE_STATES else state.kept_epoch
    epoch = choose_preview_epoch(list(paths), kept)
    try:
        preview = read_preview(paths[epoch], run.config().model.input_shape)
    except CheckpointError:
        st.caption("This preview cannot be read.")
        return
    show_preview_pairs(as_float(preview.x), as_float(preview.reconstruction), epoch)


def choose_preview_epoch(epochs: list[int], kept: int | None) -> int:
    """Show a slider over the epochs where there are several; return the chosen one.

    It begins at the one nearest to `kept`, or at the last.
    """
    if len(epochs) == 1:
        return epochs[0]
    first = epochs[-1] if kept is None else min(epochs, key=lambda epoch: abs(epoch - kept))
    key = f"preview-{len(epochs)}-{first}"  # a new one becomes the default
    return st.select_slider("Epoch", epochs, first, key=key)


def show_preview_pairs(x: Tensor, rebuilt: Tensor, epoch: int) -> None:
    """Show rows of inputs (N, *input_shape), each above the row of its reconstructions."""
    rows = zip(x.split(PREVIEW_COLUMNS), rebuilt.split(PREVIEW_COLUMNS), strict=True)
    pairs = torch.cat([part for row in rows for part in row])
    show_image(
        draw_grid(make_tiles(pairs, float(x.abs().max())), PREVIEW_COLUMNS),
        f"Test inputs above their reconstructions, epoch {epoch:,}",
    )
    st.caption(f"Test inputs, each row above its reconstructions at epoch {epoch:,}.")


def show_test_metrics(run: Run) -> None:
    """Show the test metrics of a finished run."""
    metrics = run.test_metrics()
    if not metrics:
        return
    st.markdown("**On the test set**")
    row = st.container(horizontal=True)
    for name, value in metrics.items():
        text = f"{value:,}" if isinstance(value, int) else format_figure(value)
        metric = METRICS.get(name)
        label, help_text = (metric.label, metric.help) if metric else (escape_name(name), None)
        row.metric(label, text, help=help_text, width=METRIC_WIDTH)
