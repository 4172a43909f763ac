"""Fully connected layers, multiplied by whichever of torch's two CPU libraries is faster on this machine.

torch multiplies float32 matrices by MKL, which runs its AVX2 code on AMD's processors whatever they can do. oneDNN,
which torch has for convolutions, runs AVX-512 there: twice as fast (bench/speed.py).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MIN_ONEDNN_WORK = 4_000_000  # multiplications; below, starting oneDNN takes what it saves


class Linear(nn.Linear):
    """x (N, in) -> x W^T + b (N, out)."""

    def forward(self, x: Tensor) -> Tensor:
        return apply_linear(x, self.weight, self.bias)


def apply_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """As torch.nn.functional.linear, for weight (out, in)."""
    if (
        is_tracing()
        or x.device.type != "cpu"
        or x.dtype != torch.float32
        or torch.is_autocast_enabled("cpu")
    ):
        return F.linear(x, weight, bias)
    if (
        x.dim() != 2
        or not len(x)
        or len(x) * weight.numel() < MIN_ONEDNN_WORK
        or not onednn_is_faster()
    ):
        return F.linear(x, weight, bias)
    return Product.apply(x, weight, bias)


def is_tracing() -> bool:
    """Whether torch looks at operations instead of doing them: for an export, or by torch.func's transforms."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


@cache
def onednn_is_faster() -> bool:
    """True on an AMD processor with AVX-512. The same on every start, so that a resumed run is the same run."""
    try:
        described = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    there = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return (
        there
        and "AuthenticAMD" in described
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
    )


class Product(torch.autograd.Function):
    """a (m, k), b (n, k), bias (n,) or None -> a b^T + bias (m, n), whose gradients are products of the same kind."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(a, b)
        return torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (a, b), (wants_a, wants_b, wants_bias) = ctx.saved_tensors, ctx.needs_input_grad
        gradient = gradient.contiguous()  # one that was expanded has no memory of its own
        return (
            Product.apply(gradient, b.t(), None) if wants_a else None,
            Product.apply(gradient.t(), a.t(), None) if wants_b else None,
            gradient.sum(0) if wants_bias else None,
        )
