"""Every test works in folders of its own, on one thread, and never reaches the network."""

import os
import tempfile

os.environ.update(
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HOME=tempfile.mkdtemp(prefix="aecore-hf-"),
    OMP_WAIT_POLICY="PASSIVE",
    STREAMLIT_BROWSER_GATHER_USAGE_STATS="false",
)
os.environ.pop("HF_TOKEN", None)

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    """Runs of a test go to its own folder."""
    monkeypatch.setenv("AECORE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"
