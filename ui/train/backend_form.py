"""The part of the Train form that chooses a backend and a device, and jobs that are found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.backends.base import Device, JobFinder, Order, RemoteJob
from aecore.backends.launch import launch_runs, read_order, send_run, start_run
from aecore.backends.registry import BACKENDS, BackendEntry, open_backend
from aecore.errors import AecoreError, RunError
from aecore.names import escape_name
from aecore.runs.listing import has_sound_config
from aecore.runs.ownership import claim_folder, digest_secret
from aecore.runs.run import Run
from aecore.runs.storage import reserve_storage
from ui.kit.hub_account import get_hub_name, get_hub_token, start_hub_job
from ui.kit.jobs import is_job_running, poll_job
from ui.kit.memory import keep_in_memory
from ui.kit.messages import format_problem
from ui.kit.visitor import get_visitor, list_own_runs

DEFAULT_MINUTES = (5, 30, 24 * 60)  # min, default and max that can be rented at once
DEVICES_TTL = 60.0  # seconds that an answer counts


class TrainingPlace(NamedTuple):
    """The backend and the device to train on, as chosen on the form."""

    engine: str
    device: Device
    minutes: int = 0


def choose_training_place(count: int = 1) -> TrainingPlace | None:
    """Show the choice of a backend and a device for `count` runs, and what they may cost.

    Returns None, and shows the reason, where the backend cannot be used.
    """
    where, what = st.columns([5, 4])
    engine = where.segmented_control(
        "Where",
        list(BACKENDS),
        default="local",
        required=True,
        key="where",
        format_func=format_backend,
        persist_state="session",
    )
    entry = BACKENDS[engine]
    token = get_hub_token() if entry.needs_token else False
    devices = list_devices(engine, digest_secret("token", str(token)), token)
    usable = {device.name: device for device in devices if not device.why_not}
    if not usable:
        st.info(format_problem(devices[0].why_not), icon=":material/info:")
        if entry.needs_token:
            st.page_link("hub.py", label="Sign in", icon=":material/login:")
        return None
    name = what.selectbox(
        "Device",
        list(usable),
        key=f"device-{engine}",
        format_func=lambda option: format_device(usable[option]),
        persist_state="session",
    )
    device = usable[name or next(iter(usable))]
    if entry.needs_token:
        show_found_jobs(entry)
    if device.price is None:
        return TrainingPlace(engine, device)
    return TrainingPlace(engine, device, ask_for_minutes(what, device.price, count))


def ask_for_minutes(column: DeltaGenerator, price: float, count: int) -> int:
    """Ask for the time limit of a rented device, and show what `count` runs may cost at most."""
    shortest, usual, longest = DEFAULT_MINUTES
    minutes = column.number_input(
        "Time limit, minutes", shortest, longest, usual, 5, key="minutes", persist_state="session"
    )
    cost = price * int(minutes) / 60 * count
    for_runs = f" for {count} runs" if count > 1 else ""
    account = escape_name(get_hub_name())
    st.caption(
        f"At most **${cost:.2f}**{for_runs}, paid by your account **{account}**: "
        f"${price:.2f} an hour, by the minute, until a run ends. "
        "The result goes to a private repository."
    )
    return int(minutes)


def format_backend(name: str) -> str:
    """Returns a backend's icon and label."""
    return f"{BACKENDS[name].icon} {BACKENDS[name].label}"


def format_device(device: Device) -> str:
    """Returns a device's label, its details and its price an hour, in one line."""
    price = "" if device.price is None else f", ${device.price:.2f} an hour"
    return f"{device.label} · {device.detail}{price}" if device.detail else f"{device.label}{price}"


@keep_in_memory("Asking what is there ...", seconds=DEVICES_TTL)
def list_devices(engine: str, account: str, _token: str | bool) -> list[Device]:
    """Returns what a backend offers to an account, or one device that says why it offers nothing.

    `account` is a digest of the token.
    """
    return open_backend(engine, _token).devices()


