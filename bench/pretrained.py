"""Compare pulled autoencoders with the library diffusers itself: `python -m bench.pretrained`.

Random checkpoints of its layouts, among them TAESD's and KL-f8's, are loaded by both: the codes of
random pictures, and what these decode to, may differ by TOLERANCE. Needs diffusers
(`bench/requirements.txt`). The exit status is 1 where something differs by more.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aecore.hub.pretrained import ShownPictures, WeightOrigin, adopt_published
from aecore.model.autoencoder import Autoencoder
from bench.published import (
    BARE_KL,
    KL_F8,
    SMALL_KL,
    SMALL_TINY,
    TAESD,
    draw_pictures,
    draw_weights,
    name_as_before,
    write_published,
)

TOLERANCE = 1e-3
PUBLISHED_FILES = ("config.json", "diffusion_pytorch_model.safetensors")
PICTURES = 2


class Case(NamedTuple):
    """A layout, and the pictures that it is compared on."""

    name: str
    config: Mapping[str, Any]
    side: int
    is_named_as_before: bool = False  # its layers of attention


CASES = (
    Case("AutoencoderTiny, 3 levels of 8 and 12 channels", SMALL_TINY, 32),
    Case("AutoencoderTiny, the sizes of TAESD", TAESD, 64),
    Case("AutoencoderKL, 3 levels of 8 to 16 channels", SMALL_KL, 32),
    Case("AutoencoderKL, attention named as before", SMALL_KL, 24, is_named_as_before=True),
    Case("AutoencoderKL without attention, quant_conv", BARE_KL, 32),
    Case("AutoencoderKL, the sizes of KL-f8", KL_F8, 64),
)


class Difference(NamedTuple):
    """The largest differences between both programs."""

    code: float
    log_variance: float  # 0 where codes have none
    picture: float


def load_adopted(folder: Path, out: Path, side: int) -> Autoencoder:
    """Returns the model of a run that is made of a checkpoint, for pictures of this side."""
    pictures = ShownPictures((3, side, side))
    adopt_published(folder, PUBLISHED_FILES, out, WeightOrigin("user/name", "", ""), pictures)
    return Autoencoder.load(out)


@torch.no_grad()
def compare_with_diffusers(folder: Path, model: Autoencoder) -> Difference:
    """Returns how much a model differs from what diffusers loads of the same checkpoint.

    Both decode the codes of diffusers.
    """
    import diffusers

    shape = model.config.input_shape
    x = draw_pictures(PICTURES, shape[-1])
    layout = getattr(diffusers, model.config.variant)
    theirs = layout.from_pretrained(folder, low_cpu_mem_usage=False).eval()
    encoded, out = theirs.encode(2 * x - 1), model.encoder(x).out
    latent_dim = model.config.latent_dim
    log_variance = 0.0
    if hasattr(encoded, "latent_dist"):
        grid = encoded.latent_dist.mean
        spread = flatten_places(encoded.latent_dist.logvar)
        log_variance = largest_difference(out[:, latent_dim:], spread)
    else:
        grid = encoded.latents
    code = flatten_places(grid)
    picture = (theirs.decode(grid).sample + 1) / 2
    return Difference(
        largest_difference(model.encode(x), code),
        log_variance,
        largest_difference(model.decode(code), picture),
    )


def flatten_places(grid: Tensor) -> Tensor:
    """Returns a code (N, channels, h, w) with the channels of a place beside each other."""
    return grid.permute(0, 2, 3, 1).flatten(1)


def largest_difference(a: Tensor, b: Tensor) -> float:
    """Returns the largest absolute difference; infinite for other shapes."""
    return float((a - b).abs().max()) if a.shape == b.shape else float("inf")


def compare_case(case: Case, folder: Path) -> Difference:
    """Returns the differences of one case, whose files go to a folder."""
    weights = draw_weights(case.config)
    if case.is_named_as_before:
        weights = name_as_before(weights)
    write_published(folder / "published", case.config, weights)
    model = load_adopted(folder / "published", folder / "run", case.side)
    return compare_with_diffusers(folder / "published", model)


def main() -> int:
    """Print the largest differences of each case."""
    print(f"{'largest difference of':<48}      code   ln s^2   picture")
    worst = 0.0
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            difference = compare_case(case, Path(folder))
        worst = max(worst, *difference)
        print(f"{case.name:<48}" + "".join(f"{value:10.1e}" for value in difference), flush=True)
    print(f"At most {TOLERANCE:g}: {'yes' if worst <= TOLERANCE else 'NO'}.")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
