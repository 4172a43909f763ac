"""Denoising: each filter does what its name says, and models are compared with filters."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from aecore.errors import ConfigError, DataError
from aecore.model.parts.corruption import GaussianNoise, Masking, SaltAndPepper
from aecore.tasks.denoise import (
    compare_denoisers,
    compare_noise_strengths,
    compute_structural_similarity,
    corrupt_examples,
    denoise_picture,
    filter_by_non_local_means,
    fit_linear_denoiser,
    judge_denoised,
    plan_denoiser,
)
from aecore.tasks.tiles import list_tile_starts, map_tiles
from tests.helpers import digits, model

NOISES = [GaussianNoise(sigma=0.5), Masking(fraction=0.25), SaltAndPepper(fraction=0.25)]
KINDS = [noise.kind for noise in NOISES]


@pytest.fixture(scope="module")
def scene():
    """Three colour images (3, 3, 32, 32) of smooth blobs."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 32), torch.linspace(0, 1, 32), indexing="ij")
    waves = [torch.sin(a * x + b * y) for a, b in [(9, 2), (3, 7), (5, 5)]]
    return torch.stack([torch.stack(waves).roll(i, 0) for i in range(3)]) / 2 + 0.5


@pytest.mark.parametrize("noise", NOISES, ids=KINDS)
def test_the_best_linear_denoiser_is_the_one_that_least_squares_finds(noise):
    torch.manual_seed(0)
    x = (torch.rand(400, 5) @ torch.rand(5, 8) / 4).clamp(0, 1)
    clean = x.repeat(400, 1)
    corrupted = noise(clean)
    noisy = torch.cat([corrupted, torch.ones(len(clean), 1)], 1).double()
    fit = torch.linalg.lstsq(noisy, clean.double()).solution
    truth = (noisy @ fit - clean).square().sum(1).mean().item()
    linear = fit_linear_denoiser(x, noise)
    assert linear.expected_se(x, noise) == pytest.approx(truth, rel=0.02)
    assert (linear(corrupted) - clean).square().sum(1).mean().item() == pytest.approx(
        truth, rel=0.02
    )


@pytest.mark.parametrize("noise", NOISES, ids=KINDS)
def test_every_filter_is_there_and_the_linear_one_helps(noise):
    x = digits(300)
    linear = fit_linear_denoiser(x, noise)
    found = {
        r.name: r
        for r in compare_denoisers(
            {"mine": model(input_shape=(1, 8, 8)).eval()}, x[:60], noise, linear
        )
    }
    assert list(found) == ["noisy", "median 3 x 3", "non-local means", "best linear", "mine"]
    assert found["best linear"].psnr > found["noisy"].psnr
    assert all(
        r.x.shape == (60, 1, 8, 8) and r.x.min() >= 0 and r.x.max() <= 1 for r in found.values()
    )


def test_a_median_removes_salt_and_pepper_and_non_local_means_removes_gaussian_noise(scene):
    salted = {r.name: r.psnr for r in compare_denoisers({}, scene, SaltAndPepper(fraction=0.1))}
    assert salted["median 3 x 3"] > salted["noisy"] + 10
    grainy = {r.name: r.psnr for r in compare_denoisers({}, scene, GaussianNoise(sigma=0.2))}
    assert grainy["non-local means"] > grainy["noisy"] + 5


def test_figures_of_images_that_are_equal_are_the_best_there_are(scene):
    same = judge_denoised("same", scene, scene)
    assert same.se == 0 and same.ssim == pytest.approx(1) and same.psnr > 100
    off = judge_denoised("off", (scene * 0.9), scene * 0.9 + 0.1)
    assert off.psnr == pytest.approx(20, abs=0.01) and off.se == pytest.approx(
        3 * 32 * 32 * 0.01, rel=1e-3
    )
    assert compute_structural_similarity(scene[:, :, :5], scene[:, :, :5]) is None


def test_a_sweep_shows_each_denoiser_at_each_strength():
    x = digits(100)
    found = compare_noise_strengths(
        {}, x[:20], [GaussianNoise(sigma=s) for s in (0.1, 0.4)], train=x
    )
    psnr = [{r.name: r.psnr for r in part} for part in found]
    assert all(psnr[0][name] > psnr[1][name] for name in ("noisy", "median 3 x 3", "best linear"))


def test_noise_is_the_same_for_the_same_seed_and_leaves_other_chance_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    x = digits(4)
    a, b, c = (corrupt_examples(x, NOISES[0], seed) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c) and torch.equal(torch.rand(1), expected)


def test_what_cannot_be_cleaned_is_said():
    with pytest.raises(DataError, match="Filters are for images"):
        compare_denoisers({}, torch.rand(4, 6), NOISES[0])
    with pytest.raises(ConfigError, match="takes examples of"):
        compare_denoisers({"table": model()}, digits(3), NOISES[0])
    assert math.isfinite(compare_denoisers({}, digits(3), Masking(fraction=0.0))[2].psnr)


def test_nothing_to_clean_and_a_linear_denoiser_beyond_memory_are_refused():
    with pytest.raises(DataError, match="Give at least one"):
        compare_denoisers({}, torch.rand(0, 1, 8, 8), GaussianNoise(sigma=0.1))
    with pytest.raises(ConfigError, match="4,107 values"):
        fit_linear_denoiser(torch.rand(3, 3, 37, 37), GaussianNoise(sigma=0.1))


def test_non_local_means_leaves_a_grey_picture_where_it_is():
    x = torch.zeros(1, 1, 24, 24)
    x[0, 0, 4:8, 2:22] = 1  # a bar that its transpose would not cover
    noisy = corrupt_examples(x, GaussianNoise(sigma=0.1))
    left = filter_by_non_local_means(noisy, GaussianNoise(sigma=0.1))
    assert (left - x).square().mean() < (noisy - x).square().mean() / 3


@pytest.mark.parametrize("size", [(8, 8), (5, 30), (37, 41), (3, 2)])
def test_tiles_cover_a_picture_of_any_size_and_blend_without_seams(size):
    picture, seen = torch.rand(3, *size), []

    def note(tiles):
        seen.append(tiles.shape[2:])
        return tiles

    torch.testing.assert_close(map_tiles(note, picture, (8, 8)), picture)
    assert set(seen) == {(8, 8)}
    starts = list_tile_starts(37, 8)
    assert starts[0] == 0 and starts[-1] == 29
    assert all(after - start <= 4 for start, after in pairwise(starts))


def test_a_model_cleans_pictures_larger_than_its_own_and_its_own_as_ever():
    made = model(input_shape=(1, 8, 8)).eval()
    x = digits(1)
    with torch.no_grad():
        torch.testing.assert_close(denoise_picture(made, x[0]), made.reconstruct(x)[0])
    assert denoise_picture(made, torch.rand(1, 20, 31)).shape == (1, 20, 31)
    with pytest.raises(ConfigError, match="takes pictures of"):
        denoise_picture(made, torch.rand(3, 20, 31))


def test_a_denoiser_of_pictures_learns_all_strengths_unless_another_noise_is_named(tmp_path):
    path = str(tmp_path / "colours.npz")
    np.savez(path, x=np.random.default_rng(0).integers(0, 256, (40, 3, 12, 9), np.uint8))
    noise = plan_denoiser(path).model.corruption
    assert noise.lowest_sigma == 0 and noise.sigma > 0
    masked = plan_denoiser(path, {"corruption.kind": "masking", "corruption.fraction": 0.4})
    assert masked.model.corruption == Masking(fraction=0.4)
