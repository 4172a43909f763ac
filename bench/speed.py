"""How fast training is: `python -m bench.speed` writes docs/results/speed.md.

Interleaved in one process, epochs of MNIST at batch 128 through the same 784-400-20 VAE:
  tutorial   the usual script: DataLoader, PIL image and ToTensor for each example, plain Adam, loss.item() each step
  ours       aecore's trainer, as `python -m aecore train vae` runs it
  products   nothing but that network's matrix products, forward and backward
Only ratios within one run mean something: machines drift.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aecore import plan, runs
from aecore.data import data_folder
from aecore.devices import describe_device, pick_device
from aecore.train import Trainer

BATCH, STEPS = 128, 469
RESULT = Path(__file__).parent.parent / "docs" / "results" / "speed.md"


class TutorialVae(nn.Module):
    """784-400-20-400-784 as tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.mean, self.log_variance = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
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


def ours(device: torch.device) -> Callable[[], None]:
    settings = {"data.validation_fraction": 0, "training.device": device.type, "training.epochs": 1000}
    settings["network.activation"] = "relu"  # as the tutorial's
    config = plan.plan("vae", "mnist", settings=settings)
    trainer = Trainer(runs.create(config, Path(tempfile.mkdtemp()) / "run"), lambda: False, None)

    def epoch() -> None:
        trainer.run_epoch()
        trainer.epoch += 1

    return epoch


def products(device: torch.device) -> Callable[[], None]:
    widths = [(784, 400), (400, 40), (20, 400), (400, 784)]
    layers = [(torch.randn(BATCH, a), torch.randn(a, b), torch.randn(BATCH, b)) for a, b in widths]
    layers = [tuple(t.to(device) for t in layer) for layer in layers]  # type: ignore[misc]

    def epoch() -> None:
        for _ in range(STEPS):
            for i, (x, weight, gradient) in enumerate(layers):
                torch.mm(x, weight)
                torch.mm(x.t(), gradient)
                if i:  # the input needs no gradient
                    torch.mm(gradient, weight.t())

    return epoch


def seconds(epoch: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    epoch()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--device", default="cpu", choices=("cpu", "cuda", "mps"))
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    device = pick_device(chosen.device)
    epochs = {"tutorial": tutorial(device), "ours": ours(device), "products": products(device)}
    times: dict[str, list[float]] = {name: [] for name in epochs}
    for number in range(chosen.rounds + 1):
        for name, epoch in epochs.items():
            taken = seconds(epoch, device)
            if number:  # the first round warms up
                times[name].append(taken)
        print(number, {name: round(t[-1], 3) for name, t in times.items() if t}, flush=True)
    text = table(times, device)
    RESULT.write_text(text)
    print(text)


def table(times: dict[str, list[float]], device: torch.device) -> str:
    """The results as Markdown, ratios taken round by round."""

    def ratio(a: str, b: str) -> str:
        shares = [x / y for x, y in zip(times[a], times[b], strict=True)]
        return f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    rows = [f"| {name} | {statistics.median(t):.3f} | {min(t):.3f} |" for name, t in times.items()]
    return "\n".join(
        [
            "# Speed of training",
            "",
            f"An epoch of MNIST (60,000 examples, batch {BATCH}) through the 784-400-20 VAE, "
            f"{len(times['ours'])} interleaved rounds in one process.",
            f"{describe_device(device)}, {cores} cores, torch {torch.__version__}, Python {platform.python_version()}. "
            f"Command: `python -m bench.speed --device {device.type}`.",
            "",
            "| epoch of | median, s | least, s |",
            "|---|---|---|",
            *rows,
            "",
            f"- tutorial / ours: **{ratio('tutorial', 'ours')}**",
            f"- ours / bare matrix products: **{ratio('ours', 'products')}**",
            f"- tutorial / bare matrix products: **{ratio('tutorial', 'products')}**; nothing that multiplies these "
            "matrices in float32 here can be faster than the tutorial by more than that.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
