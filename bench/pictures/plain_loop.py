"""Speed: our trainer beside a plain PyTorch loop of the same residual network."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from aecore.model.parts.networks.residual import Residual
from aecore.runs.listing import create_run
from aecore.training.trainer import Trainer
from bench.fidelity.cells import CellStore
from bench.pictures.part import PicturePart
from bench.pictures.photographs import PICTURE_SETS, load_pictures
from bench.pictures.reconstruction import plan_reconstruction
from bench.results import compute_ratios, format_range
from bench.timing import run_one_epoch, time_interleaved

TIMED_PICTURES, TIMED_ROUNDS = 640, 5


class PlainBlock(nn.Module):
    """A residual block, as one writes it."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, h: Tensor) -> Tensor:
        output: Tensor = h + self.layers(h)
        return output


class PlainResidual(nn.Module):
    """The residual network with its linear path, of the layers that torch.nn has."""

    def __init__(self, network: Residual, units: int):
        super().__init__()
        stride = network.stride
        kernel = {"kernel_size": 2 * stride, "stride": stride, "padding": stride // 2}
        self.analysis = nn.Conv2d(3, units, **kernel)
        self.synthesis = nn.ConvTranspose2d(units, 3, **kernel)
        self.encoder, self.decoder = nn.Sequential(), nn.Sequential()
        widths, depths = [3, *network.widths], network.depths
        for (a, b), depth in zip(pairwise(widths), depths, strict=True):
            self.encoder.extend([nn.PixelUnshuffle(2), nn.Conv2d(4 * a, b, 1)])
            self.encoder.extend(PlainBlock(b) for _ in range(depth))
        self.encoder.extend([nn.GroupNorm(8, b), nn.SiLU(), nn.Conv2d(b, units, 3, padding=1)])
        self.decoder.append(nn.Conv2d(units, b, 3, padding=1))
        for (a, b), depth in zip(pairwise(widths[::-1]), depths[::-1], strict=True):
            self.decoder.extend(PlainBlock(a) for _ in range(depth))
            if b == 3:
                self.decoder.extend([nn.GroupNorm(8, a), nn.SiLU()])
            size = 3 if b == 3 else 1
            self.decoder.extend([nn.Conv2d(a, 4 * b, size, padding=size // 2), nn.PixelShuffle(2)])

    def forward(self, x: Tensor) -> Tensor:
        code = self.analysis(x) + self.encoder(x)
        output: Tensor = self.synthesis(code) + self.decoder(code)
        return output


def build_plain_loop(net: nn.Module, pictures: Tensor, batch: int) -> Callable[[], None]:
    """Return a call that makes an epoch of the usual loop."""
    loader = DataLoader(TensorDataset(pictures), batch_size=batch, shuffle=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def make_epoch() -> None:
        for (x,) in loader:
            loss = (net(x) - x).square().sum() / len(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return make_epoch


def measure_plain_loop(store: CellStore, device: str) -> None:
    """Time epochs of both, taking turns; on the processor alone."""
    for name in PICTURE_SETS:
        store.measure(f"plain loop {name}", lambda n=name: time_both(n))


def time_both(name: str) -> list[float]:
    """Return the seconds of the plain loop in each round, then those of ours."""
    path, units = PICTURE_SETS[name].place(name), PICTURE_SETS[name].units
    config = plan_reconstruction(path, "residual", units, 1000, "cpu")
    assert isinstance(config.model.network, Residual) and config.training is not None
    assert config.data is not None and config.model.code_grid is not None
    data = config.data.model_copy(update={"limit": TIMED_PICTURES})
    net = PlainResidual(config.model.network, config.model.code_grid[0])
    pictures = load_pictures(path)[0][:TIMED_PICTURES]
    with tempfile.TemporaryDirectory() as folder:
        run = create_run(config.model_copy(update={"data": data}), Path(folder) / "run")
        trainer = Trainer(run, lambda: False, None)
        ways = {
            "plain": build_plain_loop(net, pictures, config.training.batch_size),
            "ours": lambda: run_one_epoch(trainer),
        }
        times = time_interleaved(ways, TIMED_ROUNDS, torch.device("cpu"))
    return [*times["plain"], *times["ours"]]


def report_plain_loop(store: CellStore) -> list[str]:
    """Return a line for each set that was timed."""
    lines = []
    for name, pictures in PICTURE_SETS.items():
        times = store.figures.get(f"plain loop {name}")
        if times:
            plain, ours = times[:TIMED_ROUNDS], times[TIMED_ROUNDS:]
            ratio = format_range(compute_ratios(plain, ours))
            rate = TIMED_PICTURES / statistics.median(ours)
            lines.append(f"- {pictures.label}: {ratio} times as fast, {rate:.0f} pictures a second")
    head = ["", "## Training beside a plain PyTorch loop of the same network", ""]
    return [*head, *lines] if lines else []


PLAIN_LOOP = PicturePart("speed", measure_plain_loop, report_plain_loop)
