"""Pages on a published autoencoder, which is read-only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save

from aecore.hub.pretrained import ShownPictures, WeightOrigin, adopt_published, describe_pictures
from aecore.runs.listing import runs_folder
from aecore.runs.run import Run
from aecore.runs.uploads import create_upload, guess_settings
from bench.pretrained import PUBLISHED_FILES
from bench.published import SMALL_KL, SMALL_TINY, draw_pictures, draw_weights, write_published
from tests.app.conftest import finish_jobs
from tests.app.test_compare_page import read_messages, read_picture
from tests.hub.loopback import LoopbackHub
from tests.hub.pushed_runs import use_hub
from ui.kit.cache import load_cached_data

ORIGIN = WeightOrigin("user/name", "0123abcd", "mit")
SMALL = ShownPictures((3, 16, 16))
LAYOUTS = {"tiny": SMALL_TINY, "kl": SMALL_KL}


@pytest.fixture
def adopted(tmp_path):
    """A function that makes a run of a random checkpoint, among the runs."""

    def adopt(layout="tiny", pictures=SMALL):
        folder = write_published(tmp_path / layout, LAYOUTS[layout])
        out = runs_folder() / f"pulled-{layout}"
        return Run(adopt_published(folder, PUBLISHED_FILES, out, ORIGIN, pictures))

    return adopt


@pytest.fixture
def colours(tmp_path):
    """A set of colour pictures of 16 pixels a side."""
    path = tmp_path / "colours.npz"
    np.savez(path, x=(255 * draw_pictures(60, 16)).byte().numpy())
    return str(path)


def test_compare_shows_two_of_them_on_the_same_photographs(open_page, adopted, no_shipped):
    runs = [adopted(layout).id for layout in LAYOUTS]
    app = finish_jobs(open_page("compare.py", runs=runs))
    assert not app.exception and not app.error
    assert "Crops of four photographs" in read_messages(app)
    assert all(run in read_picture(app) for run in runs)
    table = next(d.value for d in app.dataframe if "psnr" in d.value)
    assert list(table["variant"]) == ["AutoencoderTiny", "AutoencoderKL"]
    assert "kl" not in table and table["psnr"].notna().all()


def test_compare_shows_it_beside_ones_own_run_on_ones_own_pictures(
    open_page, adopted, colours, trained, no_shipped
):
    own = trained("conv", colours, **{"network.channels": (4, 4), "latent_dim": 64})
    data = own.config().data
    pulled = adopted("kl", describe_pictures(data, load_cached_data(data)))
    app = finish_jobs(open_page("compare.py", runs=[own.id, pulled.id]))
    assert not app.exception and not app.error
    messages = read_messages(app)
    assert "Trained on other data" not in messages and "The best of a column is green" in messages
    assert own.id in read_picture(app) and pulled.id in read_picture(app)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_generate_says_that_there_is_no_prior_and_draws_from_densities(layout, open_page, adopted):
    run = adopted(layout)
    app = finish_jobs(open_page("generate.py", run=run.id))
    assert not app.exception and not app.error
    text = read_messages(app)
    assert "This model has no prior: codes are drawn from a" in text
    assert "fitted to the codes of the pictures that it is shown on" in text
    for section in ("Interpolate", "Walk"):
        app = finish_jobs(open_page("generate.py", run=run.id, mode=section))
        assert not app.exception and not app.error


@pytest.mark.parametrize("layout", LAYOUTS)
def test_compress_packs_its_codes(layout, open_page, adopted):
    app = finish_jobs(open_page("apply_compress.py", run=adopted(layout).id))
    assert not app.exception and not app.error
    assert [m.label for m in app.metric][:2] == ["File", "Smaller by"]
    assert app.get("plotly_chart")


@pytest.mark.parametrize("page", ["latent.py", "units.py", "apply_search.py", "apply_denoise.py"])
def test_other_pages_show_it(page, open_page, adopted):
    app = finish_jobs(open_page(page, run=adopted("kl").id))
    assert not app.exception and not app.error


def test_manifold_says_why_it_does_not(open_page, adopted):
    app = open_page("manifold.py", run=adopted().id)
    assert not app.exception
    assert "a large pretrained network, would take minutes and gigabytes" in app.error[0].value


def test_its_own_page_says_that_it_is_read_only(open_page, adopted):
    app = open_page("train.py", run=adopted().id)
    assert not app.exception and not app.error
    text = read_messages(app)
    assert "Read-only: the weights are those of user/name, licence mit" in text
    assert not {"Resume", "Stop"} & {button.label for button in app.button}


def test_the_hub_page_does_not_offer_to_push_it(open_page, adopted, trained, no_shipped):
    own, pulled = trained(), adopted()
    runs = next(s for s in open_page("hub.py").selectbox if s.label == "Run")
    assert own.id in runs.options and pulled.id not in runs.options


def test_no_form_offers_to_train_one(open_page):
    app = open_page("train.py")
    networks = next(s for s in app.selectbox if s.label == "Network")
    assert "Fully connected" in networks.options
    assert not [option for option in networks.options if "utoencoder" in option]


def test_the_hub_page_pulls_one_for_ones_own_pictures(
    open_page, colours, tmp_path, monkeypatch, no_shipped
):
    upload = create_upload()
    with upload.receiving("colours.npz") as file:
        file.write(Path(colours).read_bytes())
    upload.save(guess_settings(upload))
    with LoopbackHub({}) as loopback:
        use_hub(monkeypatch, loopback.url, tmp_path)
        loopback.put_file("bob/tiny", "config.json", json.dumps(SMALL_TINY).encode())
        weights = save(draw_weights(SMALL_TINY))
        loopback.put_file("bob/tiny", "diffusion_pytorch_model.safetensors", weights)
        app = open_page("hub.py")
        next(t for t in app.text_input if t.key == "pull_repo").set_value("bob/tiny")
        next(s for s in app.selectbox if s.key == "pull_pictures").set_value(upload.token)
        next(b for b in app.button if b.label == "Pull").click().run()
        app = finish_jobs(app)
    assert not app.exception and not app.error
    assert "is here" in " ".join(e.value for e in app.success)
    config = Run(runs_folder() / "bob--tiny").config()
    assert config.model.input_shape == (3, 16, 16) and config.data.name == upload.config().name
