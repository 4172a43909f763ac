"""How fast training is: `python -m bench.speed` writes docs/results/speed.md, on a GPU docs/results/gpu.md.

Interleaved in one process, epochs of MNIST through the same 784-400-20 VAE:
  tutorial   the usual script: DataLoader, PIL image and ToTensor for each example, plain Adam, loss.item() each step
  pythae     its VAE and BaseTrainer, where it is installed (`pip install pythae` in an environment for this benchmark)
  ours       aecore's trainer, as `python -m aecore train vae` runs it
  products   nothing but that network's matrix products, forward and backward
and steps with terms that are costly when written as their formula stands: a contractive penalty, many samples.
Only ratios within one run mean something: machines drift.
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
from aecore.model.autoencoder import Autoencoder, Loss
from aecore.model.config import ModelConfig
from aecore.model.parts.bottlenecks.gaussian import GaussianCode
from aecore.model.parts.networks.mlp import Mlp
from aecore.model.parts.penalties.contractive import Contractive
from aecore.training.devices import describe_device, pick_device, prepare_device
from bench.timing import (
    BATCH,
    build_trainer,
    format_section,
    load_mnist,
    run_one_epoch,
    time_interleaved,
)

LARGE, EXAMPLES = 1024, 60_000
RESULT = Path(__file__).parent.parent / "docs" / "results" / "speed.md"


class TutorialVae(nn.Module):
    """784-400-20-400-784 as tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.mean, self.log_variance = (
            nn.Linear(784, 400),
            nn.Linear(400, 20),
            nn.Linear(400, 20),
        )
        self.up, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = torch.relu(self.hidden(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return torch.sigmoid(self.out(torch.relu(self.up(z)))), mean, log_variance


def tutorial(device: torch.device) -> Callable[[], None]:
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    examples = datasets.MNIST(str(data_folder()), train=True, transform=transforms.ToTensor())
    loader = DataLoader(examples, batch_size=BATCH, shuffle=True)
    model = TutorialVae().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch() -> None:
        total = 0.0
        for x, _ in loader:
            x = x.view(-1, 784).to(device)
            optimizer.zero_grad()
            rebuilt, mean, log_variance = model(x)
            loss = F.binary_cross_entropy(rebuilt, x, reduction="sum")
            loss = loss - 0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
            loss.backward()
            optimizer.step()
            total += float(loss.item())

    return epoch


def pythae(device: torch.device) -> Callable[[], None]:
    """The same network, batch and optimiser in pythae's terms."""
    import logging

    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.CRITICAL)

    class Encoder(BaseEncoder):
        def __init__(self, whole: TutorialVae):
            super().__init__()
            self.whole = whole

        def forward(self, x: Tensor) -> ModelOutput:
            h = torch.relu(self.whole.hidden(x.flatten(1)))
            return ModelOutput(
                embedding=self.whole.mean(h), log_covariance=self.whole.log_variance(h)
            )

    class Decoder(BaseDecoder):
        def __init__(self, whole: TutorialVae):
            super().__init__()
            self.up, self.out = whole.up, whole.out

        def forward(self, z: Tensor) -> ModelOutput:
            rebuilt = torch.sigmoid(self.out(torch.relu(self.up(z))))
            return ModelOutput(reconstruction=rebuilt.view(-1, 1, 28, 28))

    down, whole = Encoder(TutorialVae()), TutorialVae()
    del down.whole.up, down.whole.out
    options = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    settings = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(),
        num_epochs=1000,
        per_device_train_batch_size=BATCH,
        learning_rate=1e-3,
        optimizer_cls="Adam",
        no_cuda=device.type == "cpu",
    )
    x = as_float(load_mnist().train.x)
    trainer = BaseTrainer(
        VAE(options, down, Decoder(whole)), BaseDataset(x, torch.zeros(len(x))), None, settings
    )
    trainer.prepare_training()
    count = iter(range(1, 1000))

    def epoch() -> None:
        with contextlib.redirect_stderr(io.StringIO()):  # a bar for each epoch
            trainer.train_step(next(count))

    return epoch


def ours(device: torch.device, batch: int = BATCH) -> Callable[[], None]:
    return partial(run_one_epoch, build_trainer(device, batch))


