"""The start of a model with a linear path: as PCA of its training examples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.latent import fit_pca
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder

PCA_VALUES = 2**24  # of the examples to which principal components are fitted: 64 MB
NO_DEVIATION = 1e-4  # of the inputs along a component, as a share of the largest: rounding errors
MIN_BETA = 1e-6  # of a code whose KL has no weight: log variances have to begin somewhere


@torch.no_grad()
def start_as_pca(model: Autoencoder, sample: Tensor) -> None:
    """Begins the linear path as principal components of `sample` (N, *input_shape).

    They are those of whole examples, or of the squares of pictures that a place of the code stands
    for. The last layers beside the path become zero. Codes begin with unit variance, or as their
    bottleneck says in proportion to the components, and reconstructions as those of PCA, or of the
    linear fit of logits that are not in the inputs' units; units beyond the number of components at
    zero. Of large sets, examples at even distances stand for all.
    """
    encoder, decoder, grid = model.encoder, model.decoder, model.config.code_grid
    rows = encoder.cut_path_rows(draw_scaled_examples(model, sample))
    components, deviations = fit_components(rows, grid[0] if grid else model.config.latent_dim)
    if not model.config.bottleneck.begins_whitened:
        deviations = torch.full_like(deviations, float(deviations.square().mean().sqrt()))
    weight = components / deviations[:, None]
    shift = weight @ rows.mean(0)
    codes = rows @ weight.t() - shift
    directions, bias = model.likelihood.fit_directions(
        (components * deviations[:, None]).t(), codes, rows, decoder.path_bias
    )
    model.likelihood.start_spread(codes @ directions.t() + bias, rows)
    is_variational = model.config.bottleneck.is_variational
    log_variances = find_log_variances(model, directions, bias) if is_variational else None
    encoder.begin_path(weight, -shift, log_variances)
    decoder.begin_path(directions, bias)


def draw_scaled_examples(model: Autoencoder, sample: Tensor) -> Tensor:
    """Returns at most PCA_VALUES values of `sample`, as examples in the model's units."""
    count = min(len(sample), max(2, PCA_VALUES // model.config.features))
    places = torch.linspace(0, len(sample) - 1, count, dtype=torch.float64).long()
    return model.to_scaled(as_float(sample[places.to(sample.device)]))


def fit_components(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Returns components (K, features) of x (N, features), and its deviations (K,) along them.

    There are at most `count`, and none along which x does not vary.
    """
    pca = fit_pca(x.cpu().numpy(), count)
    deviations = np.sqrt(pca.explained_variance_)
    varies = deviations > NO_DEVIATION * deviations.max(initial=0)
    return torch.from_numpy(pca.components_[varies]).to(x), torch.from_numpy(deviations[varies]).to(
        x
    )


def find_log_variances(model: Autoencoder, directions: Tensor, bias: Tensor) -> Tensor:
    """Returns the log variances (K,) of Gaussian codes in a linear model.

    They are those of probabilistic PCA (Tipping & Bishop, 1999) with a noise of `beta` times the
    likelihood's, for logits of the weights `directions` (logits, K) about `bias`.
    """
    gains = directions.square().t() @ model.likelihood.find_precisions(bias)
    beta = float(model.config.bottleneck.cost_weight(1.0))
    return -(gains / max(beta, MIN_BETA)).log1p()
