"""Training in a page beside PyTorch: models, their weights, and the noise that both draw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from aecore.model.config import ModelConfig
from tests.browser.explorer_models import build_model

MODULES = [
    *("kernel", "model", "trainer", "options", "optimizer", "portable_network", "run_folder"),
    *("network", "tensors", "random", "components", "scaling", "augmentation", "defaults"),
]

# numbers that Python drew, in order, and a model with its weights
TOOLS = """
globalThis.Replay = class {
  constructor(drawn) { this.drawn = drawn.slice(); }
  fillNormal(out) { return this.fillUniform(out); }
  fillUniform(out) { out.set(this.drawn.shift()); return out; }
  drawInteger() {
    if (!this.rows?.length) this.rows = this.drawn.shift().slice();
    return this.rows.shift();
  }
};
globalThis.KERNELS = [createKernel, (count) => new PlainKernel(count)];
globalThis.setWeights = (graph, weights) => {
  for (const parameter of graph.parameters)
    graph.writeParameter(parameter, Float32Array.from(weights[parameter.name]));
};
globalThis.loadModel = (config, weights, batch, makeKernel) => {
  const model = new Model(completeConfig(config).model, batch);
  model.graph.build(makeKernel);
  setWeights(model.graph, weights);
  return model;
};
globalThis.readAll = (graph, parameters) =>
  Object.fromEntries(parameters.map((p) => [p.name, Array.from(graph.readParameter(p))]));
globalThis.readWeights = ({ graph }) => readAll(graph, graph.parameters);
globalThis.readGradients = ({ graph }) => readAll(graph,
  graph.parameters.filter((p) => p.isLearned).map((p) => ({ ...p, value: p.gradient })));
globalThis.catchMessage = (work) => {
  try { return work(); } catch (error) { return error.message; }
};
"""


class DrawnNumbers(TorchFunctionMode):
    """Keeps the random numbers that torch draws, rounded to float32."""

    FUNCTIONS = (torch.randn, torch.randn_like, torch.rand, torch.rand_like, torch.randint)

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[list[float]] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function in self.FUNCTIONS:
            if result.is_floating_point():
                result = result.float().to(result.dtype)
            self.drawn.append(result.flatten().tolist())
        return result


@contextmanager
def record_noise() -> Iterator[list[list[float]]]:
    """Give the list of what torch draws inside."""
    with DrawnNumbers() as noise:
        yield noise.drawn


def make_config(options: dict[str, Any]) -> dict[str, Any]:
    """Return a config.json's object with all options of a model."""
    return {"model": ModelConfig.model_validate(options).model_dump(mode="json")}


def make_weights(model: nn.Module) -> dict[str, list[float]]:
    """Return every tensor of a model as a list."""
    return {name: tensor.flatten().tolist() for name, tensor in model.state_dict().items()}


def make_pair(options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a model in float64, in training mode, and what JavaScript needs to build the same."""
    model = build_model(options)
    weights = make_weights(model)
    model = model.double().train().requires_grad_(True)
    return model, {"config": make_config({**model.config.model_dump()}), "weights": weights}


def measure_difference(ours: Any, theirs: Tensor) -> float:
    """Return the largest difference, as a share of the largest value."""
    values = torch.tensor(ours, dtype=torch.float64).view_as(theirs)
    largest = max(theirs.abs().max().item(), 1e-30)
    return (values - theirs.double()).abs().max().item() / largest
