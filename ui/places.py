"""Where a run can train: what there is, what it costs, why one cannot be used; and jobs that are found again."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from aecore import backends, runs
from aecore.backends import Device, Order, order_of
from aecore.backends.hf import HuggingFace, Job
from aecore.errors import AecoreError
from aecore.runs import Run
from ui import sharing, state

ICONS = {"local": ":material/computer:", "ray": ":material/lan:", "hf": ":material/cloud:"}
MINUTES = (5, 30, 24 * 60)  # least, usual and most that can be rented at once
ASKED_AGAIN = 60.0  # seconds that an answer counts


class Place(NamedTuple):
    """What was chosen on the form."""

    engine: str
    device: Device
    minutes: int = 0


def choose(count: int = 1) -> Place | None:
    """The engine and the device to train so many runs on; None, and the reason shown, where it cannot be used."""
    engine = st.segmented_control(
        "Where", list(backends.LABELS), default="local", required=True, key="where",
        format_func=lambda name: f"{ICONS[name]} {backends.LABELS[name]}",
    )  # fmt: skip
    found = devices(engine, sharing.token() if engine == "hf" else False)
    usable = {device.name: device for device in found if not device.why_not}
    if not usable:
        st.info(found[0].why_not, icon=":material/info:")
        if engine == "hf" and not sharing.token():
            st.page_link("hub.py", label="Sign in", icon=":material/login:")
        return None
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    name = left.selectbox("Device", list(usable), key=f"device-{engine}", format_func=lambda n: shown(usable[n]))
    device = usable[name or next(iter(usable))]
    if engine == "hf":
        find_jobs()
    if device.price is None:
        return Place(engine, device)
    least, usual, most = MINUTES
    minutes = int(right.number_input("Time limit, minutes", least, most, usual, 5, key="minutes"))
    most_paid, many = device.price * minutes / 60 * count, f" for {count} runs" if count > 1 else ""
    st.caption(
        f"At most **${most_paid:.2f}**{many}, paid by your account **{state.hub_name()}**: "
        f"${device.price:.2f} an hour, by the minute, until a run ends. The result goes to a private repository."
    )
    return Place(engine, device, minutes)


def shown(device: Device) -> str:
    price = "" if device.price is None else f", ${device.price:.2f} an hour"
    return f"{device.label} · {device.detail}{price}" if device.detail else f"{device.label}{price}"


@st.cache_data(ttl=ASKED_AGAIN, show_spinner="Asking what is there ...", max_entries=100)
def devices(engine: str, token: str | bool) -> list[Device]:
    """What a backend offers, or one device that says why it offers nothing."""
    return backends.engine(engine, token).devices()


def start(run: Run, place: Place | None) -> None:
    """Begin to train at a place."""
    kind, _, count = place.device.name.partition(":") if place else ("", "", "")
    if place is None or place.engine == "local":
        backends.start(run, processes=int(count) if kind == "gpu" else 1)
        return
    order = Order(
        backend=place.engine, device=place.device.name, label=place.device.label, minutes=place.minutes,  # type: ignore[arg-type]
        price=place.device.price, owner=state.hub_name() if place.engine == "hf" else "",
    )  # fmt: skip
    backends.start(run, order, sharing.token())


def describe(run: Run) -> str:
    """Where a run is that is not here, and what it may cost."""
    if (order := order_of(run)) is None:
        return ""
    price = f", at most ${order.price * order.minutes / 60:.2f}" if order.price else ""
    return f" · {ICONS[order.backend]} {backends.LABELS[order.backend]}, {order.label or order.device}{price}"


def find_jobs() -> None:
    """Jobs of the visitor's account whose runs are not here any more, each to be brought back."""
    mine = sharing.token()
    if not isinstance(mine, str) or not (user := state.hub_name()):
        return
    if st.button("Find my jobs on Hugging Face", icon=":material/cloud_sync:", type="tertiary"):
        sharing.begin("jobs", lambda: HuggingFace(mine).jobs(user))
    found = sharing.outcome("jobs", "Asking the Hub ...")
    here = {run.id for run in runs.list_runs()}
    away = [job for job in found or [] if job.run not in here]
    if found is not None and not away:
        st.caption("No job of yours is missing here.")
    for job in away:
        row = st.container(horizontal=True, vertical_alignment="center")
        row.markdown(f"**{job.run}** :gray[{job.flavor}, {job.stage.lower()}]", width="content")
        row.button("Bring it here", key=f"bring-{job.handle}", on_click=bring, args=(job, mine))
    if isinstance(run := sharing.outcome("bring", "Looking ..."), Run):
        st.page_link("train.py", label=run.id, icon=":material/monitoring:", query_params={"run": run.id})


def bring(job: Job, token: str) -> None:
    def work() -> Run:
        run = HuggingFace(token).bring(job)
        if (order := order_of(run)) is None:
            raise AecoreError(f"{run.id} does not say where it is. Try again.")
        backends.send(run, order, token)
        return run

    sharing.begin("bring", work)
