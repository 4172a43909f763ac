"""The worst that a visitor's browser can send: each attacker is one visitor with one idea.

An attacker goes on until its task is cancelled, whatever the page refuses. What the page offers is
looked for, so that an attack fits any version of it: where a limit hides a button, it is not
pressed.
"""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import cache
from itertools import cycle, product
from typing import Any

import httpx
import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg

from bench.reliability.page_session import COOKIE_NAME, PageSession, make_cookie, open_session

LAYERS = ("16384, 4096", "8192, 4096", "8192, 1024", "4096, 2048", "2048, 1024", "1024")
SWEPT_SIZES = (60, 20, 6, 2)  # of the code
TABS = 12  # of one attacker
UPLOADS_AT_ONCE = 12  # of one set
CHUNK_BYTES = 1_000_000
BOMB_PICTURES = 1_200_000  # of 28 x 28, .94 GB once decoded, 1 MB before
LARGE_STATE_BYTES = 20_000_000  # Streamlit closes a connection at 25 MB
FLOOD_PAUSE = 0.005  # seconds between messages
HEAVY_PAGES = (
    ("latent", "split=train&points=60000&axes=3-D&colour=neighbours"),
    ("manifold", "mode=Dimension"),
    ("features", "mode=Size"),
    ("generate", "mode=Walk"),
    ("anomaly", ""),
    ("evidence", "experiment=E3"),
)


class Attacker:
    """One visitor, whose tabs share a cookie; `counts` tells what was sent and answered."""

    def __init__(self, address: str, name: str) -> None:
        self.address, self.name, self.cookie = address, name, make_cookie(name)
        self.counts: Counter[str] = Counter()

    def open_tab(self) -> AbstractAsyncContextManager[PageSession]:
        """Open one more tab."""
        return open_session(self.address, self.cookie)

    async def press(self, tab: PageSession, label: str) -> bool:
        """Press a button if the page shows one whose label begins so."""
        button = tab.find("button", label)
        if button is None or button.element.button.disabled:
            self.counts[f"no button {label}"] += 1
            await asyncio.sleep(0.2)
            return False
        await tab.press(button)
        self.counts[f"{button.element.button.label}"] += 1
        return True

    async def in_tabs(
        self, work: Callable[[PageSession, int], Awaitable[None]], count: int
    ) -> None:
        """Do something in several tabs at once."""
        async with AsyncExitStack() as stack:
            tabs = [await stack.enter_async_context(self.open_tab()) for _ in range(count)]
            await asyncio.gather(*(work(tab, number) for number, tab in enumerate(tabs)))


# -- runs


async def sweep_for_ever(attacker: Attacker) -> None:
    """Start the largest sweep that the form takes, again and again."""
    async with attacker.open_tab() as tab:
        for count in cycle(SWEPT_SIZES):
            await tab.go("train", "variant=vanilla&data=digits")
            await fill(tab, "multiselect", "More variants", list_options(tab, "More variants"))
            await fill(tab, "number_input", "Seeds", None)
            sizes = ", ".join(str(size) for size in range(2, 2 + count))
            await fill(tab, "text_input", "Sizes of the code", sizes)
            await attacker.press(tab, "Start")


async def train_for_ever(attacker: Attacker) -> None:
    """Start runs of the largest model that the form takes, each with the most epochs."""
    async with attacker.open_tab() as tab:
        for layers in cycle(LAYERS):
            await tab.go("train", "variant=vanilla&data=mnist")
            await fill(tab, "text_input", "Hidden", layers)
            await fill(tab, "number_input", "Epochs", None)
            await attacker.press(tab, "Start")


# -- data


async def upload_for_ever(attacker: Attacker) -> None:
    """Send the largest files that a set takes, many at once."""

    async def send_all(tab: PageSession, number: int) -> None:
        while True:
            await tab.go("data")
            names = [f"{number}-{i}.png" for i in range(UPLOADS_AT_ONCE)]
            await asyncio.gather(*(send_file(attacker, tab, name, None) for name in names))

    await attacker.in_tabs(send_all, TABS)


async def decode_for_ever(attacker: Attacker) -> None:
    """Bring small files that decode to the most that is taken, and look at each."""
    bomb = await asyncio.to_thread(make_bomb)

    async def bring(tab: PageSession, number: int) -> None:
        while True:
            await tab.go("data")
            if await send_file(attacker, tab, f"zeros-{number}.npz", bomb):
                drop = find_drop_zone(tab)
                if drop is not None:
                    shown, settings = drop
                    await tab.trigger(shown, "done", {"token": settings["token"]})
                    attacker.counts["brought"] += 1
            for page, query in (("data", ""), ("train", "")):
                await tab.go(page, query)

    await attacker.in_tabs(bring, 5)


# -- calculations


