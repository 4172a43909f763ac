"""How soon Home's explorer decodes under the pointer; a part of `python -m bench.app`.

By itself, `python -m bench.home` prints the figures and writes nothing.
"""

from __future__ import annotations

import tempfile

from playwright.sync_api import Browser, Page, sync_playwright

from bench.browser import launch_chromium, open_visitor_page
from bench.results import format_range
from bench.screenshots import server, settle

HOME_VISITS = 7
ON_THE_MAP = (600, 350)  # pixels of the page
DECODED_CODE = """() => {
  const hosts = [...document.querySelectorAll("*")].filter((element) => element.shadowRoot);
  const picture = hosts.map((host) => host.shadowRoot.querySelector(".here")).find(Boolean);
  return picture?.getAttribute("aria-label") ?? "";
}"""
SECONDS = "performance.now() / 1000"  # since the navigation began


def measure_home(browser: Browser) -> list[str]:
    """Returns the lines of Home's section; visits in turns with those of an empty page."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server(AECORE_RUNS=folder, AECORE_DATA=folder) as address,
        server("bench/empty_page.py") as empty_address,
    ):
        fresh = time_first_decode(browser, address)
        with open_visitor_page(browser) as page:
            page.goto(address)
            settle(page, 20_000)  # the server goes on importing after its first answer
        turns = [
            (time_heading(browser, empty_address), time_first_decode(browser, address))
            for _ in range(HOME_VISITS)
        ]
    headings, decodes = zip(*turns, strict=True)
    return [
        f"Home: first decode under the pointer: **{format_range(decodes, '-')} s** from the link, "
        "in a new browser, until the model has decoded the code under a pointer that moves over "
        f"the map all the while; {fresh:.2f} s for the very first visitor of a fresh server. The "
        f"heading of an empty Streamlit page, in turns: {format_range(headings, '-')} s.",
    ]


def time_first_decode(browser: Browser, address: str) -> float:
    """Returns the seconds until a second code is decoded: the first one is there without it."""
    with open_visitor_page(browser) as page:
        page.goto(address, wait_until="commit")
        codes: set[str] = set()
        while len(codes) < 2:
            move_pointer(page, len(codes))
            if code := page.evaluate(DECODED_CODE).partition("z = ")[2]:
                codes.add(code)
        return page.evaluate(SECONDS)


def move_pointer(page: Page, step: int) -> None:
    """Move the pointer a little, over where Home's map is."""
    x, y = ON_THE_MAP
    for offset in (0, 6):
        page.mouse.move(x + offset + 12 * step, y + offset)


def time_heading(browser: Browser, address: str) -> float:
    """Returns the seconds until the heading of a page is there."""
    with open_visitor_page(browser) as page:
        page.goto(address, wait_until="commit")
        page.locator("h1").first.wait_for()
        return page.evaluate(SECONDS)


def main() -> None:
    """Print the figures."""
    with sync_playwright() as playwright:
        print("\n".join(measure_home(launch_chromium(playwright))))


if __name__ == "__main__":
    main()
