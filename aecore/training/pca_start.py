"""The start of a model with a linear path: as PCA of its training examples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from aecore.analysis.latent import fit_pca
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.networks.mlp import MlpDecoder, MlpEncoder

PCA_VALUES = 2**24  # of the examples to which principal components are fitted: 64 MB
NO_DEVIATION = 1e-4  # of the inputs along a component, as a share of the largest: rounding errors
MIN_BETA = 1e-6  # of a code whose KL has no weight: log variances have to begin somewhere


@torch.no_grad()
def start_as_pca(model: Autoencoder, sample: Tensor) -> None:
    """Begins the linear path as principal components of `sample` (N, *input_shape).

    The last layers beside it become zero. Codes begin with unit variance and reconstructions as
    those of PCA, or of the linear fit of logits that are not in the inputs' units; units beyond the
    number of components at zero. Of large sets, examples at even distances stand for all.
    """
    encoder, decoder = model.encoder, model.decoder
    assert isinstance(encoder, MlpEncoder) and isinstance(decoder, MlpDecoder)
    x = draw_scaled_rows(model, sample)
    components, deviations = fit_components(x, model.config.latent_dim)
    units, weight = len(components), components / deviations[:, None]
    shift = weight @ x.mean(0)
    codes = x @ weight.t() - shift
    directions, bias = model.likelihood.fit_directions(
        (components * deviations[:, None]).t(), codes, x, decoder.output_bias
    )
    last = decoder.layers[-1]
    assert isinstance(last, nn.Linear)
    encoder.head.weight.zero_()
    last.weight.zero_()
    into_code = encoder.path or encoder.head  # without hidden layers the network is the path
    out_of_code = decoder.path or last
    into_code.weight[:units], out_of_code.weight[:, :units] = weight, directions
    decoder.output_bias.copy_(bias)
    encoder.head.bias.zero_()
    encoder.head.bias[:units] = -shift
    model.likelihood.start_spread(codes @ directions.t() + bias, x)
    if model.config.bottleneck.is_variational:
        first = model.config.latent_dim
        encoder.head.bias[first : first + units] = find_log_variances(model, directions, bias)


def draw_scaled_rows(model: Autoencoder, sample: Tensor) -> Tensor:
    """Returns at most PCA_VALUES values of `sample`, as rows (N, features) in the model's units."""
    count = min(len(sample), max(2, PCA_VALUES // model.config.features))
    places = torch.linspace(0, len(sample) - 1, count, dtype=torch.float64).long()
    return model.to_scaled(as_float(sample[places.to(sample.device)])).flatten(1)


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
