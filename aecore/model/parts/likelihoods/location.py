"""The base of likelihoods whose logits are one location for each feature, linear or a sigmoid."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from aecore.model.parts.likelihoods.base import Likelihood, inverse_sigmoid

Output = Literal["linear", "sigmoid"]
OUTPUT_HELP = "sigmoid keeps reconstructions between 0 and 1, the range of pixels."


class LocationLikelihood(Likelihood):
    """The mean is the location itself; what is said about the noise is left to the kinds."""

    def __init__(self, output: Output):
        super().__init__()
        self.has_sigmoid = output == "sigmoid"

    def mean(self, logits: Tensor) -> Tensor:
        return logits.sigmoid() if self.has_sigmoid else logits

    def mean_steps(self, features: int) -> list[dict[str, Any]]:
        return [{"op": "activation", "kind": "sigmoid"}] if self.has_sigmoid else []

    def logits(self, mean: Tensor) -> Tensor:
        return inverse_sigmoid(mean) if self.has_sigmoid else mean

    def fit_directions(
        self, changes: Tensor, z: Tensor, x: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        return super().fit_directions(changes, z, x, bias) if self.has_sigmoid else (changes, bias)

    def find_precisions(self, logits: Tensor) -> Tensor:
        slopes = super().find_precisions(logits) if self.has_sigmoid else torch.ones_like(logits)
        return slopes.square() / self.noise_variance(logits)

    def noise_variance(self, logits: Tensor) -> Tensor | float:
        """Return the variance of x about its location, for logits of one example (features,)."""
        return 1.0
