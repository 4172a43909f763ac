"""The optimiser: Adam, AdamW or SGD with momentum, in one fused pass over the weights a step.

These are the kernels of torch.optim by their functional names. Its classes would do the same, but the
first one that is made imports a compiler: 1.3 s and 150 MB that a short run does not have.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from aecore.model.config import TrainConfig


class Optimizer:
    """Steps `parameters` along their gradients; those without a gradient stay."""

    def __init__(self, parameters: Iterable[Tensor], config: TrainConfig):
        self.parameters, self.config = list(parameters), config
        self.state = [self.fresh(parameter) for parameter in self.parameters]

    def fresh(self, parameter: Tensor) -> dict[str, Tensor]:
        """What is remembered of one parameter: moments and a count of steps."""
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

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        """One update at rate `lr`: a tensor on the device where a CUDA graph records this."""
        used = [
            (p, s) for p, s in zip(self.parameters, self.state, strict=True) if p.grad is not None
        ]
        weights, gradients = [p for p, _ in used], [p.grad for p, _ in used]
        options = {
            "lr": lr,
            "weight_decay": self.config.weight_decay,
            "maximize": False,
            "fused": True,
        }
        if self.config.optimizer == "sgd":
            velocity = [s.get("momentum_buffer") for _, s in used]
            sgd(
                weights,
                gradients,
                velocity,
                momentum=self.config.momentum,
                dampening=0,
                nesterov=False,
                **options,
            )
            return
        adam(
            weights,
            gradients,
            [s["exp_avg"] for _, s in used],
            [s["exp_avg_sq"] for _, s in used],
            [],
            [s["step"] for _, s in used],
            decoupled_weight_decay=self.config.optimizer == "adamw",
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            capturable=isinstance(lr, Tensor),
            **options,
        )

    def tensors(self) -> dict[str, Tensor]:
        """The state under flat names, `parameter's number.what`: the tensors themselves, to save or to copy into."""
        return {f"{i}.{name}": t for i, state in enumerate(self.state) for name, t in state.items()}
