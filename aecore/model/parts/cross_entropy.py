"""The cross-entropy of logits and values between 0 and 1, fast on CPUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class CrossEntropy(torch.autograd.Function):
    """sum_j softplus(l_j) - x_j l_j for logits (..., N, d), x (N, d): (..., N).

    The gradient is sigmoid(l) - x. The stable softplus max(l, 0) - ln sigmoid(|l|) is written with
    operations that are vectorised on CPUs: eight times as fast there as the built-in one, which
    alone took a fifth of a training step. Several samples are taken one at a time, so that
    intermediate results stay in the CPU's cache.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor, observed: Tensor | None) -> Tensor:
        ctx.save_for_backward(logits, x, observed)
        losses = logits.new_empty(logits.shape[:-1])
        for sample, sample_losses in iterate_samples(logits, losses):
            cells = sample.abs().sigmoid_().log_().neg_()
            cells.add_(sample.clamp(min=0)).addcmul_(x, sample, value=-1)
            if observed is not None:
                cells.mul_(observed)
            torch.sum(cells, -1, out=sample_losses)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        logits, x, observed = ctx.saved_tensors
        result = torch.empty_like(logits)
        pairs = zip(iterate_samples(logits, result), iterate_samples(logits, gradient), strict=True)
        for (sample, sample_result), (_, weight) in pairs:
            torch.sigmoid(sample, out=sample_result).sub_(x).mul_(weight[..., None])
            if observed is not None:
                sample_result.mul_(observed)
        return result, None, None


def iterate_samples(logits: Tensor, other: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield both tensors (samples, ...) one sample at a time; whole where that is not faster.

    They are whole on other devices than the CPU, and where logits (N, d) have no samples.
    """
    if logits.dim() > 2 and logits.device.type == "cpu":
        yield from zip(logits.unbind(), other.unbind(), strict=True)
    else:
        yield logits, other
