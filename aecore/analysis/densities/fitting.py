"""Densities fitted to the codes of a model, one or all kinds, and compared on codes held out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks, iterate_chunks
from aecore.analysis.densities import DENSITIES
from aecore.analysis.densities.base import (
    Density,
    choose_fitted_codes,
    fit_whitening,
    score_standard_normal,
)
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.progress import track_progress

PRIOR_SOURCE = "prior"  # codes drawn from N(0, I), beside those from a kind of density
DEFAULT_DENSITY = "mixture"  # where densities were not compared (Ghosh et al., 2020)
HELD_OUT_CODES = 0.1  # share of the codes that densities are compared on


class FittedDensities(NamedTuple):
    """A density of each kind, fitted to the same codes."""

    by_kind: dict[str, Density]
    held_out: dict[str, float]  # mean log density of codes held out, in nats; also of the prior

    @property
    def best_kind(self) -> str:
        """The kind that describes new codes best."""
        return max(self.held_out, key=self.held_out.__getitem__)


def fit_density(z: Tensor, seed: int = 0, kind: str = DEFAULT_DENSITY) -> Density:
    """Fits a density of a kind in DENSITIES to codes z (N, latent_dim).

    ConfigError for an unknown kind or too few codes, CheckpointError for codes that overflow.
    """
    if kind not in DENSITIES:
        raise ConfigError(f"There is no density {kind!r}. Known: {', '.join(DENSITIES)}.")
    return DENSITIES[kind]().fit(z, seed)


def fit_densities(z: Tensor, seed: int = 0, has_prior: bool = False) -> FittedDensities:
    """Fits a density of each kind to nine tenths of codes z (N, latent_dim), scored on the rest.

    With `has_prior`, the prior N(0, I) is scored, too.
    """
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(seed))
    held = max(1, round(HELD_OUT_CODES * len(z)))
    fitted_codes, new_codes = z[order[held:]], z[order[:held]]
    whitening = fit_whitening(choose_fitted_codes(fitted_codes))
    by_kind = {
        kind: DENSITIES[kind]().fit(fitted_codes, seed, whitening)
        for kind in track_progress(list(DENSITIES))
    }
    scores = {kind: float(one.log_density(new_codes).mean()) for kind, one in by_kind.items()}
    if has_prior:
        scores[PRIOR_SOURCE] = float(score_standard_normal(new_codes.double().numpy()).mean())
    return FittedDensities(by_kind, scores)


@torch.no_grad()
def draw_training_codes(model: Autoencoder, x: Tensor, seed: int = 0) -> Tensor:
    """Returns codes (N, latent_dim) of x (N, *input_shape) as the decoder is trained on them.

    Those of variational models are drawn from q(z|x): their means alone lie closer together.
    """
    if not model.config.bottleneck.is_variational:
        return encode_in_chunks(model, x)
    codes = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for inputs, _ in iterate_chunks(model, x):
            mean, log_variance = model.activate(model.encoder(inputs).out).chunk(2, dim=1)
            codes.append(model.bottleneck.draw(mean, log_variance, 1)[0][0].cpu())
    return torch.cat(codes)
