"""The Denoise page: the same pictures through noise, filters and runs."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
from PIL import Image

from aecore.analysis.pictures import encode_png
from tests.app.conftest import bring_photo
from tests.app.test_data_page import bring_data, read_texts
from tests.test_data_images import encode_picture, pack_zip
from ui.kit.photo import Photo


def list_blocks(app):
    """The names of the lines in the picture, and their figures."""
    page = " ".join(element.proto.body for element in app.get("html"))
    return dict(re.findall(r"<header><strong>(.*?)</strong> <span>(.*?)</span>", page))


def test_a_first_visit_shows_filters_and_shipped_runs_on_the_same_noise(open_page):
    app = open_page("apply_denoise.py")
    assert not app.exception and not app.error
    shown = list_blocks(app)
    assert list(shown)[:5] == ["Clean", "Noisy", "Median 3 x 3", "Non-local means", "Best linear"]
    assert "Denoising, Gaussian" in shown
    found = {
        name: float(re.search(r"PSNR ([\d.]+)", text)[1])
        for name, text in shown.items()
        if name != "Clean"
    }
    assert found["Best linear"] > found["Noisy"]
    assert found["Denoising, Gaussian"] > found["Best linear"]
    assert app.get_by_key("strengths").proto.spec


@pytest.mark.parametrize("noise", ["Masking", "Salt and pepper"])
def test_a_link_opens_the_noise_that_it_names(open_page, trained, no_shipped, noise):
    run = trained("denoising-masking")
    app = open_page("apply_denoise.py", runs=run.id, noise=noise, strength="0.3", count="5")
    assert not app.exception and not app.error
    assert noise.lower() in app.get_by_key("strengths").proto.spec


def test_nonsense_in_the_link_opens_the_default(open_page, trained, no_shipped):
    run = trained()
    app = open_page(
        "apply_denoise.py",
        runs=[run.id, "none"],
        noise="loud",
        strength="9",
        count="-3",
        pick="x",
        inputs="?",
    )
    assert not app.exception and not app.error and "Noisy" in list_blocks(app)


def test_runs_of_tables_are_not_offered(open_page, trained, no_shipped):
    trained(data="iris")
    assert "No run fits this page" in open_page("apply_denoise.py").info[0].value


def test_runs_of_another_size_are_left_out_with_a_word(open_page, trained):
    run = trained()
    app = open_page("apply_denoise.py", runs=[run.id, "mnist-vanilla"])
    assert not app.exception
    assert "Left out, since they take pictures of another size: mnist-vanilla" in read_texts(app)


def test_ones_own_colour_pictures_are_made_to_fit(open_page, trained, no_shipped, tmp_path):
    trained()
    files = {f"{i}.png": encode_picture("RGB", (20, 20), (250, i * 9, 10)) for i in range(9)}
    one = bring_data("pets.zip", pack_zip(files))
    app = open_page("apply_denoise.py", inputs=one.token)
    assert not app.exception and not app.error
    assert (
        "20 x 20 pixels in colour were made to fit this run's 8 x 8 pixels in grey"
        in read_texts(app)
    )
    assert list_blocks(app)["Clean"] == "pets.zip"


def test_own_pictures_that_cannot_be_read_give_way_to_the_test_set(
    open_page, trained, no_shipped, tmp_path
):
    trained()
    one = bring_data(
        "pets.zip",
        pack_zip({"1.png": encode_picture(), "2.png": encode_picture()}),
    )
    one.source.write_bytes(b"torn")
    app = open_page("apply_denoise.py", inputs=one.token)
    assert not app.exception and "not a readable .zip" in app.error[0].value
    assert list_blocks(app)["Clean"] == "test set of digits"


def test_the_picture_is_the_same_for_the_same_seed_and_another_for_another(
    open_page, trained, no_shipped
):
    trained()

    def picture_of(seed):
        page = open_page("apply_denoise.py", pick=seed).get("html")[0].proto.body
        return base64.b64decode(re.search(r'base64,([^"]+)"', page)[1])

    assert picture_of("1") == picture_of("1") != picture_of("2")


def test_the_page_after_one_that_packs_many_examples_shows_its_own_number(open_page, trained):
    run = trained("denoising-gaussian")
    app = open_page("apply_compress.py", run=run.id)
    assert not app.exception
    app.switch_page("apply_denoise.py").run()
    assert not app.exception
    assert [slider.value for slider in app.slider if slider.label == "Pictures"] == [8]


def test_a_photo_of_any_size_is_cleaned_beside_its_noise(open_page, trained, no_shipped):
    app = open_page("apply_denoise.py", run=trained("denoising-gaussian").id)
    image = np.random.default_rng(1).integers(0, 255, (25, 30, 3)).astype(np.uint8)
    app = bring_photo(app, Photo("walk.png", encode_png(Image.fromarray(image))))
    assert not app.exception and not app.error
    captions = [image.proto.imgs[0].caption for image in app.image]
    assert 19 < float(re.search(r"Noise 0.1: PSNR ([\d.]+) dB", captions[0])[1]) < 22
    assert "SSIM" in captions[1]
