"""Where a run can train: what there is, what it costs, why one cannot be used; and jobs that are found again."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from aecore.backends.base import Device, Order, read_order
from aecore.backends.huggingface import HubJob, HuggingFace
from aecore.backends.registry import BACKEND_LABELS, open_backend, send_run, start_run
from aecore.errors import AecoreError
from aecore.runs.listing import list_runs
from aecore.runs.run import Run
from ui.kit.hub_account import begin_hub_job, get_hub_token, hub_job_outcome
from ui.kit.visitor import get_hub_name

BACKEND_ICONS = {"local": ":material/computer:", "ray": ":material/lan:", "hf": ":material/cloud:"}
DEFAULT_MINUTES = (5, 30, 24 * 60)  # least, usual and most that can be rented at once
DEVICES_TTL = 60.0  # seconds that an answer counts


class TrainingPlace(NamedTuple):
    """What was chosen on the form."""

    engine: str
    device: Device
    minutes: int = 0


def choose_training_place(count: int = 1) -> TrainingPlace | None:
    """The engine and the device to train so many runs on; None, and the reason shown, where it cannot be used."""
    engine = st.segmented_control(
        "Where",
        list(BACKEND_LABELS),
        default="local",
        required=True,
        key="where",
        format_func=lambda name: f"{BACKEND_ICONS[name]} {BACKEND_LABELS[name]}",
    )
    found = list_devices(engine, get_hub_token() if engine == "hf" else False)
    usable = {device.name: device for device in found if not device.why_not}
    if not usable:
        st.info(found[0].why_not, icon=":material/info:")
        if engine == "hf" and not get_hub_token():
            st.page_link("hub.py", label="Sign in", icon=":material/login:")
        return None
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    name = left.selectbox(
        "Device",
        list(usable),
        key=f"device-{engine}",
        format_func=lambda n: format_device(usable[n]),
    )
    device = usable[name or next(iter(usable))]
    if engine == "hf":
        show_found_jobs()
    if device.price is None:
        return TrainingPlace(engine, device)
    least, usual, most = DEFAULT_MINUTES
    minutes = int(right.number_input("Time limit, minutes", least, most, usual, 5, key="minutes"))
    most_paid, many = device.price * minutes / 60 * count, f" for {count} runs" if count > 1 else ""
    st.caption(
        f"At most **${most_paid:.2f}**{many}, paid by your account **{get_hub_name()}**: "
        f"${device.price:.2f} an hour, by the minute, until a run ends. The result goes to a private repository."
    )
    return TrainingPlace(engine, device, minutes)


def format_device(device: Device) -> str:
    price = "" if device.price is None else f", ${device.price:.2f} an hour"
    return f"{device.label} · {device.detail}{price}" if device.detail else f"{device.label}{price}"


@st.cache_data(ttl=DEVICES_TTL, show_spinner="Asking what is there ...", max_entries=100)
def list_devices(engine: str, token: str | bool) -> list[Device]:
    """What a backend offers, or one device that says why it offers nothing."""
    return open_backend(engine, token).devices()


def start_training(run: Run, place: TrainingPlace | None) -> None:
    """Begin to train at a place."""
    kind, _, count = place.device.name.partition(":") if place else ("", "", "")
    if place is None or place.engine == "local":
        start_run(run, processes=int(count) if kind == "gpu" else 1)
        return
    order = Order(
        backend=place.engine,
        device=place.device.name,
        label=place.device.label,
        minutes=place.minutes,  # type: ignore[arg-type]
        price=place.device.price,
        owner=get_hub_name() if place.engine == "hf" else "",
    )
    start_run(run, order, get_hub_token())


def describe_place(run: Run) -> str:
    """Where a run is that is not here, and what it may cost."""
    if (order := read_order(run)) is None:
        return ""
    price = f", at most ${order.price * order.minutes / 60:.2f}" if order.price else ""
    return f" · {BACKEND_ICONS[order.backend]} {BACKEND_LABELS[order.backend]}, {order.label or order.device}{price}"


def show_found_jobs() -> None:
    """Jobs of the visitor's account whose runs are not here any more, each to be brought back."""
    mine = get_hub_token()
    if not isinstance(mine, str) or not (user := get_hub_name()):
        return
    if st.button("Find my jobs on Hugging Face", icon=":material/cloud_sync:", type="tertiary"):
        begin_hub_job("jobs", lambda: HuggingFace(mine).jobs(user))
    found = hub_job_outcome("jobs", "Asking the Hub ...")
    here = {run.id for run in list_runs()}
    away = [job for job in found or [] if job.run not in here]
    if found is not None and not away:
        st.caption("No job of yours is missing here.")
    for job in away:
        row = st.container(horizontal=True, vertical_alignment="center")
        row.markdown(f"**{job.run}** :gray[{job.flavor}, {job.stage.lower()}]", width="content")
        row.button(
            "Bring it here", key=f"bring-{job.handle}", on_click=bring_job_back, args=(job, mine)
        )
    if isinstance(run := hub_job_outcome("bring", "Looking ..."), Run):
        st.page_link(
            "train.py", label=run.id, icon=":material/monitoring:", query_params={"run": run.id}
        )


def bring_job_back(job: HubJob, token: str) -> None:
    def work() -> Run:
        run = HuggingFace(token).bring(job)
        if (order := read_order(run)) is None:
            raise AecoreError(f"{run.id} does not say where it is. Try again.")
        send_run(run, order, token)
        return run

    begin_hub_job("bring", work)
