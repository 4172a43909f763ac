"""Where a run can train: what there is, what it costs, why one cannot be used; and jobs that are found again."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from aecore.backends.base import Device, JobFinder, Order, RemoteJob
from aecore.backends.launch import read_order, send_run, start_run
from aecore.backends.registry import BACKENDS, BackendEntry, open_backend
from aecore.errors import AecoreError
from aecore.runs.listing import list_runs
from aecore.runs.run import Run
from ui.kit.hub_account import begin_hub_job, hub_job_outcome, hub_token
from ui.kit.visitor import hub_name

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
        list(BACKENDS),
        default="local",
        required=True,
        key="where",
        format_func=format_backend,
    )
    entry = BACKENDS[engine]
    found = list_devices(engine, hub_token() if entry.needs_token else False)
    usable = {device.name: device for device in found if not device.why_not}
    if not usable:
        st.info(found[0].why_not, icon=":material/info:")
        if entry.needs_token and not hub_token():
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
    if entry.needs_token:
        show_found_jobs(entry)
    if device.price is None:
        return TrainingPlace(engine, device)
    least, usual, most = DEFAULT_MINUTES
    minutes = int(right.number_input("Time limit, minutes", least, most, usual, 5, key="minutes"))
    most_paid, many = device.price * minutes / 60 * count, f" for {count} runs" if count > 1 else ""
    st.caption(
        f"At most **${most_paid:.2f}**{many}, paid by your account **{hub_name()}**: "
        f"${device.price:.2f} an hour, by the minute, until a run ends. The result goes to a private repository."
    )
    return TrainingPlace(engine, device, minutes)


def format_backend(name: str) -> str:
    """Returns a backend's icon and label."""
    return f"{BACKENDS[name].icon} {BACKENDS[name].label}"


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
    if place is None or not BACKENDS[place.engine].is_remote:
        start_run(run, processes=int(count) if kind == "gpu" else 1)
        return
    order = Order(
        backend=place.engine,
        device=place.device.name,
        label=place.device.label,
        minutes=place.minutes,
        price=place.device.price,
        owner=hub_name() if BACKENDS[place.engine].is_paid else "",
    )
    start_run(run, order, hub_token())


def describe_place(run: Run) -> str:
    """Where a run is that is not here, and what it may cost."""
    if (order := read_order(run)) is None:
        return ""
    price = f", at most ${order.price * order.minutes / 60:.2f}" if order.price else ""
    return f" · {format_backend(order.backend)}, {order.label or order.device}{price}"


def show_found_jobs(entry: BackendEntry) -> None:
    """Offers to bring back jobs of the visitor's account whose runs are not here any more."""
    mine, user = hub_token(), hub_name()
    finder = entry.open(mine)
    if not isinstance(mine, str) or not user or not isinstance(finder, JobFinder):
        return
    if st.button(f"Find my jobs on {entry.account}", icon=":material/cloud_sync:", type="tertiary"):
        begin_hub_job("jobs", lambda: finder.jobs(user))
    found = hub_job_outcome("jobs", "Asking the Hub ...")
    here = {run.id for run in list_runs()}
    away = [job for job in found or [] if job.run not in here]
    if found is not None and not away:
        st.caption("No job of yours is missing here.")
    for job in away:
        row = st.container(horizontal=True, vertical_alignment="center")
        row.markdown(f"**{job.run}** :gray[{job.flavor}, {job.stage.lower()}]", width="content")
        row.button(
            "Bring it here",
            key=f"bring-{job.handle}",
            on_click=bring_job_back,
            args=(finder, job, mine),
        )
    if isinstance(run := hub_job_outcome("bring", "Looking ..."), Run):
        st.page_link(
            "train.py", label=run.id, icon=":material/monitoring:", query_params={"run": run.id}
        )


def bring_job_back(finder: JobFinder, job: RemoteJob, token: str) -> None:
    """Begins to make a run folder for a job, and to follow it."""

    def work() -> Run:
        run = finder.bring(job)
        if (order := read_order(run)) is None:
            raise AecoreError(f"{run.id} does not say where it is. Try again.")
        send_run(run, order, token)
        return run

    begin_hub_job("bring", work)
