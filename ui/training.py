"""The two halves of the Train page: the form that makes a run, and the view that watches one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from aecore import backends, data, runs
from aecore.backends import local
from aecore.backends.slots import limit
from aecore.config import DataConfig, ModelConfig, RunConfig, TrainConfig, parse
from aecore.errors import AecoreError
from aecore.metrics import DESCRIPTIONS, LABELS
from aecore.pictures import grid, tiles
from aecore.recipe import command, kind_of
from aecore.runs import LIVE, Run
from aecore.variants import VARIANTS, configure
from ui import cache, controls, figures, places, sharing, state

PRESETS = {
    "Quick": "A fifth of the epochs: a first look.",
    "Default": "The variant's own settings.",
    "Thorough": "Three times the epochs, with a cosine schedule.",
}
POLL_SECONDS = 1.0
LISTED = 20
METRIC_WIDTH = 150  # pixels


# -- the form


def choose() -> tuple[RunConfig, str] | None:
    """The run that the form describes and its data's kind; None, and the reason shown, where there is none."""
    left, middle, right = st.columns(3)
    name = left.selectbox(
        "Variant", list(VARIANTS), list(VARIANTS).index("vae"), key="variant", bind="query-params",
        help="A named combination of parts. Each part can be changed below.",
    )  # fmt: skip
    wanted = choose_data(middle)
    preset = right.segmented_control(
        "Preset", list(PRESETS), default="Default", required=True, key="preset", bind="query-params",
        help=" ".join(f"**{n}**: {text}" for n, text in PRESETS.items()),
    )  # fmt: skip
    left.caption(VARIANTS[name].summary)
    right.caption(PRESETS[preset])
    try:
        shape, kind, count = describe_data(wanted, middle)
        default = configure(name, shape, kind=kind, examples=count, data=wanted)
        return edit(with_preset(default, preset), f"{name}-{wanted.name}-{preset}"), kind
    except AecoreError as error:
        state.show_error(error)
        return None


def choose_data(place: Any) -> DataConfig:
    """A catalog name, a set that the visitor brought, or a path on this machine where they are at home on it."""
    own, sets = "a path of your own", {one.token: one for one in state.own_sets()}
    names = [*data.CATALOG, *sets, *([] if state.is_public() else [own])]
    shown = {token: f"{name} (yours)" for token, name in state.own_names().items()}
    name = state.select_linked(
        place, "Data", names, "data", shown,
        "Sets marked for download come from the network on first use. Your own come by the page **Data**.",
    )  # fmt: skip
    if name in sets:
        state.remember(sets[name])
        return sets[name].config()
    if name != own:
        return DataConfig(name=name)
    path = place.text_input(
        "Path", key="path", bind="query-params", placeholder="/home/me/images, faces.zip, table.csv"
    )
    label = place.text_input(
        "Label column", key="label", bind="query-params", help="For tables: the class column, if any."
    )
    if not path:
        place.caption("A folder or .zip of images, a .npz with `x`, a .npy, a .csv or .parquet table.")
        st.stop()
    return DataConfig(name=os.path.abspath(os.path.expanduser(path)), label=label or None)


def describe_data(wanted: DataConfig, place: Any) -> tuple[tuple[int, ...], str, int]:
    """Shape, kind and number of training examples; read from the files only for a user's own."""
    entry = data.CATALOG.get(wanted.name)
    if entry is None:
        found = cache.load_data(wanted)
        place.caption(f"{found.count:,} training and {len(found.test.x):,} test examples of {found.input_shape}.")
        return found.input_shape, found.kind, found.count
    place.caption(entry.description + ("" if entry.local() else " :material/download: Downloaded on first use."))
    return entry.input_shape, entry.kind, entry.sizes[0]


