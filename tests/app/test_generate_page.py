"""The Generate page: samples, interpolations and walks, for every kind of model and of data."""

from __future__ import annotations

import json
import re

import pytest

from tests.app.conftest import finish_jobs

MODES = ["Samples", "Interpolate", "Walk"]


def read_texts(app):
    return " ".join(
        str(e.value) for e in [*app.markdown, *app.caption, *app.info, *app.warning, *app.error]
    )


def read_labels(app):
    return [b.label for b in app.get("download_button")]


def list_pictures(app):
    return [image.proto.imgs[0].url for image in app.image]


@pytest.mark.parametrize("mode", MODES)
def test_without_any_run_the_page_offers_to_train_one(open_page, no_shipped, mode):
    app = open_page("generate.py", mode=mode)
    assert not app.exception
    assert "No run has a model yet" in app.info[0].value


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("variant", ["vanilla", "vae", "k-sparse", "vq-vae", "wae-mmd"])
def test_every_section_shows_a_picture_for_every_kind_of_code(
    open_page, trained, no_shipped, mode, variant
):
    trained(variant)
    app = open_page("generate.py", mode=mode)
    assert not app.exception and not app.error
    assert app.image
    assert "PNG" in read_labels(app) and "NPZ" in read_labels(app)


@pytest.mark.parametrize("mode", MODES)
def test_rows_of_a_table_are_shown_under_their_column_names(open_page, trained, no_shipped, mode):
    trained(data="breast-cancer")
    app = open_page("generate.py", mode=mode)
    assert not app.exception and not app.error
    assert "mean radius" in app.dataframe[0].value.index
    assert app.image


@pytest.mark.parametrize("mode", MODES)
def test_points_of_a_manifold_are_shown_among_the_training_data(
    open_page, trained, no_shipped, mode
):
    trained(data="swiss-roll")
    app = open_page("generate.py", mode=mode)
    assert not app.exception and not app.error
    names = [trace["name"] for trace in json.loads(app.get_by_key("cloud").proto.spec)["data"]]
    assert names[0] == "training data" and len(names) > 1


def test_a_model_with_a_prior_is_sampled_from_it(open_page, trained, no_shipped):
    trained("vae")
    assert "from the prior N(0, I)" in read_texts(open_page("generate.py"))


def test_a_model_without_a_prior_is_sampled_from_the_density_that_describes_its_codes_best(
    open_page, trained, no_shipped
):
    trained("vanilla")
    app = open_page("generate.py")
    assert "This model has no prior: codes are drawn from a" in read_texts(app)
    text = read_texts(finish_jobs(app))
    scores = dict(
        re.findall(r"(Gaussian mixture|normalising flow|Gaussian) (-?[0-9]+\.[0-9])", text)
    )
    best = max(scores, key=lambda name: float(scores[name]))
    assert len(scores) == 3
    assert f"This model has no prior: codes are drawn from a {best} fitted" in text


def test_of_a_codec_the_learned_density_is_named_and_what_is_sampled_instead(open_page):
    text = read_texts(finish_jobs(open_page("generate.py", run="digits-codec")))
    assert "no prior" not in text
    assert "learned density of its codes counts bits, and is not sampled here: codes are" in text


def test_each_source_of_codes_gives_other_samples_and_says_what_it_is(
    open_page, trained, no_shipped
):
    trained("vae")
    names = {"prior": "the prior N(0, I)", "gaussian": "a Gaussian fitted", "flow": "a normalising"}
    shown = {}
    for source, name in names.items():
        app = finish_jobs(open_page("generate.py", codes_from=source))
        assert not app.exception and not app.error
        assert f"Codes are drawn from {name}" in read_texts(app)
        shown[list_pictures(app)[0]] = source
    assert len(shown) == len(names)


def test_a_run_without_a_prior_takes_over_from_one_that_is_sampled_from_its_prior(
    open_page, trained, no_shipped
):
    plain, vae = trained("vanilla"), trained("vae")
    app = open_page("generate.py", run=vae.id)
    app.get_by_key("codes_from").set_value("prior").run()
    app.selectbox(key="run").set_value(plain.id).run()
    assert not app.exception and not app.error
    assert "This model has no prior: codes are drawn from a" in read_texts(app)


def test_sources_of_codes_are_compared_by_numbers_where_pictures_are_enough(
    open_page, trained, no_shipped
):
    trained("vae")
    assert "Compare" not in [b.label for b in open_page("generate.py").button]  # 40 test pictures
    trained("vae", **{"data.limit": None})
    app = open_page("generate.py")
    app = finish_jobs(next(b for b in app.button if b.label == "Compare").click().run())
    assert not app.exception and not app.error
    frame = app.dataframe[0].value
    assert frame["samples from"].tolist() == [
        "prior N(0, I)",
        "Gaussian",
        "Gaussian mixture",
        "normalising flow",
        "training pictures",
    ]
    numbers = frame.set_index("samples from")
    assert numbers.notna().drop(columns="log density").all(axis=None)
    assert numbers["Fréchet distance"].idxmin() == "training pictures"
    assert "samples beside as many test pictures" in read_texts(app)
    assert "no FID" in read_texts(app)


