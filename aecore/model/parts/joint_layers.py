"""The layers of several models of one shape, which train as one.

A batch (models * N, ...) holds N examples of the first model, then N of the second, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class StackedLinear(nn.Module):
    """x (models * N, in) -> x_m W_m^T + b_m for the examples of each model m, in one product.

    The weights of the models become views of one tensor, so that what changes them changes it.
    """

    weight: nn.Parameter  # (models, out, in)
    bias: nn.Parameter | None  # (models, out)

    def __init__(self, layers: Sequence[nn.Linear]):
        super().__init__()
        weights: list[Tensor] = [layer.weight for layer in layers]
        biases: list[Tensor] = [layer.bias for layer in layers if layer.bias is not None]
        self.weight = stack_parameters(weights)
        self.bias = stack_parameters(biases) if biases else None
        self.stacks = [(self.weight, weights)]
        if self.bias is not None:
            self.stacks.append((self.bias, biases))

    def forward(self, x: Tensor) -> Tensor:
        parts = x.unflatten(0, (len(self.weight), -1))
        if torch.is_autocast_enabled("cpu"):  # which prepares no product of ours
            return multiply_stacked(parts, self.weight, self.bias).flatten(0, 1)
        out: Tensor = StackedProduct.apply(parts, self.weight, self.bias)
        return out.flatten(0, 1)

    def pass_gradients(self) -> None:
        """Add the gradients of the last pass to those of the models' own weights."""
        for stacked, own in self.stacks:
            if stacked.grad is None:
                continue
            for weight, gradient in zip(own, stacked.grad.unbind(), strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad + gradient
            stacked.grad = None


def multiply_stacked(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x W^T + b, in the shapes of `StackedProduct`."""
    if bias is None:
        return torch.bmm(x, weight.mT)
    return torch.baddbmm(bias[:, None], x, weight.mT)


class StackedProduct(torch.autograd.Function):
    """x (models, N, in), W (models, out, in), b (models, out) -> x W^T + b (models, N, out).

    The gradient of W lies in memory as W does: autograd would transpose it, and copy it back.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return multiply_stacked(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        needs_x, _, needs_bias = ctx.needs_input_grad
        return (
            torch.bmm(gradient, weight) if needs_x else None,
            torch.bmm(gradient.mT, x),
            gradient.sum(1) if needs_bias else None,
        )


def stack_parameters(parameters: Sequence[Tensor]) -> nn.Parameter:
    """Return parameters of one shape as one, (count, *shape), of which they become views."""
    stacked = nn.Parameter(torch.stack([parameter.detach() for parameter in parameters]))
    for parameter, view in zip(parameters, stacked.data.unbind(), strict=True):
        parameter.data = view
    return stacked


class SeparateLayers(nn.Module):
    """Applies the layer of each model to its examples: (models * N, in) -> (models * N, out)."""

    def __init__(self, layers: Sequence[Callable[[Tensor], Tensor]]):
        super().__init__()
        self.own = tuple(layers)  # a tuple, not a ModuleList: they belong to their models

    def forward(self, x: Tensor) -> Tensor:
        parts = zip(self.own, x.chunk(len(self.own)), strict=True)
        return torch.cat([layer(part) for layer, part in parts])


class RandomStream:
    """The random numbers of one model: within `with stream`, torch draws on where it left off."""

    def __init__(self) -> None:
        self.state = torch.get_rng_state()

    def __enter__(self) -> None:
        torch.set_rng_state(self.state)

    def __exit__(self, *_: object) -> None:
        self.state = torch.get_rng_state()