def with_preset(config: RunConfig, preset: str) -> RunConfig:
    training = config.training or TrainConfig()
    changes: dict[str, Any] = {}
    if preset == "Quick":
        changes = {"epochs": max(1, training.epochs // 5)}
    if preset == "Thorough":
        changes = {"epochs": training.epochs * 3, "schedule": "cosine"}
    return config.model_copy(update={"training": training.model_copy(update=changes)})


def edit(config: RunConfig, key: str) -> RunConfig:
    """The folded form over every field; what is not touched stays at the preset's value."""
    values = config.model_dump(mode="json")
    model, fields = values["model"], ModelConfig.model_fields
    with st.expander("Model", icon=":material/hub:"):
        model.update(controls.options_form(ModelConfig, model, f"{key}.model"))
        for name in ("network", "bottleneck", "corruption", "likelihood"):
            model[name] = controls.part_form(name, fields[name], model[name], f"{key}.{name}")
        model["penalties"] = controls.penalties_form(fields["penalties"], model["penalties"], f"{key}.penalties")
    with st.expander("Training", icon=":material/tune:"):
        values["training"] = controls.options_form(TrainConfig, values["training"], f"{key}.training")
    with st.expander("Data", icon=":material/database:"):
        values["data"] = controls.options_form(
            DataConfig, values["data"], f"{key}.data", skip={"name", "label", "limit"}
        )
    return parse(RunConfig, values)


# -- a task's own recipe


def offer(label: str, plan: Callable[[str, Mapping[str, Any]], RunConfig], kind: str | None = None,
          normal: bool = False) -> None:  # fmt: skip
    """A folded form that starts a run by a task's own recipe on data of the visitor's choosing.

    `kind` admits only images or only tables of the catalog; with `normal` one class can be chosen to train with.
    """
    with st.popover(label, icon=":material/model_training:"):
        sets = {one.token: one for one in state.own_sets()}
        known = [e.name for e in data.CATALOG.values() if e.local() and (kind is None or e.kind == kind)]
        chosen = st.selectbox("Data", [*sets, *known], key=f"offer-{label}",
                              format_func=lambda token: sets[token].name if token in sets else token)  # fmt: skip
        wanted = sets[chosen].config() if chosen in sets else DataConfig(name=chosen)
        try:
            classes = cache.load_data(wanted).classes if normal else ()
            if classes and (
                one := st.selectbox(
                    "Normal class",
                    classes,
                    key=f"normal-{chosen}",
                    help="It alone is trained with; the others are there to be found.",
                )
            ):
                wanted = wanted.model_copy(update={"train_class": one})  # fmt: skip
            if st.button("Start", type="primary", icon=":material/play_arrow:", key=f"start-{label}"):
                changes = wanted.model_dump(exclude={"name"}, exclude_defaults=True)
                run = runs.create(plan(wanted.name, {f"data.{name}": value for name, value in changes.items()}))
                backends.start(run)
                st.switch_page("train.py", query_params={"watch": run.id})  # here `run` is a widget's
        except AecoreError as error:
            state.show_error(error)


# -- the list


@st.fragment(run_every=3.0)
def run_table() -> None:
    """Every run, newest first; a click opens it."""
    known = [run for run in runs.list_runs() if state.is_mine(run)]
    st.subheader("Runs", anchor=False)
    st.caption(f"At most {limit()} at a time; the others wait their turn. Choose one to watch it.")
    for run in known[:LISTED]:
        row, now = st.container(horizontal=True, vertical_alignment="center", gap="small"), run.state()
        row.markdown(state.badge(run), width=100)
        if row.button(run.id, key=f"open-{run.id}", type="tertiary", icon=":material/monitoring:"):
            st.switch_page("train.py", query_params={"run": run.id})
        row.caption(f"epoch {now.epoch} of {now.epochs}" if now.epochs else "", width="content")
    if len(known) > LISTED:
        st.caption(f"and {len(known) - LISTED} older ones, in {runs.root()}")


# -- the live view


def live_view(run: Run) -> None:
    """A run as it stands, redrawn while it lives; buttons to stop, resume and delete it."""
    try:
        config = run.config()
    except AecoreError as error:
        state.show_error(error)
        return
    alive = run.state().state in LIVE
    st.subheader(f"{state.label_of(run)} on {config.data.name if config.data else 'unknown data'}", anchor=False)
    buttons(run)
    st.fragment(lambda: watch(run, config, alive), run_every=POLL_SECONDS if alive else None)()
    with st.expander("The same from a terminal", icon=":material/terminal:"):
        st.code(same_command(run, config), language="bash", wrap_lines=True)
    if run.state().state in ("failed", "lost") and (said := local.log_tail(run)):
        with st.expander("What the process printed", icon=":material/article:"):
            st.code(said, language=None, wrap_lines=True)
    with st.expander("config.json", icon=":material/data_object:"):
        st.json(config.model_dump(mode="json"), expanded=2)


def same_command(run: Run, config: RunConfig) -> str:
    """What trains it again; for a model of unknown making, what measures it."""
    try:
        return command(config, kind_of(config))
    except AecoreError:
        return f"python -m aecore evaluate {run.id}"


def buttons(run: Run) -> None:
    """What can be done with the run in its state."""
    now = run.state().state
    row = st.container(horizontal=True, vertical_alignment="center")
    if now in LIVE:
        row.button("Stop", icon=":material/stop:", on_click=backends.stop, args=(run,),
                   help="The best model so far is kept.")  # fmt: skip
    elif now in ("stopped", "lost", "failed") and run.config().data:
        row.button("Resume", icon=":material/play_arrow:", on_click=resume, args=(run,), type="primary")
    if run.has_model():
        row.page_link("latent.py", label="Latent map", icon=":material/scatter_plot:", query_params={"run": run.id})
        row.page_link("generate.py", label="Generate", icon=":material/auto_awesome:", query_params={"run": run.id})
        row.page_link("compare.py", label="Compare", icon=":material/compare:", query_params={"runs": [run.id]})
    if now == "failed" and data_is_missing(run) and row.button("Train on the digits instead"):
        st.switch_page("train.py", query_params={"variant": run.config().model.variant, "data": "digits"})
    if row.button("New run", icon=":material/add:", type="tertiary"):
        st.switch_page("train.py")
    if now not in LIVE and not runs.is_shipped(run.path) and not state.is_public():
        with row.popover("Delete", icon=":material/delete:"):
            st.markdown(f"Delete **{run.id}** with its weights?")
            st.button("Delete for good", on_click=delete, args=(run,), type="primary")


def data_is_missing(run: Run) -> bool:
    """Whether the run's data set is known, but not on this machine."""
    config = run.config()
    entry = data.CATALOG.get(config.data.name) if config.data else None
    return entry is not None and not entry.local()


def resume(run: Run) -> None:
    try:
        backends.resume(run, sharing.token())
    except AecoreError as error:
        st.toast(str(error))


def delete(run: Run) -> None:
    try:
        run.delete()
        st.query_params.pop("run", None)
        st.toast(f"{run.id} is deleted.")
    except AecoreError as error:
        st.toast(str(error))


def watch(run: Run, config: RunConfig, was_alive: bool) -> None:
    """One look at the folder: progress, curve, numbers, reconstructions."""
    now, records = run.state(), run.epochs()
    done = (now.epoch + now.progress) / max(1, now.epochs)
    text = {"queued": "waiting for its turn", "running": f"epoch {min(now.epoch + 1, now.epochs)} of {now.epochs}"}
    st.markdown(f"{state.badge(run)} {now.device}{places.describe(run)}")
    st.progress(min(1.0, done), text=text.get(now.state, f"{now.epoch} of {now.epochs} epochs"))
    if now.note and now.state in LIVE:
        st.caption(f":material/pending: {now.note}")
    if now.error:
        st.error(now.error, icon=":material/error:")
    left, right = st.columns(2, gap="large")
    with left:
        if records:
            spec = figures.live_curve(records, config.model.variant, now.epochs)
            st.echarts_chart(spec, key="curve", height=320, alt="Loss by epoch, training and validation")
            numbers(records[-1])
        elif pretraining := run.records("pretrain"):
            st.caption(
                f"Pretraining layer {pretraining[-1].get('layer', 1)}, loss {pretraining[-1].get('loss', 0):.4g}"
            )
        elif now.state in LIVE:
            st.skeleton(height=320)
    with right:
        previews(run)
    results(run)
    if was_alive and now.state not in LIVE:
        st.rerun()  # once more, whole: the polling stops and the buttons change


def numbers(record: dict[str, Any]) -> None:
    """The last epoch in figures."""
    shown = {"training loss": "loss", "validation loss": "validation_loss", "seconds an epoch": "seconds"}
    present = [(label, record[key]) for label, key in shown.items() if key in record]
    row = st.container(horizontal=True)
    for label, value in present:
        row.metric(label, f"{value:#.4g}", width=METRIC_WIDTH)


def previews(run: Run) -> None:
    """The same test inputs as they were rebuilt at a chosen epoch, the latest by default."""
    kept = run.previews()
    if not kept:
        st.caption("Reconstructions appear after the first epoch.")
        return
    epochs = [epoch for epoch, _ in kept]
    key = f"preview-{len(epochs)}"  # a new one becomes the default
    epoch = st.select_slider("Epoch", epochs, epochs[-1], key=key) if len(epochs) > 1 else epochs[0]
    try:
        tensors = {name: data.as_float(t) for name, t in load(dict(kept)[epoch].read_bytes()).items()}
        inputs, rebuilt = tensors["x"], tensors["reconstruction"]
        shape = run.config().model.input_shape
        if inputs.shape != rebuilt.shape or tuple(inputs.shape[1:]) != shape or not len(inputs):
            raise KeyError("x")
    except (SafetensorError, OSError, KeyError):
        st.caption("This preview cannot be read.")
        return
    limit = float(inputs.abs().max())
    pairs = torch.cat([part for i in range(0, len(inputs), 8) for part in (inputs[i : i + 8], rebuilt[i : i + 8])])
    st.image(
        grid(tiles(pairs, limit), 8), width="stretch", alt=f"Test inputs above their reconstructions, epoch {epoch}"
    )
    st.caption(f"Test inputs, each row above its reconstructions at epoch {epoch}.")


def results(run: Run) -> None:
    """The test metrics of a finished run."""
    found = run.test_metrics()
    if not found:
        return
    st.markdown("**On the test set**")
    row = st.container(horizontal=True)
    for name, value in found.items():
        text = f"{value:,}" if isinstance(value, int) else f"{value:#.4g}"
        row.metric(LABELS.get(name, name), text, help=DESCRIPTIONS.get(name), width=METRIC_WIDTH)
