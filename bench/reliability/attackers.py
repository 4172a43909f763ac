"""The worst that a visitor's browser can send: each attacker is one visitor with one idea.

An attacker goes on until its task is cancelled, whatever the page refuses. What the page offers is
looked for, so that an attack fits any version of it: where a limit hides a button, it is not
pressed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import cycle, product
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import WebSocketException

from bench.reliability.drop_zone import find_drop_zone, make_bomb, send_file
from bench.reliability.page_session import PageSession, make_cookie, open_session
from bench.reliability.widget_states import make_widget_state

LAYERS = ("16384, 4096", "8192, 4096", "8192, 1024", "4096, 2048", "2048, 1024", "1024")
SWEPT_SIZES = (60, 20, 6, 2)  # of the code
TABS = 12  # of one attacker
UPLOADS_AT_ONCE = 12  # of one set
LARGE_STATE_BYTES = 20_000_000  # Streamlit closes a connection at 25 MB
FLOOD_PAUSE = 0.005  # seconds between messages
HEAVY_PAGES = (
    ("latent", "split=train&points=60000&axes=3-D&colour=neighbours"),
    ("manifold", "mode=Dimension"),
    ("features", "mode=Code%20size"),
    ("generate", "mode=Walk"),
    ("anomaly", ""),
    ("evidence", "experiment=E3"),
)
TabWork = Callable[[PageSession, int], Awaitable[None]]  # with the number of the tab


class Attacker:
    """One visitor, whose tabs share a cookie; `counts` tells what was sent and answered."""

    def __init__(self, address: str, name: str) -> None:
        self.address, self.name, self.cookie = address, name, make_cookie(name)
        self.counts: Counter[str] = Counter()

    async def press(self, tab: PageSession, label: str) -> bool:
        """Press a button if the page shows one whose label begins so."""
        button = tab.find("button", label)
        if button is None or button.element.button.disabled:
            self.counts[f"no button {label}"] += 1
            await asyncio.sleep(0.2)
            return False
        await tab.press(button)
        self.counts[button.element.button.label] += 1
        return True

    async def upload(self, tab: PageSession, name: str, content: bytes | None = None) -> bool:
        """Send a file to the page's drop zone, zeros of the largest size for None."""
        drop = find_drop_zone(tab)
        answer = await send_file(self.address, self.cookie, drop, name, content) if drop else "none"
        self.counts[f"upload: {answer}"] += 1
        await asyncio.sleep(0.0 if answer == "200" else 0.2)
        return answer == "200"

    async def in_tabs(self, work: TabWork, count: int = TABS) -> None:
        """Do something in several tabs at once, each opened anew when the server closes it."""

        async def keep_working(number: int) -> None:
            while True:
                try:
                    async with open_session(self.address, self.cookie) as tab:
                        await work(tab, number)
                except (OSError, WebSocketException) as error:
                    self.counts[type(error).__name__] += 1
                    await asyncio.sleep(0.5)

        await asyncio.gather(*(keep_working(number) for number in range(count)))


# -- runs


async def sweep_for_ever(attacker: Attacker) -> None:
    """Start the largest sweep that the form takes, again and again."""

    async def sweep(tab: PageSession, number: int) -> None:
        for count in cycle(SWEPT_SIZES):
            await tab.go("train", "variant=vanilla&data=digits")
            sizes = ", ".join(str(size) for size in range(2, 2 + count))
            await fill(
                tab,
                ("multiselect", "More variants", list_options(tab, "More variants")),
                ("number_input", "Seeds", None),
                ("text_input", "Latent dimensions", sizes),
            )
            await attacker.press(tab, "Start")

    await attacker.in_tabs(sweep, 1)


async def train_for_ever(attacker: Attacker) -> None:
    """Start runs of the largest model that the form takes, each with the most epochs."""

    async def train(tab: PageSession, number: int) -> None:
        for layers in cycle(LAYERS):
            await tab.go("train", "variant=vanilla&data=mnist")
            await fill(tab, ("text_input", "Hidden", layers), ("number_input", "Epochs", None))
            await attacker.press(tab, "Start")

    await attacker.in_tabs(train, 1)


# -- data


async def upload_for_ever(attacker: Attacker) -> None:
    """Send the largest files that a set takes, many at once."""

    async def send_all(tab: PageSession, number: int) -> None:
        while True:
            await tab.go("data")
            names = [f"{number}-{i}.png" for i in range(UPLOADS_AT_ONCE)]
            await asyncio.gather(*(attacker.upload(tab, name) for name in names))

    await attacker.in_tabs(send_all)


