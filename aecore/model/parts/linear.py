"""Fully connected layers that use the faster of torch's two CPU libraries.

torch multiplies float32 matrices with MKL, which runs AVX2 code on AMD processors even if they have
AVX-512. oneDNN, which torch uses for convolutions, runs AVX-512 there: twice as fast, as measured
by bench/speed.py.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MIN_ONEDNN_WORK = 4_000_000  # multiplications; below it, oneDNN's start costs more than it saves


class Linear(nn.Linear):
    """x (N, in) -> x W^T + b (N, out)."""

    def forward(self, x: Tensor) -> Tensor:
        return apply_linear(x, self.weight, self.bias)


def apply_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x weight^T + bias, as torch.nn.functional.linear: x (..., in), weight (out, in)."""
    if can_use_onednn(x) and len(x) * weight.numel() >= MIN_ONEDNN_WORK and onednn_is_faster():
        return Product.apply(x, weight, bias)
    return F.linear(x, weight, bias)


def can_use_onednn(x: Tensor) -> bool:
    """Return True for a non-empty float32 matrix on the CPU that is multiplied as it is, now."""
    return (
        not is_tracing()
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and x.dim() == 2
        and len(x) > 0
    )


def is_tracing() -> bool:
    """Return True where torch records or transforms operations: in exports and torch.func."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


@cache
def onednn_is_faster() -> bool:
    """Return True on an AMD processor with AVX-512.

    The answer depends on the machine alone, so that a resumed run computes the same numbers.
    """
    try:
        cpu_info = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return (
        torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and "AuthenticAMD" in cpu_info
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
    )


class Product(torch.autograd.Function):
    """a (m, k), b (n, k), bias (n,) or None -> a b^T + bias (m, n), by oneDNN.

    Gradients are products of the same kind, so that they can be differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(a, b)
        return torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        needs_a, needs_b, needs_bias = ctx.needs_input_grad
        gradient = gradient.contiguous()  # an expanded tensor has no memory of its own
        return (
            Product.apply(gradient, b.t(), None) if needs_a else None,
            Product.apply(gradient.t(), a.t(), None) if needs_b else None,
            gradient.sum(0) if needs_bias else None,
        )