def products(
    device: torch.device,
    batch: int = BATCH,
    multiply: Callable[[Tensor, Tensor], Tensor] = torch.mm,
) -> Callable[[], None]:
    widths = [(784, 400), (400, 40), (20, 400), (400, 784)]
    layers = [(torch.randn(batch, a), torch.randn(a, b), torch.randn(batch, b)) for a, b in widths]
    layers = [tuple(t.to(device) for t in layer) for layer in layers]  # type: ignore[misc]

    def epoch() -> None:
        for _ in range(-(-EXAMPLES // batch)):
            for i, (x, weight, gradient) in enumerate(layers):
                multiply(x, weight)
                multiply(x.t(), gradient)
                if i:  # the input needs no gradient
                    multiply(gradient, weight.t())

    return epoch


# -- terms that are costly as their formulas stand


def contractive(device: torch.device, method: str) -> Callable[[], None]:
    """Twenty steps of a 784-512-256-32 encoder with |J|^2: by every row of J, or as the trainer does it."""
    model = model_of(
        ModelConfig(
            input_shape=(784,),
            latent_dim=32,
            network=Mlp(hidden=(512, 256), activation="tanh"),
            penalties=(Contractive(method=method),),  # type: ignore[arg-type]
        ),
        device,
    )
    return partial(steps, model, torch.rand(BATCH, 784, device=device), model.loss)


def many_samples(device: torch.device, loop: bool, samples: int = 50) -> Callable[[], None]:
    """Twenty steps of the importance-weighted bound: a pass of the decoder for each sample, or one for all."""
    bottleneck = GaussianCode(samples=samples, bound="iwae")
    network = Mlp(hidden=(200, 200), activation="tanh")
    options = {"likelihood": {"kind": "bernoulli"}, "bottleneck": bottleneck, "network": network}
    model = model_of(ModelConfig(input_shape=(784,), latent_dim=50, **options), device)  # type: ignore[arg-type]

    def looped(x: Tensor) -> Loss:
        mean, log_variance = model.encoder(x).out.chunk(2, 1)
        weights = []
        for _ in range(samples):
            z, ratio = model.bottleneck.draw(mean, log_variance, 1)
            weights.append(
                -F.binary_cross_entropy_with_logits(model.decoder(z[0]), x, reduction="none").sum(1)
                - ratio[0]
            )
        total = -(torch.logsumexp(torch.stack(weights), 0) - math.log(samples)).mean()
        return Loss(total, total, total, total)

    return partial(
        steps, model, torch.rand(BATCH, 784, device=device), looped if loop else model.loss
    )


def model_of(config: ModelConfig, device: torch.device) -> Autoencoder:
    return Autoencoder(config).to(device).train()


def steps(model: Autoencoder, x: Tensor, loss: Callable[[Tensor], Loss], count: int = 20) -> None:
    for _ in range(count):
        model.zero_grad()
        loss(x).total.backward()


# -- the measurement


def by_onednn(a: Tensor, b: Tensor) -> Tensor:
    """a b by the library that our layers take on AMD processors."""
    return torch.ops.mkldnn._linear_pointwise(a, b.t(), None, "none", [], "")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--device", default="cpu", choices=("cpu", "cuda", "mps"))
    options.add_argument("--rounds", type=int, default=7)
    chosen = options.parse_args()
    load_mnist()
    device = pick_device(chosen.device)
    prepare_device(device)
    small = {"tutorial": tutorial(device), "ours": ours(device), "products": products(device)}
    if importlib.util.find_spec("pythae"):
        small["pythae"] = pythae(device)
    large = {"ours": ours(device, LARGE), "products": products(device, LARGE)}
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        half = {"training.precision": "bfloat16"}
        small["ours, bfloat16"] = partial(
            run_one_epoch, build_trainer(device, BATCH, "vae", **half)
        )
        large["ours, bfloat16"] = partial(
            run_one_epoch, build_trainer(device, LARGE, "vae", **half)
        )
        small["products by oneDNN"] = products(device, BATCH, by_onednn)
        large["products by oneDNN"] = products(device, LARGE, by_onednn)
    penalty = {
        "every row (vmap of jacrev)": contractive(device, "exact"),
        "ours": contractive(device, "auto"),
    }
    bound = {"a loop over samples": many_samples(device, True), "ours": many_samples(device, False)}
    measured = [
        time_interleaved(ways, chosen.rounds, device) for ways in (small, large, penalty, bound)
    ]
    parts = [
        format_section(f"Epochs, batch {BATCH}", measured[0], "tutorial", "pythae"),
        format_section(f"Epochs, batch {LARGE}", measured[1]),
        format_section(
            "20 steps with a contractive penalty on 784-512-256-32, batch 128",
            measured[2],
            *list(penalty)[:1],
        ),
        format_section(
            "20 steps of the importance-weighted bound, 50 samples, 784-200-200-50, batch 128",
            measured[3],
            *list(bound)[:1],
        ),
    ]
    if device.type == "cuda":
        from bench.gpu import sections

        parts += sections(device, chosen.rounds)
    text = report(parts, device, chosen.rounds)
    result = RESULT.with_name("gpu.md") if device.type == "cuda" else RESULT
    result.write_text(text)
    print(text)


def report(parts: list[str], device: torch.device, rounds: int) -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    head = (
        f"MNIST (60,000 examples) through the 784-400-20 VAE, {rounds} interleaved turns in one process; ratios are "
        f"medians of those within a turn, with the least and the most. *products* are the network's matrix products "
        f"alone, by torch.mm. {describe_device(device)}, {cores} cores, torch {torch.__version__}, "
        f"Python {platform.python_version()}. Command: `python -m bench.speed --device {device.type}`."
    )
    return "\n\n".join(["# Speed of training", head, *parts]) + "\n"


if __name__ == "__main__":
    main()
