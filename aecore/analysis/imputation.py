"""Missing cells filled in from the observed ones of the same example.

A variational model gives them a distribution, p(x_mis | x_obs). With codes z_l of q(z|x_obs) and
weights

    w_l  ~  p(x_obs|z_l) p(z_l) / q(z_l|x_obs),     sum_l w_l = 1  (Mattei & Frellsen, 2019, MIWAE)

its mean is estimated by sum_l w_l E[x_mis|z_l], and draws of it by draws of p(x_mis|z_l) for z_l
picked with probability w_l. Any other model, a denoising one best of all, reconstructs the example
from the observed cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from aecore.analysis.bounds import is_variational
from aecore.analysis.chunks import CHUNK_BYTES, CHUNK_ROWS, count_values
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.progress import track_progress

# (x, observed), in the network's units -> (..., *x.shape)
FillRows = Callable[[Tensor, Tensor], Tensor]


@torch.no_grad()
def impute_cells(
    model: Autoencoder, x: Tensor, draws: int = 1000, rounds: int = 1, seed: int | None = 0
) -> Tensor:
    """Return x (N, *input_shape) with its NaN cells filled in, the others as they are.

    Variational models take their mean over so many `draws`. Others reconstruct the example `rounds`
    times, each time from the last filling; the first begins at zero, where a model that was trained
    with missing cells saw them. Without a seed, draws go on in torch's own stream.
    """

    def fill(x: Tensor, observed: Tensor) -> Tensor:
        if observed.all():
            return x
        if is_variational(model):
            return estimate_mean_cells(model, x, observed, draws)
        return reconstruct_cells(model, x, observed, rounds)

    return fill_in_chunks(model, x, draws, seed, fill)


@torch.no_grad()
def draw_imputations(
    model: Autoencoder,
    x: Tensor,
    count: int = 5,
    draws: int = 1000,
    seed: int = 0,
    noise: bool = True,
) -> Tensor:
    """Return `count` equally likely fillings of x (N, *input_shape): (count, N, *input_shape).

    Their spread is the uncertainty of an imputation (Rubin, 1987, Multiple Imputation). Without
    `noise` each is the mean given its code: for pictures, whose pixels one would not want drawn one
    by one. ConfigError for models that are not variational.
    """
    if not is_variational(model):
        raise ConfigError(
            f"{model.config.variant} gives no distribution to draw from. Use a variational model."
        )
    return fill_in_chunks(
        model,
        x,
        draws,
        seed,
        lambda x, observed: resample_cells(model, x, observed, count, draws, noise),
    )


def fill_in_chunks(
    model: Autoencoder, x: Tensor, draws: int, seed: int | None, fill: FillRows
) -> Tensor:
    """Return `fill` of as many rows at a time as memory holds, in the data's units.

    Observed cells are left alone. Without a seed, torch's own stream of random numbers goes on.
    """
    device = model.shift.device
    with nullcontext() if seed is None else torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        parts = [
            fill_chunk(model, part.to(device), fill).cpu()
            for part in track_progress(model.check_input(x).split(count_filled_rows(model, draws)))
        ]
    return torch.cat(parts, dim=parts[0].dim() - x.dim())


def count_filled_rows(model: Autoencoder, draws: int) -> int:
    """Return how many rows are filled at a time: as many as memory holds with their draws."""
    draws = draws if is_variational(model) else 1
    return max(1, min(CHUNK_ROWS, CHUNK_BYTES // (count_values(model) * draws)))


def fill_chunk(model: Autoencoder, x: Tensor, fill: FillRows) -> Tensor:
    """Return x with its NaN cells filled in; `fill` works in the network's units."""
    observed = ~x.isnan()
    # zero also for a model that never met a missing cell
    scaled = torch.where(observed, model.to_scaled(x), 0)
    return torch.where(observed, x, model.from_scaled(fill(scaled, observed)))


# -- three ways to fill, in the network's units


def estimate_mean_cells(model: Autoencoder, x: Tensor, observed: Tensor, draws: int) -> Tensor:
    """Return the mean of p(x_mis | x_obs), like x."""
    logits, weights = draw_weighted_logits(model, x, observed, draws)
    return torch.einsum("kn,kn...->n...", weights, model.likelihood.mean(logits))


def resample_cells(
    model: Autoencoder, x: Tensor, observed: Tensor, count: int, draws: int, noise: bool
) -> Tensor:
    """Return draws of p(x_mis | x_obs), by sampling importance resampling: (count, *x.shape)."""
    logits, weights = draw_weighted_logits(model, x, observed, draws)
    picks = torch.multinomial(weights.T, count, replacement=True)  # (N, count)
    picked_logits = logits[picks.T, torch.arange(len(x), device=x.device)]
    likelihood = model.likelihood
    return likelihood.sample(picked_logits) if noise else likelihood.mean(picked_logits)


def reconstruct_cells(model: Autoencoder, x: Tensor, observed: Tensor, rounds: int) -> Tensor:
    """Return the reconstruction of x, each round from the filling of the one before."""
    filled = x
    for _ in range(rounds):
        code = model.bottleneck.snap(model.encode_scaled(filled))
        filled = torch.where(observed, x, model.likelihood.mean(model.decoder(code)))
    return filled


def draw_weighted_logits(
    model: Autoencoder, x: Tensor, observed: Tensor, draws: int
) -> tuple[Tensor, Tensor]:
    """Return logits (draws, N, ...) of codes of q(z|x), and their weights (draws, N)."""
    mean, log_variance = model.activate(model.encoder(x).out).chunk(2, dim=1)
    z, log_ratio = model.bottleneck.draw(mean, log_variance, draws)
    logits = model.decode_samples(z)
    return logits, (-model.likelihood.loss(logits, x, observed) - log_ratio).softmax(0)


# -- cells hidden on purpose


def hide_cells(
    x: Tensor, share: float, seed: int = 0, columns: Sequence[slice] | None = None
) -> Tensor:
    """Choose that share of the known cells of x (N, d) to hide: bool (N, d).

    The features of a column are hidden together, since one of them tells the others: `columns` are
    their places, as in ModelConfig.column_slices; without them each feature is a column. Each row
    keeps one known cell. ConfigError for a share that does not lie between 0 and 1.
    """
    if not 0 < share < 1:
        raise ConfigError(f"The share of cells to hide must lie between 0 and 1, got {share}.")
    columns = columns or [slice(i, i + 1) for i in range(x.shape[1])]
    known = ~x[:, [part.start for part in columns]].isnan()
    order = torch.rand(known.shape, generator=torch.Generator().manual_seed(seed))
    spared = order.masked_fill(~known, -1).argmax(1, keepdim=True)
    hidden = ((order < share) & known).scatter(1, spared, False)
    return spread_columns(hidden, columns)


def spread_columns(values: Tensor, columns: Sequence[slice]) -> Tensor:
    """Return values of columns (..., columns) as those of their features (..., d)."""
    widths = torch.tensor([part.stop - part.start for part in columns])
    return values.repeat_interleave(widths, dim=-1)