def test_of_a_run_that_trains_the_sources_are_not_compared(open_page, trained, no_shipped):
    run = trained("vae", **{"data.limit": None})
    run.write_state(state="running", epoch=1)
    with run.lock():
        app = open_page("generate.py")
    assert "Available when the training has ended" in read_texts(app)
    assert "Compare" not in [b.label for b in app.button]


def test_another_draws_the_next_seed_and_a_seed_repeats_its_samples(open_page, trained, no_shipped):
    trained()
    app = open_page("generate.py", samples="16", draw="7")
    first = list_pictures(app)
    next(b for b in app.button if b.label == "Another").click().run()
    assert app.number_input(key="draw").value == 8
    assert list_pictures(app) != first
    app.number_input(key="draw").set_value(7).run()
    assert list_pictures(app) == first


def test_a_link_opens_the_interpolation_that_it_names(open_page, trained, no_shipped):
    trained()
    app = open_page(
        "generate.py", mode="Interpolate", start="3", end="8", steps="20", path_of_z="spherical"
    )
    assert not app.exception
    assert app.number_input(key="start").value == 3 and app.slider(key="steps").value == 20
    assert any(url.endswith(".gif") for url in list_pictures(app))
    assert "GIF" in read_labels(app)


@pytest.mark.parametrize("steps", ["2", "64"])
def test_interpolation_works_at_both_limits_of_the_steps(open_page, trained, no_shipped, steps):
    trained()
    app = open_page("generate.py", mode="Interpolate", steps=steps, between="samples")
    assert not app.exception and not app.error


def test_interpolating_from_an_input_to_itself_is_no_error(open_page, trained, no_shipped):
    trained()
    app = open_page("generate.py", mode="Interpolate", start="4", end="4", path_of_z="spherical")
    assert not app.exception and not app.error


def test_a_walk_offers_the_most_varying_dimension_first_and_moves_with_the_slider(
    open_page, trained, no_shipped
):
    trained()
    app = open_page("generate.py", mode="Walk")
    assert "its standard deviation over the test inputs is" in read_texts(app)
    still = list_pictures(app)[0]
    assert app.slider(key="offset").label == "Value, in deviations from its mean"
    app.slider(key="offset").set_value(3.0).run()
    assert not app.exception
    assert list_pictures(app)[0] != still


def test_a_walk_can_start_at_the_centre(open_page, trained, no_shipped):
    trained("vanilla")
    app = open_page("generate.py", mode="Walk", around="centre")
    assert not app.exception and not app.error
    assert "base" not in [n.key for n in app.number_input]


@pytest.mark.parametrize("mode", MODES)
def test_a_link_with_nonsense_opens_the_defaults(open_page, trained, no_shipped, mode):
    trained()
    app = open_page(
        "generate.py",
        mode=mode,
        samples="99",
        draw="-4",
        steps="1000",
        start="-1",
        end="999999",
        dimension="z9999",
        offset="40",
        base="many",
        around="nowhere",
    )
    assert not app.exception and not app.error


def test_another_run_with_fewer_inputs_and_units_takes_over(open_page, trained, no_shipped):
    small, large = trained("vae", "breast-cancer"), trained("vanilla")
    app = open_page("generate.py", mode="Walk", run=large.id, base="190")
    app.selectbox(key="dimension").set_value("z15").run()
    app.selectbox(key="run").set_value(small.id).run()
    assert not app.exception and not app.error
    assert app.selectbox(key="dimension").value != "z15"


@pytest.mark.parametrize("mode", MODES)
def test_damaged_weights_are_explained(open_page, trained, no_shipped, mode):
    run = trained()
    (run.path / "model.safetensors").write_bytes(b"torn")
    app = open_page("generate.py", mode=mode)
    assert not app.exception
    assert "torn" in app.error[0].value


def test_other_digits_are_said_to_be_shown_where_the_runs_images_are_gone(
    open_page, trained, no_shipped
):
    run = trained()
    config = run.path / "config.json"
    config.write_text(config.read_text().replace('"name": "digits"', '"name": "/gone/away.zip"'))
    app = open_page("generate.py", mode="Walk")
    assert not app.exception and not app.error
    assert "was not made for these pictures" in app.warning[0].value


def test_a_dimension_that_another_run_has_not_is_taken_back_in_the_browser_too(open_page):
    app = open_page("generate.py", mode="Walk", run="mnist-vae")
    assert app.selectbox(key="dimension").value not in ("z0", "z1")
    app.selectbox(key="run").set_value("mnist-vae-2d").run()
    dimension = app.selectbox(key="dimension")
    assert dimension.value in dimension.options == ["z0", "z1"]
    assert dimension.proto.set_value  # else the browser goes on showing the old one
