"""The latent space: paths, walks, maps and densities against what geometry says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import digits, model

from aecore.analysis.chunks import decode_in_chunks, encode_in_chunks
from aecore.analysis.class_axes import fit_class_axes
from aecore.analysis.latent import (
    fit_density,
    interpolate_codes,
    project_codes,
    sample_codes,
    sample_examples,
    walk_dimension,
)
from aecore.errors import ConfigError


@pytest.fixture
def ends():
    torch.manual_seed(0)
    return torch.randn(5), torch.randn(5) * 3


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_a_path_includes_both_ends(ends, path):
    way = interpolate_codes(*ends, 9, path)
    assert way.shape == (9, 5)
    assert torch.allclose(way[0], ends[0], atol=1e-6) and torch.allclose(
        way[-1], ends[1], atol=1e-6
    )


def test_a_linear_path_goes_in_equal_steps(ends):
    steps = interpolate_codes(*ends, 9).diff(dim=0)
    assert torch.allclose(steps, ((ends[1] - ends[0]) / 8).expand(8, 5), atol=1e-6)


def test_a_spherical_path_turns_evenly_in_the_plane_of_its_ends_while_its_length_changes_evenly(
    ends,
):
    start, end = (z.double() for z in ends)
    way = interpolate_codes(start, end, 9, "spherical")
    assert torch.allclose(way.norm(dim=1).diff(), (end.norm() - start.norm()).expand(8) / 8)
    unit = way / way.norm(dim=1, keepdim=True)
    angles = torch.arccos((unit[1:] * unit[:-1]).sum(1))
    assert torch.allclose(angles, angles[0].expand(8), atol=1e-6)
    assert torch.linalg.matrix_rank(torch.cat([way, start[None], end[None]]), atol=1e-9) == 2


def test_a_spherical_path_between_codes_without_an_angle_is_straight():
    z = torch.tensor([1.0, 2.0])
    for start, end in ((z, 2 * z), (z, -z), (torch.zeros(2), z), (z, z)):
        way = interpolate_codes(start, end, 5, "spherical")
        assert torch.allclose(way, interpolate_codes(start, end, 5)) and way.isfinite().all()


def test_a_path_of_one_step_is_refused(ends):
    with pytest.raises(ConfigError, match="2 steps or more, got 1"):
        interpolate_codes(*ends, 1)


def test_a_walk_changes_one_dimension_alone(ends):
    walked = walk_dimension(ends[0], 2, torch.tensor([-1.0, 0.0, 4.0]))
    assert walked[:, 2].tolist() == [-1, 0, 4]
    others = [0, 1, 3, 4]
    assert torch.equal(walked[:, others], ends[0][others].expand(3, 4))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("count", "width"), [(60, 5), (60, 1), (2, 5)])
def test_a_pca_map_is_as_wide_as_asked_whatever_the_codes(count, width, dims):
    placed = project_codes(torch.randn(count, width), "pca", dims)
    assert placed.shape == (count, dims) and placed.dtype == np.float32
    assert (placed[:, min(count, width) :] == 0).all()


def test_a_pca_map_keeps_the_distances_of_flat_codes():
    torch.manual_seed(0)
    z = torch.randn(40, 2) @ torch.linalg.qr(torch.randn(6, 6)).Q[:2]
    placed = torch.from_numpy(project_codes(z, "pca"))
    assert torch.allclose(torch.pdist(placed), torch.pdist(z), atol=1e-4)


@pytest.mark.parametrize("count", [6, 80])
def test_a_tsne_map_repeats_with_its_seed_and_keeps_clusters_apart(count):
    torch.manual_seed(0)
    z = torch.randn(count, 4) * 0.1
    z[: count // 2] += 10
    first, second = (project_codes(z, "tsne", seed=3) for _ in range(2))
    assert first.shape == (count, 2) and np.array_equal(first, second)
    if count > 10:
        middle = [part.mean(0) for part in (first[: count // 2], first[count // 2 :])]
        spread = max(part.std() for part in (first[: count // 2], first[count // 2 :]))
        assert np.linalg.norm(middle[0] - middle[1]) > spread


def test_a_density_draws_codes_distributed_as_those_it_was_fitted_to():
    torch.manual_seed(0)
    z = torch.cat(
        [torch.randn(500, 3) * 0.2 + torch.tensor(c) for c in ([4.0, 0, 0], [-4.0, 0, 0])]
    )
    density = fit_density(z)
    drawn = density.sample(4000, seed=1)
    assert torch.equal(drawn, density.sample(4000, seed=1)) and not torch.equal(
        drawn, density.sample(4000, seed=2)
    )
    assert drawn.dtype == torch.float32
    assert torch.allclose(drawn.mean(0), z.mean(0), atol=0.3) and torch.allclose(
        drawn.std(0), z.std(0), rtol=0.1
    )
    assert (
        (drawn[:, 0].abs() - 4).abs() < 1.2
    ).float().mean() > 0.99  # both clusters, and nothing between
    assert (drawn[:100, 0] > 0).float().mean() == pytest.approx(
        0.5, abs=0.2
    )  # mixed, not one cluster first


@pytest.mark.parametrize(("count", "width"), [(300, 100), (5, 3), (2, 2)])
def test_a_density_is_fitted_to_few_codes_and_to_wide_ones(count, width):
    drawn = fit_density(torch.randn(count, width)).sample(7)
    assert drawn.shape == (7, width) and drawn.isfinite().all()


def test_samples_come_from_the_prior_where_there_is_one():
    made = model(input_shape=(1, 8, 8), bottleneck={"kind": "gaussian"}).eval()

    def never():
        raise AssertionError("a model with a prior needs no examples")

    x, source = sample_examples(made, 5, 1, never)
    assert x.shape == (5, 1, 8, 8) and "prior" in source
    assert torch.equal(x, made.sample(5, seed=1))


@pytest.mark.parametrize(
    "bottleneck",
    [
        {"kind": "deterministic"},
        {"kind": "top_k", "k": 2},
        {"kind": "jump_relu", "target": 2},
        {"kind": "vector_quantized", "codes": 8, "dim": 2},
    ],
)
def test_samples_without_a_prior_decode_codes_that_are_valid(bottleneck):
    made, x = model(input_shape=(1, 8, 8), latent_dim=6, bottleneck=bottleneck).eval(), digits(200)
    drawn, source = sample_examples(made, 9, 1, lambda: x)
    assert drawn.shape == (9, 1, 8, 8) and "mixture" in source
    codes = sample_codes(made, 9, 1, fit_density(encode_in_chunks(made, x)))
    assert torch.equal(made.bottleneck.snap(codes), codes)


def test_codes_in_chunks_are_codes_at_once(monkeypatch):
    made, x = model(input_shape=(1, 8, 8)).eval(), digits(50)
    whole = encode_in_chunks(made, x)
    monkeypatch.setattr("aecore.analysis.chunks.CHUNK_ROWS", 7)
    assert torch.allclose(encode_in_chunks(made, x), whole, atol=1e-6)
    assert torch.allclose(
        encode_in_chunks(made, (x * 255).round().byte()), whole, atol=1e-6
    )  # bytes as they are stored
    assert torch.allclose(decode_in_chunks(made, whole), made.decode(whole), atol=1e-6)
    assert encode_in_chunks(made, x[:0]).shape == (0, 3)


@pytest.mark.parametrize(("classes", "dims"), [(4, 2), (4, 3), (2, 2), (2, 3), (1, 2)])
def test_class_axes_are_orthonormal_and_find_the_direction_that_classes_differ_in(classes, dims):
    rng = np.random.default_rng(0)
    labels = np.arange(300) % classes
    z = rng.normal(size=(300, 6)) * [9, 1, 1, 1, 1, 1]  # the largest variance tells nothing
    z[:, 3] += 8 * labels
    origin, axes = fit_class_axes(z, labels, dims)
    assert np.allclose(axes @ axes.T, np.eye(dims), atol=1e-4)
    assert np.allclose(origin, z.mean(0), atol=1e-5)
    if classes > 1:
        assert abs(axes[0, 3]) > 0.95


def test_class_axes_of_wide_codes_and_of_a_class_for_every_other_example():
    rng = np.random.default_rng(0)
    labels = np.arange(300) // 2
    z = rng.normal(size=(300, 1100)).astype(np.float32) * 0.1
    z[:, 3] += labels
    origin, axes = fit_class_axes(z, labels, 2)
    assert np.allclose(axes @ axes.T, np.eye(2), atol=1e-4)
    assert np.allclose(origin, z.mean(0), atol=1e-3) and abs(axes[0, 3]) > 0.85


def test_class_axes_of_a_single_unit_leave_the_others_at_zero():
    z = np.linspace(-1, 1, 40)[:, None]
    _, axes = fit_class_axes(z, (z[:, 0] > 0).astype(int))
    assert abs(axes[0, 0]) == pytest.approx(1) and axes[1, 0] == 0
