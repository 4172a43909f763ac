"""A loopback Hub for the client, and a run to push."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aecore.runs.run import Run
from tests.hub.loopback import LoopbackHub
from tests.hub.pushed_runs import TOKEN, make_run, use_hub


@pytest.fixture
def loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    users = {TOKEN: "alice", "hf_bob": "bob", "hf_reader": "alice"}
    with LoopbackHub(users, read_only={"hf_reader"}) as loopback:
        use_hub(monkeypatch, loopback.url, tmp_path)
        yield loopback


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run")
