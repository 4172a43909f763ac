"""Every cache of the app: models, data and codes, keyed by run and version of its weights."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore import data, latent, metrics, packs, pictures, runs
from aecore.autoencoder import Autoencoder
from aecore.config import DataConfig
from aecore.data import tables
from aecore.data.standin import data_for, digits_like
from aecore.errors import AecoreError, CheckpointError
from aecore.runs import Run

MAP_POINTS = 1_000_000


@st.cache_resource(max_entries=16, show_spinner=False)
def load_model(path: str, version: float) -> Autoencoder:
    """The run's best weights; never changed by anyone, so one serves all visitors."""
    return Autoencoder.load(path)


def model(run: Run) -> Autoencoder:
    return load_model(str(run.path), run.version())


@st.cache_resource(max_entries=6, show_spinner="Reading the data ...")
def load_data(config: DataConfig) -> data.Dataset:
    return data.load(config)


@st.cache_resource(max_entries=3, show_spinner="Reading the table ...")
def load_frame(path: str, version: float) -> pd.DataFrame:
    """A .csv or .parquet as it stands; never changed by anyone."""
    return tables.read_frame(Path(path))


@st.cache_resource(max_entries=4, show_spinner=False)
def stand_in(shape: tuple[int, ...]) -> data.Dataset:
    return digits_like(shape)


def dataset(run: Run) -> tuple[data.Dataset, str]:
    """The run's data, and a remark for the page: empty, or that digits stand in for what is not at hand."""
    return data_for(run.config(), load_data, stand_in)


def warm() -> None:
    """Read what the first visitor will see, while the server is still waiting for one."""
    for run in runs.list_runs():
        if runs.is_shipped(run.path) and runs.readable(run) and run.config().model.variant == "vae":
            latent.codes(model(run), dataset(run)[0].test.x[:8])


