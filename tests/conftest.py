"""Every test works in folders of its own, on one thread, and never reaches the network."""

from __future__ import annotations

import os
import tempfile

import pytest
import torch

os.environ.update(
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HOME=tempfile.mkdtemp(prefix="aecore-hf-"),
    OMP_WAIT_POLICY="PASSIVE",
    STREAMLIT_BROWSER_GATHER_USAGE_STATS="false",
)
os.environ.pop("HF_TOKEN", None)


torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    """Runs of a test go to its own folder."""
    monkeypatch.setenv("AECORE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"
