"""Losses on an axis: their unit, and where only a logarithmic axis shows them all."""

from __future__ import annotations

from collections.abc import Sequence

from aecore.model.parts.likelihoods import LikelihoodOptions
from aecore.model.parts.likelihoods.gaussian import Gaussian

MANY_DECADES = 1e3  # the highest loss over the lowest: on a linear axis most lie flat


def spans_decades(losses: Sequence[float | None]) -> bool:
    """Returns whether losses, all positive, differ so much that they need a logarithmic axis."""
    known = [loss for loss in losses if loss is not None]
    return bool(known) and min(known) > 0 and max(known) / min(known) > MANY_DECADES


def name_loss_unit(likelihood: LikelihoodOptions) -> str:
    """Returns the unit of a loss.

    A Gaussian decoder of another variance than 1/2 weights the squared error.
    """
    if not isinstance(likelihood, Gaussian) or likelihood.learned:
        return "nats" if likelihood.is_density else "MS-SSIM distance"
    weight = 1 / (2 * likelihood.variance)
    return "squared error" if weight == 1 else f"{weight:.3g} x squared error"
