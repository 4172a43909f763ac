"""A distance of pictures that is closer to what eyes see: MS-SSIM and the absolute error."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from aecore.model.parts.likelihoods.base import LikelihoodBase
from aecore.model.parts.likelihoods.location import OUTPUT_HELP, LocationLikelihood, Output
from aecore.model.parts.ssim import compute_ms_ssim


class MsSsim(LikelihoodBase):
    """d (a (1 - MS-SSIM(x, x^)) + (1 - a) mean |x - x^|),  d the number of values in a picture.

    Zhao et al. (2017, Loss Functions for Image Restoration with Neural Networks), whose absolute
    error has a Gaussian window besides. No density: there are no nats and no bits, and beta is what
    weights the KL of a VAE. Small pictures have fewer scales: two at 32 pixels, one below 22.
    """

    kind: Literal["ms_ssim"] = "ms_ssim"
    structure: float = Field(
        0.84, ge=0, le=1, description="a: share of MS-SSIM; the rest is the absolute error."
    )
    output: Output = Field("linear", description=OUTPUT_HELP)

    menu_position: ClassVar[int] = 6
    takes_tables: ClassVar[bool] = False
    is_density: ClassVar[bool] = False

    def build(self, features: int, channels: int = 1) -> MsSsimDistance:
        return MsSsimDistance(self)


class MsSsimDistance(LocationLikelihood):
    """The distance, for logits (..., N, C, H, W)."""

    def __init__(self, options: MsSsim):
        super().__init__(options.output)
        self.structure = options.structure

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return the distances; cells that are not observed count as rebuilt without an error."""
        mean = self.mean(logits)
        target = x.expand_as(mean)
        if observed is not None:
            target = target.where(observed, mean)
        pictures, targets = mean.reshape(-1, *x.shape[1:]), target.reshape(-1, *x.shape[1:])
        similarity = compute_ms_ssim(pictures, targets)
        error = (pictures - targets).abs().flatten(1).mean(1)
        distance = self.structure * (1 - similarity) + (1 - self.structure) * error
        return math.prod(x.shape[1:]) * distance.unflatten(0, mean.shape[: -x.dim() + 1])

    def sample(self, logits: Tensor) -> Tensor:
        """Return the mean: a distance says nothing about the noise."""
        return self.mean(logits)
