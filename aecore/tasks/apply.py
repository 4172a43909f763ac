"""A trained run applied to any number of examples: arrays in, arrays out, batch by batch.

What comes out equals what the pages show of all examples at once: batches are cut where the passes
through a model are cut anyway, and random numbers go on from one batch to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from torch import Tensor

from aecore.analysis.chunks import (
    count_rows_at_once,
    encode_in_chunks,
    reconstruct_in_chunks,
)
from aecore.analysis.imputation import count_filled_rows, impute_cells
from aecore.data.raw import Array
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.tasks.anomaly import (
    DETECTOR_VARIANT,
    compute_scaled_residuals,
    count_known_to_all,
    score_model_residuals,
)
from aecore.tasks.impute import FILLING_DRAWS, IMPUTER_VARIANT
from aecore.tasks.odd_columns import OddColumns

Output = Literal["codes", "reconstructions", "scores", "filled"]
OUTPUTS: tuple[Output, ...] = get_args(Output)
BATCH_BYTES, BATCH_ROWS = 32 * 10**6, 20_000  # of float32 examples, at most


def choose_output(config: RunConfig) -> Output:
    """Return what a run is made for.

    Filled cells of an imputer, scores where it knows one normal class or is a detector of tables,
    codes of any other.
    """
    model = config.model
    if model.missing and model.variant == IMPUTER_VARIANT:
        return "filled"
    is_detector = model.variant == DETECTOR_VARIANT and len(model.input_shape) == 1
    if is_detector or (config.data is not None and config.data.train_class is not None):
        return "scores"
    return "codes"


class Application:
    """A model that is applied to one batch after the other, in their order.

    Where cells may be missing, `means` (*input_shape) stand for them, unless they are to be filled.
    """

    def __init__(
        self,
        model: Autoencoder,
        output: Output,
        means: Callable[[], Tensor],
        trained_on_normal: bool = False,
    ):
        self.model, self.output, self.means = model, output, means
        self.trained_on_normal = trained_on_normal
        self.known = 0  # rows that every member of an ensemble was trained on
        gaps = torch.zeros(model.config.features, dtype=torch.int64)
        self.missing = gaps.clone()  # (features,) rows in which one was taken as usual in training
        self.filled = gaps  # (features,) rows in which one was filled
        self.randomness = torch.Generator().manual_seed(0).get_state()
        model.eval()

    @property
    def batch_rows(self) -> int:
        """Rows of a batch: the passes through the model are cut as if all came at once."""
        rows = count_rows_at_once(self.model)
        if self.output == "filled":
            rows = count_filled_rows(self.model, FILLING_DRAWS)
        most = min(BATCH_ROWS, BATCH_BYTES // (4 * self.model.config.features))
        return rows * max(1, most // rows)

    def __call__(self, x: Tensor) -> dict[str, Array]:
        """Return what the output is of examples x (n, *input_shape), as arrays by their names.

        codes: (n, latent_dim). reconstructions and filled: (n, *input_shape), in the data's units.
        scores: `scores` (n,) and `residuals` (n, *input_shape), x - r(x) in the network's units,
        whose squares sum to the score of kind error.
        """
        if self.output == "filled":
            return {"filled": self.fill(x).numpy()}
        if self.output == "scores" and self.model.config.missing:
            return self.score(x)
        x = self.replace_missing(x)
        if self.output == "codes":
            return {"codes": encode_in_chunks(self.model, x).numpy()}
        if self.output == "reconstructions":
            return {"reconstructions": reconstruct_in_chunks(self.model, x).numpy()}
        return self.score(x)

    def score(self, x: Tensor) -> dict[str, Array]:
        """Return the scores of examples x (n, *input_shape) and what they are made of."""
        residuals = compute_scaled_residuals(self.model, x, self.trained_on_normal)
        self.known += count_known_to_all(self.model, x)
        scores = score_model_residuals(self.model, x, residuals)
        return {"scores": scores.numpy(), "residuals": residuals.numpy()}

    def fill(self, x: Tensor) -> Tensor:
        """Return x with its missing cells filled in."""
        if not x.is_floating_point():
            return x
        self.filled += x.isnan().flatten(1).sum(0)
        with self.continue_randomness():
            return impute_cells(self.model, x, FILLING_DRAWS, seed=None)

    def replace_missing(self, x: Tensor) -> Tensor:
        """Return x with missing cells as their column's mean, which are counted."""
        if not x.is_floating_point() or not x.isnan().any():
            return x
        self.missing += x.isnan().flatten(1).sum(0)
        return torch.where(x.isnan(), self.means(), x)

    @contextmanager
    def continue_randomness(self) -> Iterator[None]:
        """Let torch's random numbers go on from where the last batch left them."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.randomness)
            yield
            self.randomness = torch.get_rng_state()


def check_output(output: Output, config: RunConfig) -> None:
    """Raise ConfigError where a run cannot give this output."""
    if output == "filled" and len(config.model.input_shape) != 1:
        raise ConfigError(
            "Cells are filled in tables, and this run takes pictures. "
            "Give --what codes, reconstructions or scores."
        )


def name_odd_columns(odd: OddColumns) -> dict[str, Array]:
    """Return which columns make rows odd, the oddest first, how far off, and why.

    Keys are `odd_1`, `odd_1_by`, `odd_1_why`, `odd_2` and so on: names (n,) of columns; how far
    each is off, above 0 more than expected; and what it is and was expected to be.
    """
    found: dict[str, Array] = {}
    for place in range(odd.names.shape[1]):
        found[f"odd_{place + 1}"] = odd.names[:, place]
        found[f"odd_{place + 1}_by"] = odd.by[:, place]
        found[f"odd_{place + 1}_why"] = odd.why[:, place]
    return found
