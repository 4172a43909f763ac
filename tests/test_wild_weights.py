"""Models of finite but wild weights: maps, densities and pictures of them are made or refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aecore.analysis.code_fitting import MAX_CODE
from aecore.analysis.latent import fit_density, fit_principal_plane, project_codes
from aecore.analysis.pictures import MAX_TILE_SIDE, TILE_SIDE, draw_grid, encode_png, make_tiles
from aecore.errors import CheckpointError


def wild_codes(scale):
    return torch.randn(60, 3, generator=torch.Generator().manual_seed(0)) * scale


@pytest.mark.parametrize("scale", [1e16, 1e25, 3e37, float("inf"), float("nan")])
def test_codes_that_overflow_are_refused_with_a_sentence(scale):
    z = wild_codes(scale)
    for fit in (
        lambda: fit_principal_plane(z.numpy()),
        lambda: fit_density(z),
        lambda: project_codes(z, "pca", 3),
        lambda: project_codes(z, "tsne", 2),
    ):
        with pytest.raises(CheckpointError, match="weights are unsound"):
            fit()


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, MAX_CODE / 10])
def test_codes_within_the_range_of_floats_have_a_plane(scale):
    plane = fit_principal_plane(wild_codes(scale).numpy())
    assert np.isfinite(plane.positions(wild_codes(scale).numpy())).all()


def test_a_mixture_that_cannot_be_fitted_is_refused_with_a_sentence():
    z = wild_codes(1.0)
    z[:, 0] *= 1e14
    z[0] = MAX_CODE / 2
    try:
        samples = fit_density(z).sample(5)
    except CheckpointError as error:
        assert "spread too wildly" in str(error)
    else:
        assert samples.isfinite().all()


def test_a_method_that_fails_is_explained(monkeypatch):
    from sklearn.decomposition import PCA

    def fail(*args, **options):
        raise np.linalg.LinAlgError("Eigenvalues did not converge")

    monkeypatch.setattr(PCA, "fit", fail)
    monkeypatch.setattr(PCA, "fit_transform", fail)
    for fit in (
        lambda: fit_principal_plane(wild_codes(1.0).numpy()),
        lambda: fit_density(wild_codes(1.0)),
        lambda: project_codes(wild_codes(1.0), "pca", 2),
    ):
        with pytest.raises(CheckpointError, match="spread too wildly"):
            fit()


# -- pictures


@pytest.mark.parametrize(
    "shape", [(1, 1, 65_536), (3, 65_536, 1), (3, 3000, 2), (2, 8, 8), (7, 1, 1)]
)
def test_pictures_of_any_shape_can_be_drawn_and_shown(shape):
    from streamlit.elements.lib.image_utils import MAXIMUM_CONTENT_WIDTH

    picture = draw_grid(make_tiles(torch.rand(16, *shape)), 8)
    assert len(encode_png(picture)) > 0
    assert max(picture.size) <= 16 * (MAX_TILE_SIDE + 2) + 2
    assert picture.height * MAXIMUM_CONTENT_WIDTH // picture.width >= 1  # as a page scales it


@pytest.mark.parametrize("side", [1, 8, 28, 64, 1000])
def test_square_pictures_are_enlarged_alike_on_both_sides(side):
    picture = draw_grid(torch.rand(4, 1, side, side), 2, gap=0)
    assert picture.width == picture.height == 2 * side * max(1, -(-TILE_SIDE // side))
