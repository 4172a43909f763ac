"""The Learn page: every lesson works, and what the lessons say holds for their models."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ui.learn.bottleneck import measure_size_errors
from ui.learn.contraction import differentiate_encoder, measure_sensitivity
from ui.learn.copying import SHARES, measure_copy_errors
from ui.learn.course import LESSONS
from ui.learn.denoising import follow_points, measure_distance
from ui.learn.distributions import measure_rate_and_error
from ui.learn.elbo import (
    WIDTHS,
    Terms,
    draw_terms,
    integrate_posterior,
    load_changed_posterior,
    measure_terms,
)
from ui.learn.generation import measure_data_distance
from ui.learn.linear import fit_learned_line
from ui.learn.manifold import COUNTS, measure_neighbourhood
from ui.learn.models import LESSONS_FOLDER, list_levels, load_lesson_model, load_test_digits
from ui.learn.sparsity import count_dead, load_atoms


def list_shown(app):
    """Returns what identifies the pictures and charts of a page."""
    images = [image.proto.imgs[0].url for image in app.image]
    charts = [chart.proto.spec for chart in app.get("plotly_chart")]
    return images + charts + [part.proto.body for part in app.get("html")]


def read_address(app, key):
    """Returns the values between commas of a parameter of the address."""
    value = app.query_params.get(key, "")
    return (value if isinstance(value, str) else value[0]).split(",")


# -- the page


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_moves_with_its_sliders_and_reveals_its_answer(open_page, name):
    app = open_page("learn.py", lesson=name)
    assert not app.exception and not app.error
    # an address would be let go before a browser under a fast slider asks for it
    assert all(image.proto.imgs[0].url.startswith("data:") for image in app.image)
    lesson = LESSONS[name]
    assert app.latex[0].value.strip("$\n ") == lesson.formula
    for slider in [*app.slider, *app.select_slider]:
        before = list_shown(app)
        slider.set_value(slider.options[-1] if slider.type == "select_slider" else slider.max).run()
        assert not app.exception and not app.error
        assert list_shown(app) != before, slider.label
    assert not any(lesson.answer in text.value for text in app.markdown)
    app.button(key=f"answer-{name}").click().run()
    assert any(lesson.answer in text.value for text in app.markdown)
    assert read_address(app, "answered") == [name]


def test_next_and_previous_walk_through_the_course_and_the_address_follows(open_page):
    app = open_page("learn.py")
    first, second, *_ = LESSONS
    assert app.button(key="learn-Previous").disabled
    app.button(key="learn-Next").click().run()
    assert read_address(app, "lesson") == [second]
    app.button(key="learn-Previous").click().run()
    assert app.selectbox(key="lesson").value == first


def test_back_and_forward_change_the_lesson(open_page, monkeypatch):
    app = open_page("learn.py")
    first, second, *_ = LESSONS
    app.button(key="learn-Next").click().run()
    monkeypatch.setattr("ui.kit.links.is_rerun_by_history", lambda: True)
    app.query_params.clear()
    assert app.run().selectbox(key="lesson").value == first
    app.query_params["lesson"] = second
    assert app.run().selectbox(key="lesson").value == second


def test_progress_comes_from_a_link_and_stays_while_other_pages_are_visited(open_page):
    app = open_page("learn.py", lesson="elbo", answered="linear,elbo,nonsense")
    assert "2 of 10 answered" in app.selectbox(key="lesson").label
    assert any(LESSONS["elbo"].answer in text.value for text in app.markdown)
    app.query_params.clear()
    app = app.switch_page("evidence.py").run().switch_page("learn.py").run()
    assert read_address(app, "answered") == ["linear", "elbo"]


def test_an_unknown_lesson_in_the_address_opens_the_first(open_page):
    app = open_page("learn.py", lesson="../../etc", answered="<b>")
    assert not app.exception and not app.error
    assert app.selectbox(key="lesson").value == next(iter(LESSONS))


def test_models_of_lessons_are_small_and_not_listed_among_the_runs(open_page):
    files = [file for file in LESSONS_FOLDER.rglob("*") if file.is_file()]
    assert {file.name for file in files} == {"config.json", "model.safetensors"}
    assert sum(file.stat().st_size for file in files) < 1.6e6
    app = open_page("latent.py")
    assert not any("lessons" in option for option in app.selectbox(key="run").options)


# -- what the lessons say


def test_a_linear_autoencoder_turns_to_the_line_of_pca():
    angles = [fit_learned_line(epochs).angle for epochs in list_levels("line")]
    assert angles[0] > 20 and angles[-1] < 1
    line = fit_learned_line(list_levels("line")[-1])
    assert line.pca_error <= line.error < 1.01 * line.pca_error


def test_the_error_falls_with_the_latent_dimension_and_beats_pca_at_narrow_codes():
    errors, pca_errors = measure_size_errors()
    assert list(errors.values()) == sorted(errors.values(), reverse=True)
    assert all(errors[size] < pca_errors[size] for size in errors if int(size) <= 16)
    assert errors["2"] < 0.7 * pca_errors["2"]


def test_a_free_wide_code_copies_nonsense_and_the_others_do_not():
    free, *others = measure_copy_errors().values()
    assert max(free) < 0.1
    for errors in others:
        assert errors[SHARES.index(100)] > 30 and errors[SHARES.index(100)] > 2 * errors[0]


def test_noise_in_training_pulls_points_to_the_data_and_none_leaves_them():
    still, path = follow_points("0"), follow_points("0.2")
    assert np.abs(still[1] - still[0]).mean() < 0.02
    assert measure_distance(path[3]) < 0.4 * measure_distance(path[0])
    assert measure_distance(follow_points("0.8")[3]) > measure_distance(path[3])


@pytest.mark.parametrize("k", list_levels("sparse"))
def test_a_sparse_code_has_k_active_units(k):
    code = load_lesson_model("sparse", k).encode(load_test_digits())
    assert bool(((code != 0).sum(1) <= int(k)).all()) and int((code[0] != 0).sum()) == int(k)
    assert (count_dead(load_atoms(k)) > 60) == (k == "1")


def test_contraction_forgets_most_where_digits_do_not_move():
    x = load_test_digits()[:1]
    free, contracted = (
        torch.linalg.svdvals(differentiate_encoder(weight, x)) for weight in ("0", "0.1")
    )
    assert contracted[29] / free[29] < 0.3 < 0.5 < contracted[0] / free[0]
    ratios = [measure.moved / measure.noisy for measure in map(measure_sensitivity, ("0", "0.1"))]
    assert ratios[1] > 1.25 * ratios[0]


def test_near_a_point_the_roll_has_two_dimensions_and_far_around_it_three():
    near, far = (measure_neighbourhood(60, count).shares for count in (COUNTS[2], COUNTS[-1]))
    assert near[2] < 0.03 and far[2] > 0.1


def test_the_posterior_collapses_at_a_high_beta_and_lives_at_a_low_one():
    (rate, error), (collapsed_rate, collapsed_error) = map(measure_rate_and_error, ("0.3", "4"))
    assert rate > 2 and error < 60
    assert collapsed_rate < 0.1 and collapsed_error > 95


def test_the_name_of_the_likelihood_stands_above_the_bar_which_may_be_longer():
    (name,) = draw_terms(Terms(30.0, 10.0), 20.0).layout.annotations
    assert (name.y, name.yanchor) == (1, "bottom")


def test_the_elbo_never_exceeds_the_likelihood_and_is_best_near_the_encoders_posterior():
    cost = integrate_posterior().cost
    gaps = {
        (width, shift): sum(measure_terms(load_changed_posterior(width, shift))) - cost
        for width in WIDTHS
        for shift in (-2.0, 0.0, 2.0)
    }
    assert min(gaps.values()) > 0
    assert min(gaps, key=gaps.__getitem__)[1] == 0 and gaps[1.0, 0.0] < 0.5


def test_draws_of_the_vae_are_nearer_to_digits_than_those_of_the_plain_autoencoder():
    z = torch.randn(200, 8, generator=torch.Generator().manual_seed(1))
    vae, plain = (load_lesson_model(*key).decode(z) for key in (("prior", "8"), ("code", "8")))
    assert measure_data_distance(vae) < 0.9 * measure_data_distance(plain)
