"""Published autoencoders of the library diffusers become runs here, which are read-only.

Their layouts are those of `aecore.model.parts.networks.pretrained`. Of their repositories the
config and the weights are taken, as safetensors; weights are kept as float32.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError
from torch import Tensor

from aecore.analysis.card import format_card
from aecore.data.datasets import load_dataset
from aecore.data.sample_inputs import LARGEST_CROP
from aecore.data.splits import Dataset
from aecore.errors import CheckpointError, ConfigError, HubError
from aecore.files import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, write_text_file
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, ModelConfig, RunConfig, describe_validation_error
from aecore.model.config_file import read_config_values
from aecore.model.parts.networks.autoencoder_kl import AutoencoderKl
from aecore.model.parts.networks.autoencoder_tiny import AutoencoderTiny
from aecore.model.parts.networks.pretrained import COLOUR_CHANNELS, PretrainedNetwork
from aecore.model.validation import shorten_text
from aecore.model.weights import open_tensors, write_tensors
from aecore.runs.foreign import (
    FOREIGN_FILE_LIMITS,
    check_foreign_size,
    name_in_errors,
    open_adopted_folder,
    verify_model_loads,
)
from aecore.runs.plan import complete_data_config, make_data_config
from aecore.runs.run import Run

LAYOUTS: dict[str, type[PretrainedNetwork]] = {
    one.layout: one for one in (AutoencoderKl, AutoencoderTiny)
}
PUBLISHED_WEIGHTS = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
)
PICKLED_WEIGHTS = "diffusion_pytorch_model.bin"
PIPELINE_FOLDER = "vae"  # of a diffusion model as a whole
SHOWN_SIDE = 64  # pixels, where no pictures are named
DTYPES = ("F32", "F16", "BF16")


class ShownPictures(NamedTuple):
    """The pictures on which pages show an autoencoder: by default those that come with the app."""

    shape: tuple[int, ...] = (3, SHOWN_SIDE, SHOWN_SIDE)
    data: DataConfig | None = None
    examples: int = 0  # of the larger split


class WeightOrigin(NamedTuple):
    """Where weights are from."""

    source: str  # user/name
    revision: str  # the commit; empty where it is not known
    license: str  # as the Hub calls it; empty where none is stated


def choose_pictures(name: str | None, side: int | None = None) -> ShownPictures | None:
    """Returns the pictures of a data set or path, or the sample photographs, of so many pixels.

    None where neither is named. Reads the data once, to know its shape; DataError where it cannot.
    ConfigError for pixels that the photographs do not have.
    """
    if side is not None and (side < 1 or (name is None and side > LARGEST_CROP)):
        raise ConfigError(
            f"Sample photographs have sides of 1 to {LARGEST_CROP} pixels, got {side}. Choose such "
            "a side, or pictures by --data."
        )
    if name is None:
        return ShownPictures((COLOUR_CHANNELS, side, side)) if side else None
    config = make_data_config(name, {"data.side": side} if side else {})
    return describe_pictures(config, load_dataset(config))


def describe_pictures(config: DataConfig, dataset: Dataset) -> ShownPictures:
    """Returns the pictures of a data set that was read as `config` says."""
    data = complete_data_config(config, dataset)
    return ShownPictures(dataset.input_shape, data, max(dataset.count, len(dataset.test.x)))


# -- which files


def find_published_files(
    repo: str, sizes: Mapping[str, int | None], subfolder: str = ""
) -> list[str]:
    """Returns config and weights of an autoencoder of diffusers in a listing {path: bytes}.

    None are returned where there is a run of aecore, or nothing of the kind. They are in the
    `subfolder`, or else at the root or in that of a pipeline. HubError for pickled weights alone,
    and for files that are too large.
    """
    if not subfolder and WEIGHTS_FILE in sizes:
        return []
    for folder in [subfolder] if subfolder else ["", PIPELINE_FOLDER]:
        head = f"{folder}/" if folder else ""
        weights = [head + name for name in PUBLISHED_WEIGHTS if head + name in sizes]
        if head + CONFIG_FILE in sizes and weights:
            names = [head + CONFIG_FILE, weights[0]]
            for name, kind in zip(names, (CONFIG_FILE, WEIGHTS_FILE), strict=True):
                check_foreign_size(repo, name, sizes[name], FOREIGN_FILE_LIMITS[kind])
            return names
        if head + PICKLED_WEIGHTS in sizes:
            raise HubError(
                f"{repo} has its weights as a pickle alone ({head}{PICKLED_WEIGHTS}), which may "
                "run code when it is read. Choose a repository with .safetensors."
            )
    if subfolder:
        raise HubError(
            f"{repo} has no autoencoder in {subfolder}: no {CONFIG_FILE} with "
            f"{PUBLISHED_WEIGHTS[0]}. Check the folder."
        )
    return []


def is_published_file(name: str) -> bool:
    """Returns True for a file that may be one of a published autoencoder."""
    return name.rpartition("/")[2] in (CONFIG_FILE, *PUBLISHED_WEIGHTS)


# -- a run of them


def adopt_published(
    folder: Path,
    names: Iterable[str],
    out: Path,
    origin: WeightOrigin,
    pictures: ShownPictures,
    owner: str = "",
) -> Path:
    """Makes the run `out` of that owner from config and weights in `folder`.

    Raises CheckpointError where they are unsound or of an unknown layout, ConfigError where the
    pictures do not suit them.
    """
    config_file, weights_file = (folder / name for name in names)
    with name_in_errors(folder, origin.source):
        network = read_published_network(config_file.parent, origin)
    model = plan_published_model(network, pictures)
    config = RunConfig(model=model, data=limit_data(network, pictures))
    card = format_card(config, {}, folder=f"{out.parent.name}/{out.name}")
    with open_adopted_folder(out, owner) as draft:
        write_text_file(draft / CONFIG_FILE, config.model_dump_json(indent=2) + "\n")
        with name_in_errors(folder, origin.source):
            weights = read_published_weights(weights_file, model)
        write_tensors(draft / WEIGHTS_FILE, weights)
        verify_model_loads(draft, origin.source)
        write_text_file(draft / CARD_FILE, card)
        Run(draft).write_state(state="done", since=time.time())
    return out


def read_published_network(folder: Path, origin: WeightOrigin) -> PretrainedNetwork:
    """Returns the network that a published config.json describes."""
    values: Any = read_config_values(folder)
    name = values.get("_class_name") if isinstance(values, dict) else None
    layout = LAYOUTS.get(name) if isinstance(name, str) else None
    if layout is None:
        shown = repr(name) if isinstance(name, str | None) else type(name).__name__
        raise CheckpointError(
            f"{origin.source} holds {shorten_text(shown)}, which is no autoencoder that is "
            f"known here. Known: {', '.join(LAYOUTS)} of diffusers."
        )
    try:
        return layout.from_layout(values, **origin._asdict())
    except ValidationError as error:
        reason = describe_validation_error(error)
    except RecursionError:
        reason = "its values are nested too deeply."
    except (TypeError, ValueError) as error:
        reason = f"{error}."
    raise CheckpointError(f"{origin.source} is an {name} of an unknown layout: {reason}")


def plan_published_model(network: PretrainedNetwork, pictures: ShownPictures) -> ModelConfig:
    """Returns the model of a network for pictures; ConfigError where they do not suit it."""
    try:
        network.check_input_shape(pictures.shape)
        return ModelConfig(
            variant=network.layout,
            input_shape=pictures.shape,
            latent_dim=network.suggest_latent_dim(pictures.shape),
            network=network,
            bottleneck={"kind": "gaussian" if network.values_per_unit == 2 else "deterministic"},
        )
    except ValidationError as error:
        raise ConfigError(describe_validation_error(error)) from error
    except ValueError as error:
        raise ConfigError(f"{str(error)[0].upper()}{str(error)[1:]}.") from error


def limit_data(network: PretrainedNetwork, pictures: ShownPictures) -> DataConfig | None:
    """Returns the data, with no more pictures than are bearable with a network of this size."""
    limit = network.limit_examples(pictures.shape)
    if pictures.data is None or limit is None or pictures.examples <= limit:
        return pictures.data
    return pictures.data.model_copy(update={"limit": limit})


def read_published_weights(path: Path, config: ModelConfig) -> dict[str, Tensor]:
    """Returns the weights of a model by their names here, as float32, from a published file.

    CheckpointError unless names and shapes are those of the config, and all values finite.
    """
    network = config.network
    assert isinstance(network, PretrainedNetwork)
    with torch.device("meta"):
        expected = Autoencoder(config).state_dict()
    own = {"shift": torch.zeros(()), "scale": torch.ones(())}  # of columns: pictures have none
    for name in own:
        del expected[name]
    with open_tensors(path) as file:
        names = {network.rename_weight(name): name for name in set(file.keys())}
        if odd := sorted(set(names) ^ set(expected)):
            raise CheckpointError(
                f"{path.name} and {CONFIG_FILE} do not belong together: one of them alone has "
                f"{shorten_text(odd[0])}. Choose another revision."
            )
        check_published_shapes(path, file, names, expected)
        tensors = {name: file.get_tensor(names[name]).float().clone() for name in expected}
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path.name}: {names[name]} holds NaN or infinity.")
    return {**own, **tensors}


def check_published_shapes(
    path: Path, file: Any, names: Mapping[str, str], expected: Mapping[str, Tensor]
) -> None:
    """Raises CheckpointError for a tensor of an odd shape or type; reads none."""
    for name, tensor in expected.items():
        part = file.get_slice(names[name])
        if part.get_shape() != list(tensor.shape) or part.get_dtype() not in DTYPES:
            raise CheckpointError(
                f"{path.name}: {shorten_text(names[name])} is {part.get_dtype()} of shape "
                f"{shorten_text(str(part.get_shape()))}, expected floats of shape "
                f"{list(tensor.shape)}."
            )
