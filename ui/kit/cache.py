"""What pages share of runs: models, data and codes, kept by run and version of its weights.

`get_...(run)` is for pages; the function `load_...` behind it, whose results are kept in the one
memory of all visitors (`ui.kit.memory`), takes what identifies the run.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import (
    Density,
    Plane,
    choose_density_examples,
    decoding_errors,
    fit_density,
    fit_principal_plane,
    preserved_neighbour_shares,
    project_codes,
)
from aecore.analysis.metrics import evaluate_model
from aecore.analysis.pictures import encode_gif
from aecore.data.catalog import CATALOG
from aecore.data.datasets import load_dataset
from aecore.data.describe import holds_table
from aecore.data.splits import Dataset, as_float, make_dataset
from aecore.data.stand_in import is_own_sample, load_data_or_stand_in, make_stand_in
from aecore.data.tables.reading import (
    Table,
    is_read_alike,
    make_table_data,
    read_columns,
    read_further_columns,
)
from aecore.errors import CheckpointError
from aecore.explorer.epochs import pack_saved_epochs
from aecore.explorer.packs import MapInputs
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from aecore.runs.listing import has_sound_config, is_shipped_run, list_runs
from aecore.runs.run import Run
from ui.kit.links import read_inputs_owner
from ui.kit.memory import ExamplesKey, keep_in_memory

DEFAULT_RUN = "mnist-vae"  # that most pages begin with
MAP_POINTS = 1_000_000  # encoded at most


@keep_in_memory()
def load_cached_model(path: str, version: float) -> Autoencoder:
    """Returns the best weights of a run; nobody changes them, so one model serves all visitors."""
    return Autoencoder.load(path)


def get_model(run: Run) -> Autoencoder:
    """Returns the run's model with its best weights."""
    return load_cached_model(str(run.path), run.version())


def load_cached_data(config: DataConfig) -> Dataset:
    """Returns the data set that a config describes; a table is not read again for it."""
    if config.name not in CATALOG and holds_table(Path(config.name)):
        return load_table_data(config)
    return load_other_data(config)


@keep_in_memory("Reading the data ...", decodes=True)
def load_other_data(config: DataConfig) -> Dataset:
    """Returns a data set that is no table of its own."""
    return load_dataset(config)


@keep_in_memory("Reading the data ...")
def load_table_data(config: DataConfig) -> Dataset:
    """Returns the data set of a table file, made of what is kept of it."""
    name = Path(config.name).name
    return make_dataset(name, make_table_data(load_cached_table(config), config, name), config)


def load_cached_table(config: DataConfig) -> Table:
    """Returns a table file as it is understood; nobody changes it. Raises DataError.

    It is parsed once for all that read it alike, as inferred or by the same choices.
    """
    version = Path(config.name).stat().st_mtime
    plain = DataConfig(name=config.name)
    inferred = load_table_as(plain, version) if config.inference == "current" else None
    if inferred is not None and is_read_alike(inferred, config):
        return inferred
    fields = ("label", "columns", "inference", "unusable")
    choices = {field: getattr(config, field) for field in fields}
    chosen = load_table_as(plain.model_copy(update=choices), version)
    return chosen if inferred is None else keep_inferred_columns(chosen, inferred)


def keep_inferred_columns(chosen: Table, inferred: Table) -> Table:
    """Returns a table in which columns that are read as inferred say why they are so."""
    known = {column.name: column for column in inferred.columns}
    columns = (
        known[c.name] if c.name in known and known[c.name].options == c.options else c
        for c in chosen.columns
    )
    return chosen._replace(columns=tuple(columns))


@keep_in_memory("Reading the table ...", decodes=True)
def load_table_as(config: DataConfig, version: float, is_further: bool = False) -> Table:
    """Returns a table file as a config says, or as a further file of the kind that it describes."""
    read = read_further_columns if is_further else read_columns
    return read(Path(config.name), config)


@keep_in_memory()
def load_stand_in(config: DataConfig, shape: tuple[int, ...]) -> Dataset:
    """Returns sample inputs of the shape of data that is not at hand."""
    return make_stand_in(config, shape)


def get_dataset(run: Run) -> tuple[Dataset, str]:
    """Returns the run's data, and a remark for the page.

    The remark is empty, or says what is shown of data that is not at hand: see
    `ui.kit.run_data.show_data_remark`.
    """
    return load_data_or_stand_in(run.config(), load_cached_data, load_stand_in)


def warm_caches() -> None:
    """Read what most pages begin with."""
    for run in list_runs():
        if run.id == DEFAULT_RUN and is_shipped_run(run.path) and has_sound_config(run):
            encode_in_chunks(get_model(run), get_dataset(run)[0].test.x[:8])


