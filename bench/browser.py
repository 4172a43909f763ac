"""Start Chromium for a benchmark, and open pages in it as a new visitor."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, Playwright

from bench.screenshots import CHROMIUM_ARGUMENTS


def launch_chromium(playwright: Playwright) -> Browser:
    """Start the Chromium of this machine."""
    return playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS)


@contextlib.contextmanager
def open_visitor_page(browser: Browser) -> Iterator[Page]:
    """Open an empty page of 1280 x 900 as a new visitor: no cookies, nothing cached."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        yield context.new_page()
    finally:
        context.close()
