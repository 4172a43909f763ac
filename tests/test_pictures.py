"""Pictures: every pixel where it belongs, enlarged without blur."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from aecore.analysis.pictures import (
    BACKGROUND,
    DIVERGING,
    colour_signed,
    draw_grid,
    encode_gif,
    encode_png,
    make_tiles,
    to_rgb_bytes,
)


def test_a_grid_shows_each_image_enlarged_without_blur_on_a_neutral_ground():
    x = torch.rand(5, 1, 8, 8)
    picture = np.asarray(draw_grid(x, columns=3, gap=2))
    scale = 7  # 56 pixels for 8
    assert picture.shape == (2 * (56 + 2) + 2, 3 * (56 + 2) + 2, 3)
    for i in range(5):
        top, left = 2 + i // 3 * 58, 2 + i % 3 * 58
        tile = picture[top : top + 56, left : left + 56]
        small = (x[i, 0] * 255).round().byte().numpy()
        assert (tile == small.repeat(scale, 0).repeat(scale, 1)[..., None]).all()
    assert (picture[60:, 118:] == BACKGROUND).all() and (picture[:2] == BACKGROUND).all()


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 1, 3, 9), (2 * 2 + 57, 2 * 2 + 171)), ((4, 3, 64, 80), (134, 166))]
)
def test_grids_of_any_shape_and_colour(shape, size):
    assert np.asarray(draw_grid(torch.rand(shape))).shape[:2] == size


def test_colours_stay_in_their_channels_and_values_beyond_the_scale_are_cut():
    x = torch.zeros(1, 3, 2, 2)
    x[:, 0], x[:, 1], x[:, 2] = 2.0, -1.0, 0.5
    assert to_rgb_bytes(x)[0, 0, 0].tolist() == [255, 0, 128]


def test_an_animation_runs_forth_and_back():
    x = torch.linspace(0, 1, 4)[:, None, None, None].expand(4, 1, 8, 8)
    film = Image.open(io.BytesIO(encode_gif(x)))
    assert film.n_frames == 6 and film.info["loop"] == 0
    shades = []
    for i in range(6):
        film.seek(i)
        shades.append(film.convert("L").getpixel((30, 30)))
    assert shades == [0, 85, 170, 255, 170, 85]


@pytest.mark.parametrize("count", [1, 2])
def test_an_animation_of_few_pictures_is_one(count):
    assert Image.open(io.BytesIO(encode_gif(torch.rand(count, 1, 4, 4)))).n_frames == count


def test_a_png_is_one():
    picture = draw_grid(torch.rand(2, 1, 8, 8))
    assert (np.asarray(Image.open(io.BytesIO(encode_png(picture)))) == np.asarray(picture)).all()


def test_signed_values_are_white_at_zero_and_as_strong_either_way():
    x = torch.tensor([-2.0, -1, 0, 1, 2]).reshape(1, 1, 1, 5)
    blue, white, red = (torch.tensor(colour / 255) for colour in DIVERGING)
    shown = colour_signed(x)[0, :, 0].T
    assert torch.allclose(shown[[0, 2, 4]], torch.stack([blue, white, red]), atol=1e-6)
    assert torch.allclose(shown[1], (blue + white) / 2, atol=1e-6)
    assert torch.equal(colour_signed(x, 4.0)[0, :, 0, 4], colour_signed(x / 2, 2.0)[0, :, 0, 4])
    assert torch.allclose(
        colour_signed(torch.zeros(2, 3, 2, 2)), white[:, None, None].expand(2, 3, 2, 2)
    )


@pytest.mark.parametrize(("features", "size"), [(1, (1, 1)), (4, (2, 2)), (30, (5, 6))])
def test_rows_become_bars_one_cell_a_column(features, size):
    tiles = make_tiles(torch.randn(3, features))
    assert tiles.shape == (3, 3, *size) and tiles.min() >= 0 and tiles.max() <= 1


def test_pictures_as_tiles_are_themselves():
    x = torch.rand(3, 1, 4, 4) * 2 - 0.5
    assert torch.equal(make_tiles(x), x.clamp(0, 1).expand(3, 3, 4, 4))
    colour = torch.rand(3, 3, 4, 4)
    assert torch.equal(make_tiles(colour), colour)


def test_a_cell_that_is_not_known_is_grey_and_leaves_the_others_their_colours():
    x = torch.tensor([[1.0, -0.5, float("nan"), 0.0]])
    shown = make_tiles(x)
    assert torch.equal(shown[0, :, 1, 0], torch.full((3,), BACKGROUND / 255))
    assert torch.equal(shown[0, :, 0], make_tiles(x.nan_to_num())[0, :, 0])
