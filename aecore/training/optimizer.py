"""The optimiser: Adam, AdamW or SGD with momentum, in one fused pass over the weights a step.

It calls the kernels of torch.optim by their functional names. The classes of torch.optim would do
the same, but the first one that is made imports a compiler: 1.3 s and 150 MB that a short run can
do without.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from aecore.model.config import TrainConfig


class Optimizer:
    """Steps `parameters` along their gradients; parameters without a gradient stay."""

    def __init__(self, parameters: Iterable[Tensor], config: TrainConfig):
        self.parameters, self.config = list(parameters), config
        self.state = [self.initial_state(parameter) for parameter in self.parameters]

    def initial_state(self, parameter: Tensor) -> dict[str, Tensor]:
        """Returns the state kept for one parameter: moments at zero, and a count of steps."""
        if self.config.optimizer == "sgd":
            return {"momentum_buffer": torch.zeros_like(parameter)} if self.config.momentum else {}
        step = torch.zeros((), dtype=torch.float32, device=parameter.device)
        return {
            "step": step,
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def step(self, lr: float | Tensor) -> None:
        """Makes one update at rate `lr`: a tensor on the device where a CUDA graph records it."""
        step_alike([self], lr)

    def step_sgd(
        self,
        weights: list[Tensor],
        gradients: list[Tensor],
        states: list[dict[str, Tensor]],
        lr: float | Tensor,
    ) -> None:
        sgd(
            weights,
            gradients,
            [state.get("momentum_buffer") for state in states],
            momentum=self.config.momentum,
            dampening=0,
            nesterov=False,
            lr=lr,
            weight_decay=self.config.weight_decay,
            maximize=False,
            fused=True,
        )

    def step_adam(
        self,
        weights: list[Tensor],
        gradients: list[Tensor],
        states: list[dict[str, Tensor]],
        lr: float | Tensor,
    ) -> None:
        adam(
            weights,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            decoupled_weight_decay=self.config.optimizer == "adamw",
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            capturable=isinstance(lr, Tensor),
            lr=lr,
            weight_decay=self.config.weight_decay,
            maximize=False,
            fused=True,
        )

    def tensors(self) -> dict[str, Tensor]:
        """Returns the state under flat names, `<index of the parameter>.<name>`.

        The tensors are the optimiser's own, to save or to copy into.
        """
        return {
            f"{i}.{name}": tensor
            for i, state in enumerate(self.state)
            for name, tensor in state.items()
        }


@torch.no_grad()
def step_alike(optimizers: Sequence[Optimizer], lr: float | Tensor) -> None:
    """Makes one update of the parameters of all, whose settings are those of the first."""
    weights: list[Tensor] = []
    gradients: list[Tensor] = []
    states: list[dict[str, Tensor]] = []
    for optimizer in optimizers:
        for parameter, state in zip(optimizer.parameters, optimizer.state, strict=True):
            if parameter.grad is not None:
                weights.append(parameter)
                gradients.append(parameter.grad)
                states.append(state)
    first = optimizers[0]
    step = first.step_sgd if first.config.optimizer == "sgd" else first.step_adam
    step(weights, gradients, states, lr)
