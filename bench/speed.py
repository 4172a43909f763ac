"""How fast training is: `python -m bench.speed` writes docs/results/speed.md, on a GPU gpu.md.

Interleaved in one process, epochs of MNIST through the same 784-400-20 VAE:
  tutorial   the usual script: DataLoader, PIL image and ToTensor for each example, plain Adam,
             loss.item() each step
  pythae     its VAE and BaseTrainer, where it is installed (`pip install pythae` in an
             environment for this benchmark)
  ours       aecore's trainer, as `python -m aecore train vae` runs it
  products   nothing but that network's matrix products, forward and backward
and steps with terms that are costly when written as their formula stands: a contractive penalty,
many samples; and runs that train together (bench/seeds.py). Only ratios within one run mean
something: machines drift.

On a processor also what the updates spend their time on (bench/update_parts.py), what a run's
threads cost alone and beside others (bench/threads.py), and how soon commands answer
(bench/commands.py; with `--before FOLDER` in turns with those of another checkout of the project).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import math
import os
import platform
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aecore.data.catalog import data_folder
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig
from aecore.model.loss import Loss
from aecore.model.parts.bottlenecks.gaussian import GaussianCode
from aecore.model.parts.likelihoods.bernoulli import Bernoulli
from aecore.model.parts.networks.mlp import Mlp
from aecore.model.parts.penalties.contractive import Contractive
from aecore.training.devices import describe_device, pick_device, prepare_device
from bench.commands import measure_commands
from bench.gpu import measure_gpu
from bench.results import write_result
from bench.seeds import measure_seeds
from bench.threads import measure_threads
from bench.timing import (
    BATCH,
    build_trainer,
    format_section,
    load_mnist,
    run_one_epoch,
    time_interleaved,
)
from bench.update_parts import measure_update_parts

LARGE_BATCH, EXAMPLES = 1024, 60_000
LOSS_STEPS = 20  # of one measurement of a costly term

Epoch = Callable[[], None]


class TutorialVae(nn.Module):
    """784-400-20-400-784 as tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(784, 400)
        self.mean = nn.Linear(400, 20)
        self.log_variance = nn.Linear(400, 20)
        self.up = nn.Linear(20, 400)
        self.out = nn.Linear(400, 784)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns reconstructions (N, 784), and means and log variances of the codes (N, 20)."""
        h = torch.relu(self.hidden(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return torch.sigmoid(self.out(torch.relu(self.up(z)))), mean, log_variance


def prepare_tutorial(device: torch.device) -> Epoch:
    """Returns an epoch as tutorials write it."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    examples = datasets.MNIST(str(data_folder()), train=True, transform=transforms.ToTensor())
    loader = DataLoader(examples, batch_size=BATCH, shuffle=True)
    model = TutorialVae().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def run_epoch() -> None:
        total = 0.0
        for x, _ in loader:
            x = x.view(-1, 784).to(device)
            optimizer.zero_grad()
            reconstruction, mean, log_variance = model(x)
            loss = F.binary_cross_entropy(reconstruction, x, reduction="sum")
            loss = loss - 0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
            loss.backward()
            optimizer.step()
            total += float(loss.item())

    return run_epoch


def prepare_pythae(device: torch.device) -> Epoch:
    """Returns an epoch of the same network, batch and optimiser in pythae's terms."""
    import logging

    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.CRITICAL)

    class Encoder(BaseEncoder):
        def __init__(self, vae: TutorialVae):
            super().__init__()
            self.hidden, self.mean, self.log_variance = vae.hidden, vae.mean, vae.log_variance

        def forward(self, x: Tensor) -> ModelOutput:
            h = torch.relu(self.hidden(x.flatten(1)))
            return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))

    class Decoder(BaseDecoder):
        def __init__(self, vae: TutorialVae):
            super().__init__()
            self.up, self.out = vae.up, vae.out

        def forward(self, z: Tensor) -> ModelOutput:
            reconstruction = torch.sigmoid(self.out(torch.relu(self.up(z))))
            return ModelOutput(reconstruction=reconstruction.view(-1, 1, 28, 28))

    model_config = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    trainer_config = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(),
        num_epochs=1000,
        per_device_train_batch_size=BATCH,
        learning_rate=1e-3,
        optimizer_cls="Adam",
        no_cuda=device.type == "cpu",
    )
    x = as_float(load_mnist().train.x)
    model = VAE(model_config, Encoder(TutorialVae()), Decoder(TutorialVae()))
    dataset = BaseDataset(x, torch.zeros(len(x)))
    trainer = BaseTrainer(model, dataset, None, trainer_config)
    trainer.prepare_training()
    epoch_numbers = iter(range(1, 1000))

    def run_epoch() -> None:
        with contextlib.redirect_stderr(io.StringIO()):  # a progress bar for each epoch
            trainer.train_step(next(epoch_numbers))

    return run_epoch


