"""Modules of the web folder at work: in Node where it is installed, else in Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aecore.explorer.bundle import order_modules, wrap_module

Evaluate = Callable[[str, Any], Any]  # a function's text and its argument -> what it returns

ANSWER_LINES = """
require("readline").createInterface({ input: process.stdin }).on("line", async (line) => {
  const { text, argument } = JSON.parse(line);
  let answer;
  try {
    answer = { value: await (0, eval)(text)(argument) };
  } catch (error) {
    answer = { error: error.stack };
  }
  console.log(JSON.stringify(answer));
});
"""


@contextmanager
def run_modules(names: list[str], more: str = "") -> Iterator[Evaluate]:
    """Give `evaluate(text, argument)` where all exports of these modules are global.

    `more` is a script that runs after them. Skips the test where there is no JavaScript.
    """
    order: list[str] = []
    for name in names:
        order_modules(name, order)
    exposed = [f"Object.assign(globalThis, module_{name});" for name in names]
    script = "\n".join([*map(wrap_module, order), *exposed, more])
    if node := shutil.which("node"):
        with open_node(node, script) as evaluate:
            yield evaluate
        return
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("these tests need Node or Chromium")
    with open_chromium(chromium, script) as evaluate:
        yield evaluate


@contextmanager
def open_node(node: str, script: str) -> Iterator[Evaluate]:
    """Give an `evaluate` of a Node process."""
    process = subprocess.Popen(
        [node, "-e", ANSWER_LINES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    stdin, stdout = process.stdin, process.stdout

    def evaluate(text: str, argument: Any = None) -> Any:
        stdin.write(json.dumps({"text": text, "argument": argument}) + "\n")
        stdin.flush()
        answer = json.loads(stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("value")

    try:
        evaluate(f"() => {{ {script} }}")
        yield evaluate
    finally:
        stdin.close()
        process.wait()
        stdout.close()


@contextmanager
def open_chromium(chromium: str, script: str) -> Iterator[Evaluate]:
    """Give an `evaluate` of a page of Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium)
        page = browser.new_page()
        page.add_script_tag(content=script)
        yield page.evaluate
        browser.close()