async def map_for_ever(attacker: Attacker, method: str = "t-SNE") -> None:
    """Ask for slow maps of the most points of every run, without waiting for one."""
    async with attacker.open_tab() as tab:
        await tab.go("latent")
        runs = list_options(tab, "Run")
        for run, split, axes in cycle(product(runs, ("train", "test"), ("2-D", "3-D"))):
            query = f"run={run}&split={split}&axes={axes}&map={method}&points=60000"
            await tab.go("latent", query)
            await attacker.press(tab, "Compute")


async def map_by_umap_for_ever(attacker: Attacker) -> None:
    """Do the same by UMAP."""
    await map_for_ever(attacker, "UMAP")


async def zip_for_ever(attacker: Attacker) -> None:
    """Ask for the static page of every run, with its inputs, in many tabs."""

    async def ask(tab: PageSession, number: int) -> None:
        await tab.go("hub")
        runs = list_options(tab, "Run")
        for run in cycle(runs[number % len(runs) :] + runs[: number % len(runs)] if runs else ()):
            await fill(tab, "selectbox", "Run", run)
            await fill(tab, "checkbox", "Show the inputs", True)
            await attacker.press(tab, "As a .zip")

    await attacker.in_tabs(ask, TABS)


async def look_for_ever(attacker: Attacker) -> None:
    """Open the heaviest pages with the heaviest settings in many tabs."""

    async def look(tab: PageSession, number: int) -> None:
        for page, query in cycle(HEAVY_PAGES[number % 6 :] + HEAVY_PAGES[: number % 6]):
            await tab.go(page, query)
            attacker.counts[page] += 1

    await attacker.in_tabs(look, TABS)


# -- messages


async def flood_for_ever(attacker: Attacker) -> None:
    """Ask for the page without waiting for it, and clear the caches."""
    while True:
        async with attacker.open_tab() as tab:
            await tab.go("latent")
            while not tab.closed:
                await tab.send(BackMsg(rerun_script=tab.make_state()))
                await tab.send(BackMsg(clear_cache=True))
                attacker.counts["messages"] += 2
                await asyncio.sleep(FLOOD_PAUSE)


async def bloat_for_ever(attacker: Attacker) -> None:
    """Send the largest states of widgets that there are not, in many tabs."""

    async def bloat(tab: PageSession, number: int) -> None:
        while not tab.closed:
            state = tab.make_state()
            state.widget_states.widgets.add(
                id=f"none-{attacker.counts.total()}", json_value=f'"{"x" * LARGE_STATE_BYTES}"'
            )
            await tab.ask(state)
            attacker.counts["large messages"] += 1

    while True:
        await attacker.in_tabs(bloat, TABS)


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


async def fill(tab: PageSession, kind: str, label: str, value: Any) -> None:
    """Move a widget, if there is one, to a value; to its largest for None."""
    shown = tab.find(kind, label)
    if shown is None:
        return
    await tab.press(shown, shown.element.number_input.max if value is None else value)


def list_options(tab: PageSession, label: str) -> list[str]:
    """Returns what a list on the page offers."""
    for kind in ("selectbox", "multiselect"):
        if shown := tab.find(kind, label):
            return list(getattr(shown.element, kind).options)
    return []


def find_drop_zone(tab: PageSession) -> tuple[Any, dict[str, Any]] | None:
    """Returns the drop zone of the page and what it was told; None where there is none."""
    for shown in tab.list_shown("bidi_component"):
        text = shown.element.bidi_component.json
        settings = json.loads(text) if text else None
        if isinstance(settings, dict) and "token" in settings:
            return shown, settings
    return None


async def send_file(attacker: Attacker, tab: PageSession, name: str, content: bytes | None) -> bool:
    """Send a file to the page's drop zone, zeros of the largest size for None."""
    drop = find_drop_zone(tab)
    if drop is None:
        attacker.counts["no drop zone"] += 1
        await asyncio.sleep(0.2)
        return False
    _, settings = drop
    size = int(settings["limit"]) if content is None else len(content)
    headers = {"Cookie": f"{COOKIE_NAME}={attacker.cookie}", "Content-Length": str(size)}
    url = f"{attacker.address}/own/{settings['token']}/{name}"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
            answer = await client.put(url, content=content or stream_zeros(size), headers=headers)
    except httpx.HTTPError as error:
        attacker.counts[f"upload: {type(error).__name__}"] += 1
        return False
    attacker.counts[f"upload: {answer.status_code}"] += 1
    return answer.status_code == 200


async def stream_zeros(size: int) -> AsyncIterator[bytes]:
    """Returns the body of a file of zeros, piece by piece."""
    while size > 0:
        yield bytes(min(size, CHUNK_BYTES))
        size -= CHUNK_BYTES


@cache
def make_bomb() -> bytes:
    """Returns a .npz of 1 MB whose black pictures of 28 x 28 take .94 GB."""
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (BOMB_PICTURES, 1, 28, 28)}
    archive = zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("x.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(BOMB_PICTURES // 1000):
            file.write(bytes(1000 * 28 * 28))
    return buffer.getvalue()
