"""A plain net of the size of tutorials, in a plain PyTorch loop."""

from __future__ import annotations

import time
from itertools import pairwise

import torch
from torch import Tensor, nn

LEVEL_WIDTHS = (32, 64, 128, 256)
TUTORIAL_BATCH, TUTORIAL_RATE = 32, 1e-3


def build_tutorial_net(side: int, units: int) -> nn.Sequential:
    """Return strided convolutions to a grid of 4 x 4 places, and transposed ones back."""
    widths = [3, *LEVEL_WIDTHS[: (side // 4).bit_length() - 1]]
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Conv2d(a, b, 3, stride=2, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(widths[-1], units // 16, 1), nn.Conv2d(units // 16, widths[-1], 1)]
    for a, b in pairwise(widths[::-1]):
        layers += [nn.ReLU(), nn.ConvTranspose2d(a, b, 4, stride=2, padding=1)]
    return nn.Sequential(*layers, nn.Sigmoid())


def train_tutorial_net(
    pictures: Tensor, units: int, epochs: int, device: str
) -> tuple[nn.Module, float]:
    """Return a net trained on pictures (N, 3, H, W) by Adam, and its seconds per epoch."""
    torch.manual_seed(0)
    net = build_tutorial_net(pictures.shape[-1], units).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=TUTORIAL_RATE)
    started = time.process_time()
    for _ in range(epochs):
        for rows in torch.randperm(len(pictures)).split(TUTORIAL_BATCH):
            x = pictures[rows].to(device)
            loss = nn.functional.mse_loss(net(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.cpu(), (time.process_time() - started) / epochs
