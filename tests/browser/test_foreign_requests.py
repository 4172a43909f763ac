"""Names that hold the address of a picture, in a real browser: it asks nobody for anything."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

from aecore.data.datasets import load_dataset
from aecore.names import JOINER, clean_name
from aecore.runs.uploads import create_upload, guess_settings
from tests.browser.serving import go_on, settle
from tests.hostile import HOSTILE

pytestmark = pytest.mark.browser
CAPTIONS = "[data-testid=stCaptionContainer]"
EDITOR = "[data-testid=stDataFrame] [aria-label^='The columns of the table']"
MORE_THAN_TEXT = "img, a, code, em, strong, del, svg, h1, hr, table, ul, script, .katex, [role=img]"


@pytest.fixture
def asked():
    """The paths that somebody asked a server on loopback for, whose address comes first."""
    paths: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", paths
        server.shutdown()


@pytest.fixture
def hostile_set(asked, app_runs, monkeypatch, tmp_path):
    """A table on the server with a column of each hostile name, which hold the address."""
    monkeypatch.setenv("AECORE_RUNS", str(app_runs))
    names = [name.replace("evil.example", asked[0]) for name in HOSTILE]
    names = [name.encode("utf-8", "replace").decode() for name in names]
    texts = {name: [f"text {i}" for i in range(60)] for name in names}
    frame = pd.DataFrame({**texts, "a": np.arange(60.0), "b": np.arange(60.0) % 7})
    frame.to_parquet(tmp_path / "x.parquet")
    upload = create_upload()
    with upload.receiving(f"![evil](http:&#47;&#47;{asked[0]}&#47;name.png).parquet") as file:
        file.write((tmp_path / "x.parquet").read_bytes())
    upload.save(guess_settings(upload))
    yield upload
    upload.delete()


def test_no_name_makes_a_visitors_browser_ask_anybody(page, app, asked, hostile_set):
    host, paths = asked
    page.goto(f"{app}/data?own={hostile_set.token}")
    settle(page)
    use = page.locator(CAPTIONS).filter(has_text="Left out:")
    columns = load_dataset(hostile_set.config()).schema
    first = clean_name(next(name for name in columns if name not in "ab"), 40)
    assert first in use.inner_text().replace(JOINER, "")
    assert use.locator(MORE_THAN_TEXT).count() == 0
    page.locator(EDITOR).wait_for()
    link = quote(f"![evil](http://{host}/address.png)")
    for address in ("train?run=", "train?watch=", "compare?runs=", "latent?run=", "search?run="):
        go_on(page, f"{app}/{address}{link}")
        assert page.locator(f"[src*='{host}'], [href*='{host}']").count() == 0
    go_on(page, f"{app}/search?run=breast-cancer-detector&inputs={hostile_set.token}")
    assert paths == []