@st.cache_resource(max_entries=8, show_spinner="Encoding ...")  # no copies: 60,000 wide codes are large
def codes_of(path: str, version: float, data_name: str, split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes (N, latent_dim) and squared errors (N,) of the first `count` examples of a split."""
    run = Run(runs.Path(path))
    found, _ = dataset(run)
    x = getattr(found, split).x[:count]
    net = model(run)
    z = latent.codes(net, x)
    errors = latent.errors(net, x, z)
    if not (z.isfinite().all() and errors.isfinite().all()):
        raise CheckpointError(f"The codes of {run.id} overflow: its weights are unsound. Train it again.")
    return z.numpy(), errors.numpy()


def codes(run: Run, split: str = "test", count: int = MAP_POINTS) -> tuple[np.ndarray, np.ndarray]:
    found, _ = dataset(run)
    return codes_of(str(run.path), run.version(), found.name, split, min(count, len(getattr(found, split).x)))


@st.cache_resource(max_entries=16, show_spinner="Finding the principal components ...")
def load_principal(path: str, version: float, data_name: str, split: str, count: int, dims: int) -> np.ndarray:
    return latent.project(torch.from_numpy(codes_of(path, version, data_name, split, count)[0]), "pca", dims)


def principal(run: Run, split: str, count: int, dims: int) -> np.ndarray:
    """The codes of the first `count` examples on their `dims` principal components."""
    return load_principal(str(run.path), run.version(), dataset(run)[0].name, split, count, dims)


@st.cache_resource(max_entries=16, show_spinner=False)
def load_plane(path: str, version: float, data_name: str, split: str, count: int) -> latent.Plane:
    return latent.principal_plane(codes_of(path, version, data_name, split, count)[0])


def principal_plane(run: Run, split: str, count: int) -> latent.Plane:
    """The plane of the two largest variances of the codes of the first `count` examples."""
    return load_plane(str(run.path), run.version(), dataset(run)[0].name, split, count)


@st.cache_resource(max_entries=8, show_spinner="Comparing neighbours ...")
def load_preserved(token: tuple[object, ...], _z: np.ndarray, _positions: np.ndarray) -> np.ndarray:
    return latent.preserved(_z, _positions)


def preserved(run: Run, shown: packs.Shown, positions: np.ndarray, method: str) -> np.ndarray:
    """(N,): which share of each point's nearest codes is near it on the map that `method` names."""
    token = (str(run.path), run.version(), shown.found.name, shown.split, len(shown.z), method)
    return load_preserved(token, shown.z, positions)


@st.cache_resource(max_entries=8, show_spinner=False)
def load_epochs(path: str, version: float) -> dict[str, np.ndarray]:
    run = Run(runs.Path(path))
    config = run.config().model
    return packs.epochs_of(run, config.latent_dim, config.input_shape)


def epochs(run: Run) -> dict[str, np.ndarray]:
    """What the run kept of its epochs; nothing where other data stands in for that of the run."""
    return {} if dataset(run)[1] else load_epochs(str(run.path), run.version())


@st.cache_data(max_entries=32, show_spinner=False)
def load_gif(digest: str, _frames: Tensor, milliseconds: int) -> bytes:
    return pictures.gif(_frames, milliseconds)


def gif(frames: Tensor, milliseconds: int) -> bytes:
    """Frames (N, C, H, W) as an animation; long ones take seconds to encode."""
    return load_gif(digest(frames), frames, milliseconds)


@st.cache_resource(max_entries=8, show_spinner="Fitting a density to the codes ...")
def load_density(path: str, version: float, data_name: str) -> latent.Density:
    run = Run(runs.Path(path))
    return latent.fit_density(latent.codes(model(run), latent.some(dataset(run)[0].train.x)))


def density(run: Run) -> latent.Density | None:
    """What to sample codes from: None where the model has a prior of its own."""
    if model(run).config.has_prior:
        return None
    return load_density(str(run.path), run.version(), dataset(run)[0].name)


@st.cache_data(max_entries=64, show_spinner="Measuring ...")
def measure(path: str, version: float, data_name: str) -> dict[str, float]:
    run = Run(runs.Path(path))
    return metrics.evaluate(model(run), dataset(run)[0].test.x)


def test_metrics(run: Run) -> dict[str, float]:
    """Test metrics: what the trainer wrote, or measured now where it was stopped before it could."""
    return run.test_metrics() or measure(str(run.path), run.version(), dataset(run)[0].name)


def digest(x: Tensor) -> str:
    """A name for examples by what they are, to remember results under."""
    return hashlib.blake2b(x.contiguous().numpy(), digest_size=16).hexdigest()


@st.cache_resource
def jobs() -> Jobs:
    return Jobs()


class Jobs:
    """Long calls that are not training: each in a thread, watched by the page that asked for it."""

    def __init__(self) -> None:
        self.results: dict[str, Any] = {}
        self.guard = threading.Lock()

    def start(self, key: str, call: Callable[[], Any]) -> None:
        """Begin `call` unless a job of that key is under way."""
        with self.guard:
            if self.results.get(key) is RUNNING:
                return
            self.results[key] = RUNNING
        threading.Thread(target=self.work, args=(key, call), daemon=True).start()

    def work(self, key: str, call: Callable[[], Any]) -> None:
        try:
            result = call()
        except AecoreError as error:
            result = error
        except Exception as error:  # a fault of ours must not leave the page waiting for ever
            result = AecoreError(f"That failed unexpectedly: {type(error).__name__}. Please report it.")
        with self.guard:
            self.results[key] = result

    def is_running(self, key: str) -> bool:
        return self.results.get(key) is RUNNING

    def take(self, key: str) -> Any:
        """The result, or the AecoreError, of a finished job, once; None before and after."""
        with self.guard:
            if self.results.get(key) is RUNNING:
                return None
            return self.results.pop(key, None)


RUNNING = object()


def examples(run: Run, count: int, seed: int = 0) -> Tensor:
    """A few test inputs as float (count, *input_shape), chosen by seed."""
    x = dataset(run)[0].test.x
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:count]
    return data.as_float(x[rows])