def prepare_ours(device: torch.device, batch: int = BATCH, **options: object) -> Epoch:
    """Returns an epoch of our trainer; `options` are settings with dotted names."""
    return partial(run_one_epoch, build_trainer(device, batch, "vae", **options))


def prepare_products(
    device: torch.device,
    batch: int = BATCH,
    multiply: Callable[[Tensor, Tensor], Tensor] = torch.mm,
) -> Epoch:
    """Returns an epoch of nothing but the matrix products of the VAE, forward and backward."""
    widths = [(784, 400), (400, 40), (20, 400), (400, 784)]
    layers = [
        [tensor.to(device) for tensor in make_layer_tensors(batch, inputs, outputs)]
        for inputs, outputs in widths
    ]

    def run_epoch() -> None:
        for _ in range(-(-EXAMPLES // batch)):
            for i, (x, weight, gradient) in enumerate(layers):
                multiply(x, weight)
                multiply(x.t(), gradient)
                if i:  # the input needs no gradient
                    multiply(gradient, weight.t())

    return run_epoch


def make_layer_tensors(batch: int, inputs: int, outputs: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns random inputs, weights and output gradients of a linear layer."""
    return torch.randn(batch, inputs), torch.randn(inputs, outputs), torch.randn(batch, outputs)


def multiply_by_onednn(a: Tensor, b: Tensor) -> Tensor:
    """Returns a b by the library that our layers take on AMD processors."""
    return torch.ops.mkldnn._linear_pointwise(a, b.t(), None, "none", [], "")


# -- terms that are costly as their formulas stand


def prepare_contractive_steps(device: torch.device, method: str) -> Epoch:
    """Returns twenty steps of a 784-512-256-32 encoder with the penalty |J|^2.

    method: "exact", by every row of J, or "auto", as the trainer does it.
    """
    config = ModelConfig(
        input_shape=(784,),
        latent_dim=32,
        network=Mlp(hidden=(512, 256), activation="tanh"),
        penalties=(Contractive(method=method),),
    )
    model = Autoencoder(config).to(device).train()
    return partial(run_loss_steps, model, torch.rand(BATCH, 784, device=device), model.loss)


def prepare_iwae_steps(device: torch.device, in_loop: bool, samples: int = 50) -> Epoch:
    """Returns twenty steps of the importance-weighted bound.

    The decoder runs once for all samples, or with `in_loop` once for each.
    """
    config = ModelConfig(
        input_shape=(784,),
        latent_dim=50,
        likelihood=Bernoulli(),
        bottleneck=GaussianCode(samples=samples, bound="iwae"),
        network=Mlp(hidden=(200, 200), activation="tanh"),
    )
    model = Autoencoder(config).to(device).train()
    loss = partial(compute_iwae_loss_in_loop, model, samples) if in_loop else model.loss
    return partial(run_loss_steps, model, torch.rand(BATCH, 784, device=device), loss)


def compute_iwae_loss_in_loop(model: Autoencoder, samples: int, x: Tensor) -> Loss:
    """Returns the importance-weighted bound by one pass of the decoder for each sample."""
    mean, log_variance = model.encoder(x).out.chunk(2, 1)
    log_weights = []
    for _ in range(samples):
        z, log_ratio = model.bottleneck.draw(mean, log_variance, 1)
        entropies = F.binary_cross_entropy_with_logits(model.decoder(z[0]), x, reduction="none")
        log_weights.append(-entropies.sum(1) - log_ratio[0])
    total = -(torch.logsumexp(torch.stack(log_weights), 0) - math.log(samples)).mean()
    return Loss(total, total, total, total)


def run_loss_steps(model: Autoencoder, x: Tensor, loss: Callable[[Tensor], Loss]) -> None:
    """Compute a loss and its gradients LOSS_STEPS times."""
    for _ in range(LOSS_STEPS):
        model.zero_grad()
        loss(x).total.backward()


# -- the measurement


def measure_epochs(device: torch.device, rounds: int) -> list[str]:
    """Returns the sections on epochs of the VAE, in small and in large batches."""
    small = {
        "tutorial": prepare_tutorial(device),
        "ours": prepare_ours(device),
        "products": prepare_products(device),
    }
    if importlib.util.find_spec("pythae"):
        small["pythae"] = prepare_pythae(device)
    large = {
        "ours": prepare_ours(device, LARGE_BATCH),
        "products": prepare_products(device, LARGE_BATCH),
    }
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        half = {"training.precision": "bfloat16"}
        for epochs, batch in ((small, BATCH), (large, LARGE_BATCH)):
            epochs["ours, bfloat16"] = prepare_ours(device, batch, **half)
            epochs["products by oneDNN"] = prepare_products(device, batch, multiply_by_onednn)
    small_times = time_interleaved(small, rounds, device)
    large_times = time_interleaved(large, rounds, device)
    return [
        format_section(f"Epochs, batch {BATCH}", small_times, "tutorial", "pythae"),
        format_section(f"Epochs, batch {LARGE_BATCH}", large_times),
    ]


def measure_costly_terms(device: torch.device, rounds: int) -> list[str]:
    """Returns the sections on the contractive penalty and on the importance-weighted bound."""
    by_rows, in_loop = "every row (vmap of jacrev)", "a loop over samples"
    penalty = {
        by_rows: prepare_contractive_steps(device, "exact"),
        "ours": prepare_contractive_steps(device, "auto"),
    }
    bound = {
        in_loop: prepare_iwae_steps(device, True),
        "ours": prepare_iwae_steps(device, False),
    }
    return [
        format_section(
            "20 steps with a contractive penalty on 784-512-256-32, batch 128",
            time_interleaved(penalty, rounds, device),
            by_rows,
        ),
        format_section(
            "20 steps of the importance-weighted bound, 50 samples, 784-200-200-50, batch 128",
            time_interleaved(bound, rounds, device),
            in_loop,
        ),
    ]


def describe_measurement(device: torch.device, rounds: int) -> str:
    """Returns the paragraph under the title of the result."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"MNIST (60,000 examples) through the 784-400-20 VAE, {rounds} interleaved turns in one "
        "process; ratios are medians of those within a turn, with the least and the most. "
        "*products* are the network's matrix products alone, by torch.mm. "
        f"{describe_device(device)}, {cores} cores, torch {torch.__version__}, "
        f"Python {platform.python_version()}. "
        f"Command: `python -m bench.speed --device {device.type}`."
    )


def main() -> None:
    """Measure on the device and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda", "mps"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--before", type=Path, help="another checkout of the project")
    options = parser.parse_args()
    load_mnist()
    device = pick_device(options.device)
    prepare_device(device)
    sections = measure_epochs(device, options.rounds)
    sections += measure_costly_terms(device, options.rounds)
    if device.type == "cuda":
        sections += measure_gpu(device, options.rounds)
    if device.type == "cpu":
        sections += measure_seeds(options.rounds)
        turns = max(1, options.rounds // 2)  # each takes minutes
        sections += [measure_update_parts(), measure_threads(turns)]
        sections.append(measure_commands(options.before))
    head = ["# Speed of training", describe_measurement(device, options.rounds)]
    text = "\n\n".join([*head, *sections])
    write_result("gpu.md" if device.type == "cuda" else "speed.md", [text, ""])


if __name__ == "__main__":
    main()