def start_training(runs: Sequence[Run], place: TrainingPlace | None) -> None:
    """Start to train runs where the form says; None is this machine."""
    kind, _, count = place.device.name.partition(":") if place else ("", "", "")
    if kind == "gpu" and place and not BACKENDS[place.engine].is_remote:
        for run in runs:
            start_run(run, processes=int(count))
        return
    if place is None or not BACKENDS[place.engine].is_remote:
        launch_runs(runs)
        return
    order = Order(
        backend=place.engine,
        device=place.device.name,
        label=place.device.label,
        minutes=place.minutes,
        price=place.device.price,
        owner=get_hub_name() if BACKENDS[place.engine].is_paid else "",
    )
    launch_runs(runs, order, get_hub_token())


def check_payer(run: Run) -> None:
    """Raises RunError for a run at a rented machine that another account than this one pays."""
    order = read_order(run)
    if order and order.owner and order.owner != get_hub_name():
        raise RunError("Another account pays for this run. Sign in as that one on the page Hub.")


def describe_place(run: Run) -> str:
    """Returns as Markdown where a run trains and what it may cost; empty for one that is here."""
    if (order := read_order(run)) is None:
        return ""
    price = f", at most ${order.price * order.minutes / 60:.2f}" if order.price else ""
    device = escape_name(order.label or order.device)
    return f" · {format_backend(order.backend)}, {device}{price}"


def show_found_jobs(entry: BackendEntry) -> None:
    """Show jobs of the visitor's account whose runs are not here, each to be brought back."""
    token, user = get_hub_token(), get_hub_name()
    finder = entry.open(token)
    if not isinstance(token, str) or not user or not isinstance(finder, JobFinder):
        return
    if st.button(
        f"Find my jobs on {entry.account}",
        icon=":material/cloud_sync:",
        type="tertiary",
        disabled=is_job_running("jobs"),
    ):
        start_hub_job("jobs", lambda _: finder.jobs(user))
        st.rerun()  # which draws the button as it is while the job runs
    outcome = poll_job("jobs", "Asking the Hub ...")
    if outcome.state == "done":
        show_missing_jobs(finder, outcome.result, token)
    brought = poll_job("bring", "Looking ...").result
    if isinstance(brought, Run) and has_sound_config(brought):
        st.page_link(
            "train.py",
            label=escape_name(brought.id),
            icon=":material/monitoring:",
            query_params={"run": brought.id},
        )


def show_missing_jobs(finder: JobFinder, jobs: list[RemoteJob], token: str) -> None:
    """Show the jobs whose runs are not here, each with a button that brings it."""
    runs = list_own_runs()
    orders = [order for order in map(read_order, runs) if order]
    here = {run.id for run in runs} | {order.handle for order in orders}
    missing = [job for job in jobs if job.run not in here and job.handle not in here]
    if not missing:
        st.caption("No job of yours is missing here.")
    for job in missing:
        row = st.container(horizontal=True, vertical_alignment="center")
        place = escape_name(f"{job.flavor}, {job.stage.lower()}")
        row.markdown(f"**{escape_name(job.run)}** :gray[{place}]", width="content")
        row.button(
            "Bring it here",
            key=f"bring-{job.handle}",
            on_click=bring_job_back,
            args=(finder, job, token),
            disabled=is_job_running("bring"),
        )


def bring_job_back(finder: JobFinder, job: RemoteJob, token: str) -> None:
    """Begin to make a run folder for a job, and to follow the job from here."""

    visitor = get_visitor()

    def fetch() -> Run:
        with reserve_storage(visitor):
            run = finder.bring(job)
            claim_folder(run.path, visitor.owner)
        if (order := read_order(run)) is None:
            raise AecoreError(f"{run.id} does not say where it is. Try again.")
        send_run(run, order, token)
        return run

    start_hub_job("bring", lambda _: fetch())