@keep_in_memory("Encoding ...")
def load_codes_and_errors(
    path: str, version: float, data_name: str, split: str, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns codes (N, latent_dim) and squared errors (N,) of the first `count` of a split.

    Raises CheckpointError where they are not finite.
    """
    run = Run(Path(path))
    dataset, _ = get_dataset(run)
    x = getattr(dataset, split).x[:count]
    model = get_model(run)
    z = encode_in_chunks(model, x)
    errors = decoding_errors(model, x, z)
    if not (z.isfinite().all() and errors.isfinite().all()):
        raise CheckpointError(
            f"The codes of {run.id} overflow: its weights are unsound. Train it again."
        )
    return z.numpy(), errors.numpy()


def get_codes(
    run: Run, split: str = "test", count: int = MAP_POINTS
) -> tuple[np.ndarray, np.ndarray]:
    """Returns codes (N, latent_dim) and squared errors (N,) of the first `count` of a split."""
    dataset, _ = get_dataset(run)
    count = min(count, len(getattr(dataset, split).x))
    return load_codes_and_errors(str(run.path), run.version(), dataset.name, split, count)


@keep_in_memory("Finding the principal components ...")
def load_principal_positions(
    path: str, version: float, data_name: str, split: str, count: int, dims: int
) -> np.ndarray:
    """Returns codes on their `dims` principal components, (N, dims)."""
    z, _ = load_codes_and_errors(path, version, data_name, split, count)
    return project_codes(torch.from_numpy(z), "pca", dims)


def get_principal_positions(run: Run, split: str, count: int, dims: int) -> np.ndarray:
    """Returns the first `count` codes of a split on their principal components, (N, dims)."""
    return load_principal_positions(
        str(run.path), run.version(), get_dataset(run)[0].name, split, count, dims
    )


@keep_in_memory()
def load_principal_plane(
    path: str, version: float, data_name: str, split: str, count: int
) -> Plane:
    """Returns the plane of the two largest variances of codes."""
    return fit_principal_plane(load_codes_and_errors(path, version, data_name, split, count)[0])


def get_principal_plane(run: Run, split: str, count: int) -> Plane:
    """Returns the plane of the two largest variances of the first `count` codes of a split."""
    return load_principal_plane(
        str(run.path), run.version(), get_dataset(run)[0].name, split, count
    )


@keep_in_memory("Comparing neighbours ...")
def load_preserved_shares(
    token: tuple[object, ...], _z: np.ndarray, _positions: np.ndarray
) -> np.ndarray:
    """Returns the share of preserved neighbours (N,) of a map, which `token` identifies."""
    return preserved_neighbour_shares(_z, _positions)


def get_preserved_shares(
    run: Run, shown: MapInputs, positions: np.ndarray, method: str
) -> np.ndarray:
    """Returns (N,): the share of each point's nearest codes that is near it on the map.

    `method` names the map.
    """
    token = (str(run.path), run.version(), shown.dataset.name, shown.split, len(shown.z), method)
    return load_preserved_shares(token, shown.z, positions)


@keep_in_memory()
def load_saved_epochs(path: str, version: float) -> dict[str, np.ndarray]:
    """Returns what the run kept of its epochs, packed for the explorer."""
    run = Run(Path(path))
    config = run.config().model
    return pack_saved_epochs(run, config.latent_dim, config.input_shape)


def get_saved_epochs(run: Run) -> dict[str, np.ndarray]:
    """Returns what the run kept of its epochs; nothing where the first inputs are not its own."""
    _, remark = get_dataset(run)
    config = run.config()
    data = config.data or DataConfig()
    if remark and (data.limit or not is_own_sample(data, config.model.input_shape)):
        return {}
    return load_saved_epochs(str(run.path), run.version())


@keep_in_memory()
def load_encoded_gif(digest: ExamplesKey, _frames: Tensor, milliseconds: int) -> bytes:
    """Returns frames as an animation, which `digest` identifies."""
    return encode_gif(_frames, milliseconds)


def encode_cached_gif(frames: Tensor, milliseconds: int) -> bytes:
    """Returns frames (N, C, H, W) as an animated GIF; long ones take seconds to encode."""
    return load_encoded_gif(digest_examples(frames), frames, milliseconds)


@keep_in_memory("Fitting a density to the codes ...")
def load_cached_density(path: str, version: float, data_name: str) -> Density:
    """Returns a density that was fitted to the codes of training examples."""
    run = Run(Path(path))
    x = choose_density_examples(get_dataset(run)[0].train.x)
    return fit_density(encode_in_chunks(get_model(run), x))


def get_density(run: Run) -> Density | None:
    """Returns the density to sample codes from; None where the model has a prior of its own."""
    if get_model(run).has_prior:
        return None
    return load_cached_density(str(run.path), run.version(), get_dataset(run)[0].name)


@keep_in_memory("Measuring ...")
def measure_test_metrics(path: str, version: float, data_name: str) -> dict[str, float]:
    """Returns the test metrics of a run, measured now."""
    run = Run(Path(path))
    return evaluate_model(get_model(run), get_dataset(run)[0].test.x)


def get_test_metrics(run: Run) -> dict[str, float]:
    """Returns the test metrics that the trainer wrote, or measured now where it wrote none."""
    return run.test_metrics() or measure_test_metrics(
        str(run.path), run.version(), get_dataset(run)[0].name
    )


def digest_examples(x: Tensor) -> ExamplesKey:
    """Returns what identifies examples: their values and, of what the visitor brought, the owner.

    Results of them are kept under it.
    """
    digest = hashlib.blake2b(x.contiguous().numpy().data, digest_size=16).hexdigest()
    return ExamplesKey(digest, read_inputs_owner())


def pick_test_examples(run: Run, count: int, seed: int = 0) -> Tensor:
    """Returns a few test inputs as float (count, *input_shape), chosen by seed."""
    x = get_dataset(run)[0].test.x
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:count]
    return as_float(x[rows])
