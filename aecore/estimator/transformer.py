"""A transformer: rows to codes, as PCA gives them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from aecore.analysis.chunks import encode_in_chunks
from aecore.estimator.base import AutoencoderEstimator, Rows


class AutoencoderTransformer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, AutoencoderEstimator
):
    """Turns rows into codes and back.

    `score` is the share of the variance that survives, so that searches can choose a code size.
    """

    def transform(self, X: ArrayLike) -> Rows:
        """Return the codes (N, latent_dim) of rows X (N, features)."""
        rows = self._check_rows(X)
        return encode_in_chunks(self.model_, torch.tensor(rows)).numpy().astype(rows.dtype)

    def inverse_transform(self, X: ArrayLike) -> Rows:
        """Return the rows (N, features) that codes X (N, latent_dim) decode to."""
        check_is_fitted(self, "model_")
        codes = np.ascontiguousarray(check_array(X, dtype=[np.float64, np.float32]))
        with torch.no_grad():
            return self.model_.decode(torch.tensor(codes).double()).numpy().astype(codes.dtype)

    def score(self, X: ArrayLike, y: object = None) -> float:
        """Return 1 - |x - x^|^2 / |x - mean|^2 over all of X, in the network's units.

        1 is perfect, 0 no better than the mean. For a linear model with scaled columns it is the
        share of variance that so many principal components explain. Missing cells count for
        nothing.
        """
        x = torch.tensor(self._check_rows(X)).double()
        with torch.no_grad():
            scaled = self.model_.to_scaled(x)
            rebuilt = self.model_.to_scaled(self.model_.reconstruct(x))
        known = ~x.isnan()
        mean = scaled.sum(0) / known.sum(0).clamp(min=1)  # missing cells are zero
        variation = ((scaled - mean).square() * known).sum()
        return 1 - (((scaled - rebuilt).square() * known).sum() / variation).item()

    @property
    def _n_features_out(self) -> int:
        return self.model_.config.latent_dim
