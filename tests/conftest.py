"""Every test works in folders of its own, on one thread, and never reaches the network."""

from __future__ import annotations

import atexit
import copy
import functools
import os
import random
import shutil
import signal
import subprocess
import tempfile

import numpy
import pytest
import sklearn.datasets
import torch
from forked import ForkedPython

hub_home = tempfile.mkdtemp(prefix="aecore-hf-")
atexit.register(shutil.rmtree, hub_home, ignore_errors=True)
os.environ.update(
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HOME=hub_home,
    OMP_WAIT_POLICY="PASSIVE",
    OMP_NUM_THREADS="1",  # the threads of scikit-learn are lost in forks, which would wait for them
    AECORE_SPARE_MINUTES="0",  # no trainer for a run that most tests do not start
    STREAMLIT_BROWSER_GATHER_USAGE_STATS="false",
)
os.environ.pop("HF_TOKEN", None)


torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    """Runs of a test go to its own folder."""
    monkeypatch.setenv("AECORE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(autouse=True)
def known_chance():
    """Every test draws the same numbers each time, whichever tests ran before it."""
    torch.manual_seed(0)
    numpy.random.seed(0)
    random.seed(0)


@pytest.fixture(autouse=True)
def own_signals():
    """The handlers of signals that a command sets end with the test: forks would inherit them."""
    handlers = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    yield
    for signum, handler in handlers.items():
        signal.signal(signum, handler)


@pytest.fixture(autouse=True, scope="session")
def digits_read_once():
    """Read the file of the digits once: it takes as long as training a tiny run."""
    read = functools.cache(sklearn.datasets.load_digits)
    sklearn.datasets.load_digits = lambda **options: copy.deepcopy(read(**options))
    yield
    sklearn.datasets.load_digits = read.__wrapped__


@pytest.fixture
def forked(monkeypatch):
    """Make Python programs that are started forks of this process: see forked.py."""
    monkeypatch.setattr(subprocess, "Popen", ForkedPython)


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """An empty data folder, which is yet to be made."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def small_budget(tmp_path, monkeypatch):
    """Sets above 100 kB are large; pages see a fifth; a window is three blocks of eight rows."""
    monkeypatch.setenv("AECORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("aecore.data.memory.allowed_data_bytes", lambda: 100_000)
    monkeypatch.setattr("aecore.data.stored.SAMPLE_BYTES", 20_000 * 4)
    monkeypatch.setattr("aecore.data.stored.BLOCK_BYTES", 8 * 64)
    monkeypatch.setattr("aecore.data.stored.WINDOW_BYTES", 24 * 64)


LONGEST = (
    "browser/test_own_data.py",
    "browser/test_end_to_end.py",
    "browser/test_explorer.py",
    "browser/test_server_deaths.py",
    "hub/test_jobs.py",
)


def pytest_collection_modifyitems(items):
    """Begin with the longest files, so that no process is alone with one of them in the end."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(LONGEST)))


def pytest_make_parametrize_id(config, val, argname):
    """Names no case by packed bytes: they hold the time at which they were made."""
    return "bytes" if isinstance(val, bytes) and len(val) > 20 else None