async def decode_for_ever(attacker: Attacker) -> None:
    """Bring small files that decode to the most that is taken, and look at each."""
    bomb = await asyncio.to_thread(make_bomb)

    async def bring(tab: PageSession, number: int) -> None:
        while True:
            await tab.go("data")
            drop = find_drop_zone(tab)
            if drop and await attacker.upload(tab, f"zeros-{number}.npz", bomb):
                await tab.trigger(drop.shown, "done", {"files": 1})
                attacker.counts["brought"] += 1
            for page, query in (("data", ""), ("train", "")):
                await tab.go(page, query)

    await attacker.in_tabs(bring, 5)


# -- calculations


async def map_for_ever(attacker: Attacker, method: str = "t-SNE") -> None:
    """Ask for slow maps of the most points of every run, without waiting for one."""

    async def ask(tab: PageSession, number: int) -> None:
        await tab.go("latent")
        runs = list_options(tab, "Run")
        for run, split, axes in cycle(product(runs, ("train", "test"), ("2-D", "3-D"))):
            query = f"run={run}&split={split}&axes={axes}&map={method}&points=60000"
            await tab.go("latent", query)
            await attacker.press(tab, "Compute")

    await attacker.in_tabs(ask, 1)


async def map_by_umap_for_ever(attacker: Attacker) -> None:
    """Do the same by UMAP."""
    await map_for_ever(attacker, "UMAP")


async def zip_for_ever(attacker: Attacker) -> None:
    """Ask for the static page of every run, with its inputs, in many tabs."""

    async def ask(tab: PageSession, number: int) -> None:
        await tab.go("hub")
        runs = list_options(tab, "Run")
        for run in cycle(runs[number % len(runs) :] + runs[: number % len(runs)] if runs else ()):
            await fill(tab, ("selectbox", "Run", run), ("checkbox", "Show the inputs", True))
            await attacker.press(tab, "As a .zip")

    await attacker.in_tabs(ask)


async def look_for_ever(attacker: Attacker) -> None:
    """Open the heaviest pages with the heaviest settings in many tabs."""

    async def look(tab: PageSession, number: int) -> None:
        for page, query in cycle(HEAVY_PAGES[number % 6 :] + HEAVY_PAGES[: number % 6]):
            await tab.go(page, query)
            attacker.counts[page] += 1

    await attacker.in_tabs(look)


# -- messages


async def flood_for_ever(attacker: Attacker) -> None:
    """Ask for the page without waiting for it, and clear the caches."""

    async def flood(tab: PageSession, number: int) -> None:
        await tab.go("latent")
        while not tab.closed:
            await tab.send(BackMsg(rerun_script=tab.make_state()))
            await tab.send(BackMsg(clear_cache=True))
            attacker.counts["messages"] += 2
            await asyncio.sleep(FLOOD_PAUSE)

    await attacker.in_tabs(flood, 1)


async def bloat_for_ever(attacker: Attacker) -> None:
    """Send the largest states of widgets that there are not, in many tabs."""

    async def bloat(tab: PageSession, number: int) -> None:
        while True:
            state = tab.make_state()
            state.widget_states.widgets.add(
                id=f"none-{attacker.counts.total()}", json_value=f'"{"x" * LARGE_STATE_BYTES}"'
            )
            await tab.ask(state)
            attacker.counts["large messages"] += 1

    await attacker.in_tabs(bloat, 4)


ATTACKS: tuple[Callable[[Attacker], Awaitable[None]], ...] = (
    sweep_for_ever,
    train_for_ever,
    upload_for_ever,
    decode_for_ever,
    map_for_ever,
    map_by_umap_for_ever,
    zip_for_ever,
    look_for_ever,
    flood_for_ever,
    bloat_for_ever,
)


# -- what a page offers


async def fill(tab: PageSession, *moves: tuple[str, str, Any]) -> None:
    """Move widgets, by kind and label, to values, or to their largest for None, in one message."""
    for kind, label, value in moves:
        if shown := tab.find(kind, label):
            most = shown.element.number_input.max
            state = make_widget_state(shown.element, most if value is None else value)
            tab.states[state.id] = state
    await tab.ask(tab.make_state())


def list_options(tab: PageSession, label: str) -> list[str]:
    """Returns what a list on the page offers."""
    for kind in ("selectbox", "multiselect"):
        if shown := tab.find(kind, label):
            return list(getattr(shown.element, kind).options)
    return []
