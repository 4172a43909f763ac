"""Servers of the app that start at once, visitors, and pages that tell when they are at rest."""

from __future__ import annotations

import multiprocessing
import os
import re
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from helpers import wait_for
from playwright.sync_api import Browser, BrowserContext, Page

from bench.screenshots import IDLE, PROJECT

VIEWPORT = {"width": 1280, "height": 900}
HANGS = 300.0  # seconds after which something hangs; nothing that works is bound by it
DROP_ZONE = ".zone[data-ticket]"  # once its script has come: before it, files are lost
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "sklearn.datasets",
        "streamlit.web.cli",
        "tests.browser.serving",
        "torch._dynamo",
        "ui.kit.preload",
    ]
)
RERUN_SCRIPT, NEW_SESSION, SCRIPT_FINISHED, EARLY = (
    11,
    4,
    6,
    2,
)  # fields of Streamlit's messages, and a value
COUNT_RUNS = f"""(() => {{
  const fields = (bytes) => {{  // of a protobuf message: numbers, and the lengths of all else
    const found = {{}};
    let at = 0;
    const number = () => {{
      let value = 0, unit = 1;
      for (; bytes[at] > 127; unit *= 128) value += (bytes[at++] - 128) * unit;
      return value + bytes[at++] * unit;
    }};
    while (at < bytes.length) {{
      const tag = number(), kind = tag % 8, value = kind === 1 ? 8 : kind === 5 ? 4 : number();
      found[(tag - kind) / 8] = value;
      if (kind !== 0) at += value;
    }}
    return found;
  }};
  // when each was seen last, by a count
  window.scriptRuns = {{ asked: 0, begun: 0, ended: 0, last: 0 }};
  const see = (what) => {{ scriptRuns[what] = ++scriptRuns.last; }};
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (sent) {{
    if (!this.isSeen) {{
      this.isSeen = true;
      this.addEventListener("message", ({{ data }}) => {{
        const found = data instanceof ArrayBuffer ? fields(new Uint8Array(data)) : {{}};
        if ({NEW_SESSION} in found) see("begun");
        if ({SCRIPT_FINISHED} in found && found[{SCRIPT_FINISHED}] !== {EARLY}) see("ended");
      }});
    }}
    if (ArrayBuffer.isView(sent) && {RERUN_SCRIPT} in fields(sent)) see("asked");
    return send.call(this, sent);
  }};
}})();"""
RESTS = f"""() => {{
  const {{ asked, begun, ended }} = window.scriptRuns;
  return 0 < asked && asked < begun && begun < ended && document.querySelector('{IDLE}') !== null
    && document.querySelector('[data-testid=stMain] [data-testid=stSkeleton]') === null;
}}"""
DRAWN = """() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
})"""


def settle(page: Page) -> None:
    """Wait until a whole run of the script has answered what the page asked for, and is drawn."""
    rests = False
    while not rests:
        page.wait_for_function(RESTS, polling=20)
        page.evaluate(DRAWN)
        rests = page.evaluate(RESTS)


def go_on(page: Page, address: str) -> None:
    """Go to another address of the app in the same session, as the browser's Back does."""
    page.evaluate(
        """(address) => {
      history.pushState(null, "", address);
      window.dispatchEvent(new PopStateEvent("popstate"));
    }""",
        address,
    )
    settle(page)


@contextmanager
def visitor(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """A visitor with nothing in memory, whose pages wait as long as it takes."""
    context = browser.new_context(**{"viewport": VIEWPORT, "reduced_motion": "reduce", **options})
    context.set_default_timeout(1000 * HANGS)
    context.add_init_script(COUNT_RUNS)
    yield context
    context.close()


@contextmanager
def reserved_port() -> Iterator[int]:
    """Reserve a port; only a server that may use an address again can listen on it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def list_arguments(port: int) -> list[str]:
    """Return the arguments that follow `streamlit`."""
    return [
        "run",
        "app.py",
        "--server.port",
        str(port),
        "--server.address",
        "127.0.0.1",
        "--server.headless",
        "true",
        "--server.fileWatcherType",
        "none",
    ]  # else every visit looks through all modules


def is_answering(address: str) -> bool:
    trusting = ssl._create_unverified_context()
    try:
        with urllib.request.urlopen(
            f"{address}/healthz", timeout=HANGS, context=trusting
        ) as answer:
            return answer.status == 200
    except OSError:
        return False


def name_address(port: int, environment: dict[str, str]) -> str:
    """Return the address of a server, which speaks HTTPS where it is given a certificate."""
    scheme = "https" if "STREAMLIT_SERVER_SSL_CERT_FILE" in environment else "http"
    return f"{scheme}://127.0.0.1:{port}"


def serve(port: int, **environment: str) -> BaseProcess:
    """Start a server in a process group of its own, as a terminal does; return once it answers.

    It is forked from a process that has imported what the first visits need, and no more.
    """
    process = FORKS.Process(target=run_server, args=(port, {**os.environ, **environment}))
    process.start()
    address = name_address(port, environment)
    wait_for(lambda: is_answering(address) or not process.is_alive(), "the server answers", HANGS)
    assert process.is_alive(), f"the server ended with {process.exitcode}"
    return process


def run_server(port: int, environment: dict[str, str]) -> None:
    """`streamlit run app.py` in this process."""
    import torch
    from streamlit.web import cli

    os.setpgid(0, 0)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(PROJECT)
    log = os.open(os.environ.pop("SERVER_LOG", os.devnull), os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    torch.set_num_threads(1)
    threading.Thread(target=end_with_parent, daemon=True).start()
    cli.main(list_arguments(port), standalone_mode=False)


def end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def server(**environment: str) -> Iterator[str]:
    """A server for as long as it is needed; gives its address."""
    with reserved_port() as port:
        process = serve(port, **environment)
        try:
            yield name_address(port, environment)
        finally:
            process.kill()
            process.join()


@contextmanager
def opened(page: Page, address: str, hub: str = "blob:") -> Iterator[list[str]]:
    """Open an address, and a `hub`, with all others out of reach; give the requests made."""
    asked: list[str] = []
    folder = re.escape(address.rsplit("/", 1)[0])
    page.context.route(
        re.compile(rf"^(?!{folder}|blob:|{re.escape(hub)})"), lambda route: route.abort()
    )

    def listen(request: Any) -> None:
        asked.append(request.url)

    page.on("request", listen)
    page.goto(address)
    page.locator("body[data-ready]").wait_for()
    yield asked
    page.remove_listener("request", listen)
