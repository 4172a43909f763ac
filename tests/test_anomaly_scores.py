"""Scores of pictures: what they are, and what they find that the squared error does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import model, tiny

from aecore.analysis.anomaly_scores import map_errors, measure_detail, score_residuals
from aecore.analysis.doctor.fit import measure_baseline_lead
from aecore.analysis.doctor.patient import Patient, Specimen
from aecore.errors import ConfigError
from aecore.model.config import RunConfig
from aecore.runs.recipe import format_train_command
from aecore.tasks.anomaly import (
    compute_scaled_residuals,
    map_anomalies,
    plan_detector,
    score_anomalies,
)
from aecore.tasks.apply import Application
from aecore.tasks.detection import compute_auroc
from aecore.tasks.detector import fit_detector


def draw_pictures(count=40, side=16, channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, side, side, generator=generator)


def test_the_map_of_kind_error_sums_to_the_error_and_the_relative_map_has_it_as_its_mean():
    x, residuals = draw_pictures(), draw_pictures(seed=1) - 0.5
    error = score_residuals(residuals, x, "error")
    torch.testing.assert_close(error, residuals.square().sum((1, 2, 3)))
    torch.testing.assert_close(map_errors(residuals, x, "error").sum((1, 2)), error)
    relative, region = (score_residuals(residuals, x, kind) for kind in ("relative", "region"))
    torch.testing.assert_close(relative, error / 16**2 / measure_detail(x))
    torch.testing.assert_close(map_errors(residuals, x, "relative").mean((1, 2)), relative)
    assert (region > relative).all()


def test_the_detail_of_a_ramp_is_its_squared_slope_and_a_flat_picture_has_hardly_any():
    ramp = torch.linspace(0, 1, 11).expand(1, 1, 11, 11)
    assert measure_detail(ramp).item() == pytest.approx(0.1**2 * 10 / 11, rel=1e-2)
    assert 0 < measure_detail(torch.full((1, 3, 8, 8), 0.5)).item() < 1e-4


@pytest.mark.parametrize("kind", ["relative", "region"])
def test_contrast_does_not_make_a_picture_odd(kind):
    x, residuals = draw_pictures(), draw_pictures(seed=1) - 0.5
    torch.testing.assert_close(
        score_residuals(3 * residuals, 3 * x, kind),
        score_residuals(residuals, x, kind),
        rtol=1e-3,
        atol=0,
    )


def test_a_small_defect_is_found_by_its_region_where_the_sums_are_all_alike():
    x = draw_pictures(200)
    residuals = 0.1 * (draw_pictures(200, seed=1) - 0.5)
    residuals *= torch.linspace(0.5, 1.5, 200)[torch.randperm(200)][:, None, None, None]
    residuals[::2, :, 5:8, 9:12] += 0.08
    is_odd = torch.arange(200) % 2 == 0
    areas = {
        kind: compute_auroc(score_residuals(residuals, x, kind), is_odd)
        for kind in ("error", "relative", "region")
    }
    assert areas["region"] > 0.95 and max(areas["error"], areas["relative"]) < 0.8
    row, column = divmod(int(map_errors(residuals, x, "region")[0].argmax()), 16)
    assert row in range(5, 8) and column in range(9, 12)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 9), (5, 2, 3)])
def test_pictures_of_any_size_have_scores(shape):
    x = torch.rand(4, *shape)
    for kind in ("error", "relative", "region"):
        assert score_residuals(x - 0.5, x, kind).isfinite().all()


def picture_model(kind):
    return model(input_shape=(3, 8, 8), anomaly_score=kind)


def test_a_model_scores_by_its_own_kind_and_by_any_other_that_is_asked_for():
    x = (255 * draw_pictures(side=8)).byte()
    by_kind = {kind: picture_model(kind) for kind in ("error", "relative", "region")}
    scores = {kind: score_anomalies(one, x) for kind, one in by_kind.items()}
    torch.testing.assert_close(
        score_anomalies(by_kind["error"], x, kind="region"), scores["region"]
    )
    assert torch.equal(fit_detector(by_kind["error"], x, "relative").score(x), scores["relative"])
    torch.testing.assert_close(map_anomalies(by_kind["region"], x).amax((1, 2)), scores["region"])
    found = Application(by_kind["relative"], "scores", lambda: x[0])(x)
    torch.testing.assert_close(torch.from_numpy(found["scores"]), scores["relative"])
    residuals = compute_scaled_residuals(by_kind["error"], x)
    assert torch.equal(scores["error"], residuals.square().flatten(1).sum(1))


def test_rows_have_no_score_but_their_error():
    with pytest.raises(ConfigError, match="got kind 'region'"):
        score_anomalies(model(), torch.zeros(2, 6), kind="region")
    with pytest.raises(ConfigError, match="set anomaly_score to error"):
        model(anomaly_score="relative")


def test_detectors_of_photographs_score_by_the_relative_error_and_those_of_digits_as_before(
    tmp_path,
):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "photos.npz", x=rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8))
    path = str(tmp_path / "photos.npz")
    config = plan_detector(path)
    assert config.model.anomaly_score == "relative" and config.model.network.kind == "residual"
    # the network learns few pictures by heart: the weights that are best for others are kept
    assert config.data is not None and config.data.validation_fraction > 0
    assert plan_detector(path, {"anomaly_score": "region"}).model.anomaly_score == "region"
    assert plan_detector("digits").model.anomaly_score == "error"
    assert "anomaly_score=region" in format_train_command(tiny(anomaly_score="region"), "image")


def test_the_doctor_judges_a_detector_by_its_own_score():
    made = picture_model("relative").eval()
    normal, odd = draw_pictures(30, 8), draw_pictures(30, 8, seed=1) * 0.1
    patient = Patient(made, Specimen(normal, normal, odd), RunConfig(model=made.config))
    both, is_odd = torch.cat([normal, odd]), torch.arange(60) >= 30
    by_mean = compute_auroc((both - normal.mean(0)).square().flatten(1).sum(1), is_odd)
    lead = by_mean - compute_auroc(score_anomalies(made, both), is_odd)
    assert measure_baseline_lead(patient) == pytest.approx(lead, abs=1e-6)
