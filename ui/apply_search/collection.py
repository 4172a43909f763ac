"""The collection that is searched: examples, and an index of their codes and components."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks
from aecore.data.splits import Dataset
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from aecore.tasks.search import PrincipalCode, SearchIndex, build_index, fit_principal_code
from ui.kit.cache import digest_examples, get_codes, get_model
from ui.kit.inputs import Inputs, make_split_inputs
from ui.kit.memory import ExamplesKey, keep_in_memory

COLLECTION_SPLITS = {"training set": "train", "test set": "test"}
THE_INPUTS = "the inputs"  # the option that searches the inputs themselves
RAW_VALUES = "raw values"  # the name of a baseline, as aecore.tasks.search has it
COMPONENT_ROWS = 20_000  # examples behind PCA


class SearchCollection(NamedTuple):
    """Examples, and what finds the nearest of them."""

    examples: Inputs
    code_index: SearchIndex
    pca: PrincipalCode
    component_index: SearchIndex

    def find_class(self, row: int) -> str | None:
        """Returns the class of an example, None where there are no classes."""
        y, classes = self.examples.y, self.examples.classes
        return classes[int(y[row])] if y is not None and classes else None


def load_collection(run: Run, dataset: Dataset, inputs: Inputs, option: str) -> SearchCollection:
    """Returns the collection that an option names: a split of the run's data, or the inputs."""
    if option in COLLECTION_SPLITS:
        split = COLLECTION_SPLITS[option]
        examples, name = make_split_inputs(dataset, split), ExamplesKey(option)
        code_index = load_split_index(str(run.path), run.version(), dataset.name, split, run)
    else:
        examples, name = inputs, digest_examples(inputs.x)
        code_index = load_input_index(str(run.path), run.version(), name, run, inputs.x)
    key = (str(run.path), run.version(), name)
    pca, component_index = load_component_index(key, len(examples.x), get_model(run), examples.x)
    return SearchCollection(examples, code_index, pca, component_index)


@keep_in_memory("Encoding the collection ...")
def load_split_index(
    path: str, version: float, data_name: str, split: str, _run: Run
) -> SearchIndex:
    """Returns an index of the codes of a split."""
    return build_index(torch.from_numpy(get_codes(_run, split)[0]))


@keep_in_memory("Encoding your examples ...")
def load_input_index(
    path: str, version: float, digest: ExamplesKey, _run: Run, _x: Tensor
) -> SearchIndex:
    """Returns an index of the codes of inputs, which `digest` identifies."""
    return build_index(encode_in_chunks(get_model(_run), _x))


@keep_in_memory("Finding the principal components ...")
def load_component_index(
    key: tuple[object, ...], count: int, _model: Autoencoder, _x: Tensor
) -> tuple[PrincipalCode, SearchIndex]:
    """Returns the principal components of examples, and an index of the examples by them."""
    x = to_comparable_values(_model, _x)
    pca = fit_principal_code(x[:COMPONENT_ROWS], _model.config.latent_dim)
    return pca, build_index(pca.encode(x))


def to_comparable_values(model: Autoencoder, x: Tensor) -> Tensor:
    """Returns what raw values and PCA compare: pictures as they are, columns of a table scaled."""
    return model.to_scaled(x).detach() if x.dim() == 2 else x


def describe_comparable_values(x: Tensor) -> str:
    """Returns the name of what `to_comparable_values` gives."""
    return RAW_VALUES if x.dim() == 4 else "scaled values"
