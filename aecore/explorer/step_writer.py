"""Steps of single layers, and the arrays that they name."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from aecore.errors import ConfigError
from aecore.model.parts.bottlenecks.base import Bottleneck

Step = dict[str, Any]


class StepWriter:
    """Collects the arrays of one model under their names, and writes steps that refer to them."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: list[tuple[Tensor, str]] = []

    def add_tensor(self, name: str, tensor: Tensor) -> str:
        """Store a tensor and return its name; tied weights are stored once, by the first name."""
        for stored, stored_name in self._names:
            if stored is tensor:
                return stored_name
        self._names.append((tensor, name))
        self.tensors[name] = tensor.detach().float().cpu()
        return name

    def write_layer(
        self, op: str, name: str, weight: Tensor, bias: Tensor | None, **options: Any
    ) -> Step:
        """Return the step of a layer with a weight and, in most, a bias."""
        step = {"op": op, "weight": self.add_tensor(f"{name}.weight", weight), **options}
        if bias is not None:
            step["bias"] = self.add_tensor(f"{name}.bias", bias)
        return step

    def write_linear(
        self, name: str, weight: Tensor, bias: Tensor, norm: nn.Module | None = None
    ) -> list[Step]:
        """Return the steps of an affine layer and the normalisation behind it."""
        if isinstance(norm, nn.BatchNorm1d):
            assert norm.running_var is not None and norm.running_mean is not None
            factor = norm.weight / (norm.running_var + norm.eps).sqrt()
            weight, bias = weight * factor[:, None], (bias - norm.running_mean) * factor + norm.bias
        step = self.write_layer("linear", name, weight, bias)
        return [step, *self.write_layer_norm(name, norm)]

    def write_layer_norm(self, name: str, norm: nn.Module | None) -> list[Step]:
        """Return the step of a layer normalisation; none for another module."""
        if not isinstance(norm, nn.LayerNorm):
            return []
        step = self.write_layer("layer_norm", f"{name}.norm", norm.weight, norm.bias)
        return [{**step, "eps": norm.eps}]


def write_activation_step(kind: str, first: int | None = None) -> list[Step]:
    """Return the step of a non-linearity, of the `first` values alone where given."""
    if kind == "linear":
        return []
    step: Step = {"op": "activation", "kind": kind}
    return [step if first is None else {**step, "first": first}]


def get_weight_and_bias(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the two parameters of a linear or convolutional layer."""
    assert isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
    assert layer.bias is not None
    return layer.weight, layer.bias


def refuse_unknown_part(part: nn.Module) -> ConfigError:
    """Return the error that says that a part has no steps, and where to add them."""
    place = "snap_steps" if isinstance(part, Bottleneck) else "aecore/explorer/portable.py"
    return ConfigError(
        f"{type(part).__name__} cannot run outside PyTorch yet. Add its steps: {place}."
    )
