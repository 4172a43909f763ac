"""Every cache of the app: models, data and codes, keyed by run and version of its weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.latent import (
    Density,
    Plane,
    choose_density_examples,
    decoding_errors,
    encode_codes,
    fit_density,
    fit_principal_plane,
    preserved_neighbour_shares,
    project_codes,
)
from aecore.analysis.metrics import evaluate_model
from aecore.analysis.pictures import encode_gif
from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset, as_float
from aecore.data.stand_in import load_data_or_stand_in, make_stand_in_digits
from aecore.data.tables import read_frame
from aecore.errors import CheckpointError
from aecore.explorer.packs import MapInputs, pack_saved_epochs
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from aecore.runs.listing import has_sound_config, is_shipped_run, list_runs
from aecore.runs.run import Run

MAP_POINTS = 1_000_000


@st.cache_resource(max_entries=16, show_spinner=False)
def load_cached_model(path: str, version: float) -> Autoencoder:
    """The run's best weights; never changed by anyone, so one serves all visitors."""
    return Autoencoder.load(path)


def get_model(run: Run) -> Autoencoder:
    return load_cached_model(str(run.path), run.version())


@st.cache_resource(max_entries=6, show_spinner="Reading the data ...")
def load_cached_data(config: DataConfig) -> Dataset:
    return load_dataset(config)


@st.cache_resource(max_entries=3, show_spinner="Reading the table ...")
def load_cached_frame(path: str, version: float) -> pd.DataFrame:
    """A .csv or .parquet as it stands; never changed by anyone."""
    return read_frame(Path(path))


@st.cache_resource(max_entries=4, show_spinner=False)
def load_stand_in(shape: tuple[int, ...]) -> Dataset:
    return make_stand_in_digits(shape)


def get_dataset(run: Run) -> tuple[Dataset, str]:
    """The run's data, and a remark for the page: empty, or that digits stand in for what is not at hand."""
    return load_data_or_stand_in(run.config(), load_cached_data, load_stand_in)


def warm_caches() -> None:
    """Read what the first visitor will see, while the server is still waiting for one."""
    for run in list_runs():
        if (
            is_shipped_run(run.path)
            and has_sound_config(run)
            and run.config().model.variant == "vae"
        ):
            encode_codes(get_model(run), get_dataset(run)[0].test.x[:8])


@st.cache_resource(
    max_entries=8, show_spinner="Encoding ..."
)  # no copies: 60,000 wide codes are large
def load_codes_and_errors(
    path: str, version: float, data_name: str, split: str, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Codes (N, latent_dim) and squared errors (N,) of the first `count` examples of a split."""
    run = Run(Path(path))
    found, _ = get_dataset(run)
    x = getattr(found, split).x[:count]
    net = get_model(run)
    z = encode_codes(net, x)
    errors = decoding_errors(net, x, z)
    if not (z.isfinite().all() and errors.isfinite().all()):
        raise CheckpointError(
            f"The codes of {run.id} overflow: its weights are unsound. Train it again."
        )
    return z.numpy(), errors.numpy()


def get_codes(
    run: Run, split: str = "test", count: int = MAP_POINTS
) -> tuple[np.ndarray, np.ndarray]:
    found, _ = get_dataset(run)
    return load_codes_and_errors(
        str(run.path), run.version(), found.name, split, min(count, len(getattr(found, split).x))
    )


@st.cache_resource(max_entries=16, show_spinner="Finding the principal components ...")
def load_principal_positions(
    path: str, version: float, data_name: str, split: str, count: int, dims: int
) -> np.ndarray:
    return project_codes(
        torch.from_numpy(load_codes_and_errors(path, version, data_name, split, count)[0]),
        "pca",
        dims,
    )


def get_principal_positions(run: Run, split: str, count: int, dims: int) -> np.ndarray:
    """The codes of the first `count` examples on their `dims` principal components."""
    return load_principal_positions(
        str(run.path), run.version(), get_dataset(run)[0].name, split, count, dims
    )


@st.cache_resource(max_entries=16, show_spinner=False)
def load_principal_plane(
    path: str, version: float, data_name: str, split: str, count: int
) -> Plane:
    return fit_principal_plane(load_codes_and_errors(path, version, data_name, split, count)[0])


def get_principal_plane(run: Run, split: str, count: int) -> Plane:
    """The plane of the two largest variances of the codes of the first `count` examples."""
    return load_principal_plane(
        str(run.path), run.version(), get_dataset(run)[0].name, split, count
    )


@st.cache_resource(max_entries=8, show_spinner="Comparing neighbours ...")
def load_preserved_shares(
    token: tuple[object, ...], _z: np.ndarray, _positions: np.ndarray
) -> np.ndarray:
    return preserved_neighbour_shares(_z, _positions)


def get_preserved_shares(
    run: Run, shown: MapInputs, positions: np.ndarray, method: str
) -> np.ndarray:
    """(N,): which share of each point's nearest codes is near it on the map that `method` names."""
    token = (str(run.path), run.version(), shown.found.name, shown.split, len(shown.z), method)
    return load_preserved_shares(token, shown.z, positions)


@st.cache_resource(max_entries=8, show_spinner=False)
def load_saved_epochs(path: str, version: float) -> dict[str, np.ndarray]:
    run = Run(Path(path))
    config = run.config().model
    return pack_saved_epochs(run, config.latent_dim, config.input_shape)


def get_saved_epochs(run: Run) -> dict[str, np.ndarray]:
    """What the run kept of its epochs; nothing where other data stands in for that of the run."""
    return {} if get_dataset(run)[1] else load_saved_epochs(str(run.path), run.version())


@st.cache_data(max_entries=32, show_spinner=False)
def load_encoded_gif(digest: str, _frames: Tensor, milliseconds: int) -> bytes:
    return encode_gif(_frames, milliseconds)


def encode_cached_gif(frames: Tensor, milliseconds: int) -> bytes:
    """Frames (N, C, H, W) as an animation; long ones take seconds to encode."""
    return load_encoded_gif(digest_examples(frames), frames, milliseconds)


@st.cache_resource(max_entries=8, show_spinner="Fitting a density to the codes ...")
def load_cached_density(path: str, version: float, data_name: str) -> Density:
    run = Run(Path(path))
    return fit_density(
        encode_codes(get_model(run), choose_density_examples(get_dataset(run)[0].train.x))
    )


def get_density(run: Run) -> Density | None:
    """What to sample codes from: None where the model has a prior of its own."""
    if get_model(run).config.has_prior:
        return None
    return load_cached_density(str(run.path), run.version(), get_dataset(run)[0].name)


@st.cache_data(max_entries=64, show_spinner="Measuring ...")
def measure_test_metrics(path: str, version: float, data_name: str) -> dict[str, float]:
    run = Run(Path(path))
    return evaluate_model(get_model(run), get_dataset(run)[0].test.x)


def get_test_metrics(run: Run) -> dict[str, float]:
    """Test metrics: what the trainer wrote, or measured now where it was stopped before it could."""
    return run.test_metrics() or measure_test_metrics(
        str(run.path), run.version(), get_dataset(run)[0].name
    )


def digest_examples(x: Tensor) -> str:
    """A name for examples by what they are, to remember results under."""
    return hashlib.blake2b(x.contiguous().numpy(), digest_size=16).hexdigest()


def pick_test_examples(run: Run, count: int, seed: int = 0) -> Tensor:
    """A few test inputs as float (count, *input_shape), chosen by seed."""
    x = get_dataset(run)[0].test.x
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:count]
    return as_float(x[rows])
