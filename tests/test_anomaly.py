"""Anomaly detection: what scores high, what is refused, and that the score is the formula."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from aecore.errors import AecoreError, ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import create_run
from aecore.tasks.anomaly import (
    compute_scaled_residuals,
    count_known_to_all,
    plan_detector,
    score_anomalies,
    score_column_anomalies,
)
from aecore.tasks.detection import (
    compute_auroc,
    compute_detection_curves,
    count_confusion,
    find_cheapest_threshold,
)
from aecore.tasks.detector import Detector, fit_detector
from aecore.tasks.thresholds import (
    average_over_draws,
    draw_calibration_rows,
    find_outlier_threshold,
)
from aecore.training.trainer import fit
from tests.helpers import model


def draw_line(count: int, seed: int = 0) -> torch.Tensor:
    """(count, 4) points near a line, columns of very different units."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.randn(count, 1, generator=generator)
    noise = 0.05 * torch.randn(count, 4, generator=generator)
    return (t * torch.tensor([1.0, -1.0, 1.0, 0.5]) + noise) * torch.tensor(
        [1.0, 10.0, 100.0, 1000.0]
    ) + 5


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """Trained on 240 points near a line, calibrated on 200 others."""
    folder = tmp_path_factory.mktemp("anomaly")
    np.savez(folder / "line.npz", x=draw_line(240).numpy(), x_test=draw_line(50, 1).numpy())
    config = plan_detector(str(folder / "line.npz"), {"training.device": "cpu"})
    run = create_run(config, folder / "run")
    list(fit(run))
    return fit_detector(Autoencoder.load(run.path), draw_line(200, 2))


def test_scores_rank_a_far_point_above_every_normal_one(detector):
    far = torch.full((1, 4), 5.0)
    far[0, 0] += 8  # eight deviations in one column, the others at their means
    assert detector.score(far) > detector.score(draw_line(200, 3)).max()


def test_a_row_that_breaks_the_relation_between_columns_scores_high_though_each_value_is_common(
    detector,
):
    broken = draw_line(100, 4)
    broken[:, 1] = 10 - broken[:, 1]  # mirrored about its mean
    labels = torch.arange(200) >= 100
    assert compute_auroc(detector.score(torch.cat([draw_line(100, 5), broken])), labels) > 0.8


def test_the_score_of_a_single_network_is_the_squared_residual_in_scaled_columns():
    m, x = model(scaling="standard"), 3 * torch.randn(7, 6) + 2
    m.fit_scaling(x)
    expected = ((m.to_scaled(x) - m.to_scaled(m.reconstruct(x))) ** 2).sum(1)
    torch.testing.assert_close(score_anomalies(m, x), expected, rtol=1e-4, atol=1e-6)


def measure_steps(m, x):
    """The squared steps (members, N, columns) of each member in the columns that it sees."""
    steps = (m.to_scaled(x) - m.decoder.decode_members(m.encode(x))).square()
    return steps * m.encoder.sees[:, None]


def test_the_score_of_an_ensemble_is_the_geometric_mean_over_its_members(detector):
    x, m = draw_line(7, 6), detector.model
    steps = measure_steps(m, x)
    scores = steps.sum(2)
    expected = scores.log().mean(0).exp()
    torch.testing.assert_close(detector.score(x), expected, rtol=1e-4, atol=1e-6)
    columns = score_column_anomalies(m, x)
    torch.testing.assert_close(columns.sum(1), expected, rtol=1e-4, atol=1e-6)
    shares = (steps / scores[..., None]).mean(0)
    torch.testing.assert_close(columns / columns.sum(1, True), shares, rtol=1e-4, atol=1e-6)


def test_a_row_is_scored_by_the_members_that_have_not_seen_it_unless_it_is_known_to_be_normal(
    detector,
):
    x, m = draw_line(240), detector.model  # the training rows
    steps = measure_steps(m, x).sum(2).log()
    seen = m.encoder.find_seen(x)
    assert seen.sum() == 48 * 16 and count_known_to_all(m, x) == 0
    expected = steps.masked_fill(seen, torch.nan).nanmean(0).exp()
    torch.testing.assert_close(score_anomalies(m, x), expected, rtol=1e-4, atol=1e-6)
    known = score_anomalies(m, x, trained_on_normal=True)
    torch.testing.assert_close(known, steps.mean(0).exp(), rtol=1e-4, atol=1e-6)
    assert known.log().mean() < score_anomalies(m, x).log().mean()


def test_a_row_that_every_member_saw_is_scored_by_all(detector):
    m = copy.deepcopy(detector.model)
    x = draw_line(16, 12)
    for member in range(48):
        m.encoder.remember_rows(member, x)
    assert count_known_to_all(m, torch.cat([x, x + 1])) == 16
    assert torch.equal(score_anomalies(m, x), detector.score(x))
    assert count_known_to_all(model(), torch.zeros(2, 6)) == 0


def test_far_rows_that_the_model_was_trained_on_score_above_the_others(tmp_path):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(285, 5)), rng.uniform(-8, 8, (15, 5))])
    np.savez(tmp_path / "x.npz", x=x, x_test=x[:1])
    run = create_run(plan_detector(str(tmp_path / "x.npz"), {"training.device": "cpu"}))
    list(fit(run))
    scores = score_anomalies(Autoencoder.load(run.path), torch.from_numpy(x))
    assert scores.argsort(descending=True)[:15].sort().values.tolist() == [*range(285, 300)]
    odd = scores > find_outlier_threshold(scores)
    assert odd[285:].all() and odd[:285].sum() < 10
    assert (scores > find_outlier_threshold(scores, 0.05)).sum() == 15


def test_the_unit_of_a_column_does_not_matter():
    small, large = (model(scaling="standard") for _ in range(2))
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    units = torch.tensor([1.0, 1e3, 1e-3, 1.0, 10.0, 1.0])
    small.fit_scaling(x)
    large.fit_scaling(x * units)
    torch.testing.assert_close(
        score_anomalies(small, x), score_anomalies(large, x * units), rtol=1e-3, atol=1e-4
    )


def test_scoring_adds_no_noise_though_training_does():
    m = model(corruption={"kind": "gaussian", "sigma": 5.0}).train()
    x = torch.randn(20, 6)
    assert torch.equal(score_anomalies(m, x), score_anomalies(m, x))
    assert not m.training


def test_scoring_leaves_the_random_numbers_alone(detector):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    detector.score(draw_line(5))
    assert torch.equal(before, torch.get_rng_state())


def test_an_example_scores_the_same_alone_and_in_company(detector):
    x = draw_line(30, 7)
    torch.testing.assert_close(detector.score(x)[3:4], detector.score(x[3:4]))


def test_doubles_are_scored_as_floats_are(detector):
    x = draw_line(3, 7)
    assert torch.equal(detector.score(x.double()), detector.score(x))


def test_residuals_point_at_the_column_that_is_wrong(detector):
    x = draw_line(1, 8)
    x[0, 2] += 600  # six deviations
    residual = compute_scaled_residuals(detector.model, x)[0]
    assert residual.abs().argmax() == 2 and residual[2] > 0


def test_p_values_of_new_normal_rows_are_about_uniform_and_of_anomalies_least(detector):
    p = detector.p_values(draw_line(400, 9))
    assert p.min() > 0 and p.max() <= 1 and abs(p.mean().item() - 0.5) < 0.1
    assert detector.p_values(torch.full((1, 4), 1e4)).item() == pytest.approx(1 / 201)


def test_the_threshold_lets_so_many_normal_rows_through(detector):
    share = (detector.score(draw_line(2000, 10)) > detector.threshold(0.1)).float().mean().item()
    assert 0.03 < share < 0.2
    with pytest.raises(ConfigError, match="between 0 and 1, got 1"):
        detector.threshold(1)


def test_any_variant_makes_a_detector_images_too():
    pictures = torch.randint(0, 256, (9, 1, 8, 8), dtype=torch.uint8)
    vae = model(
        input_shape=(1, 8, 8), bottleneck={"kind": "gaussian"}, likelihood={"kind": "bernoulli"}
    )
    assert fit_detector(vae, pictures).score(pictures[:4]).shape == (4,)


@pytest.mark.parametrize(
    ("shape", "settings", "kind"),
    [
        ((3,), {}, "ensemble"),
        ((3,), {"network.kind": "mlp"}, "mlp"),
        ((1, 8, 8), {}, "mlp"),
    ],
)
def test_tables_get_an_ensemble_pictures_one_net_and_all_as_many_steps(
    tmp_path, shape, settings, kind
):
    for rows in (5, 34, 1000):
        x = np.random.default_rng(0).random((rows, *shape)).astype(np.float32)
        np.savez(tmp_path / "t.npz", x=x, x_test=x[:2])
        config = plan_detector(str(tmp_path / "t.npz"), settings)
        training, network = config.training, config.model.network
        assert network.kind == kind
        samples = network.draw_samples(rows, 0)
        seen = rows if samples is None else samples.shape[1]
        steps = training.epochs * training.passes * math.ceil(seen / training.batch_size)
        assert steps == 300 if kind == "ensemble" else 1500 <= steps < 1700


def test_rows_known_to_be_normal_are_described_by_larger_samples():
    for settings, clean in (
        ({}, None),
        ({"data.train_class": "class_0"}, None),
        ({}, True),
        ({"data.train_class": "class_0", "network.rows": (9,)}, None),
    ):
        config = plan_detector("wine", settings, is_clean=clean)
        assert config.model.latent_dim == 16 * config.model.network.members
        rows = settings.get("network.rows", (128,) if settings or clean else (16,))
        assert config.model.network.rows == rows


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.zeros(3, 5), r"shape \(4,\), got \(5,\)"),
        (torch.zeros(4), r"shape \(4,\), got \(\)"),
        (torch.zeros(0, 4), "no examples"),
        (torch.tensor([[0.0] * 4, [0.0, math.nan, 0.0, 0.0]]), "Example 1 .* NaN"),
        (torch.full((1, 4), math.inf), "Example 0 .* infinite"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_sentence(detector, x, says):
    for refuse in (detector.score, detector.p_values, lambda x: fit_detector(detector.model, x)):
        with pytest.raises(DataError, match=says):
            refuse(x)


def test_auroc_is_the_chance_that_an_anomaly_scores_higher_ties_counting_half():
    labels = torch.tensor([False, False, True, True])
    assert compute_auroc(torch.tensor([1.0, 2.0, 3.0, 4.0]), labels) == 1
    assert compute_auroc(torch.tensor([4.0, 3.0, 2.0, 1.0]), labels) == 0  # never turned round
    assert compute_auroc(torch.ones(4), labels) == 0.5
    assert compute_auroc(torch.tensor([1.0, 3.0, 2.0, 3.0]), labels) == pytest.approx(2.5 / 4)


def test_auroc_agrees_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 20, 500).astype(np.float32), rng.random(500) < 0.2
    ours = compute_auroc(torch.from_numpy(scores), torch.from_numpy(labels))
    assert ours == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)


def test_auroc_needs_both_kinds():
    with pytest.raises(AecoreError, match="got 3 and 0"):
        compute_auroc(torch.ones(3), torch.zeros(3))


def test_counts_at_a_threshold_are_those_of_the_truth():
    found = count_confusion(torch.tensor([1.0, 2, 3, 4, 5]), torch.tensor([0, 0, 1, 0, 1]), 2.5)
    assert found == (2, 0, 1, 2) and found.recall == 1 and found.precision == 2 / 3


def test_the_curves_pass_through_what_each_threshold_gives():
    torch.manual_seed(0)
    truth = torch.rand(300) < 0.2
    scores = torch.randn(300) + truth
    found = compute_detection_curves(scores, truth)
    assert found.auroc == pytest.approx(compute_auroc(scores, truth))
    assert np.trapezoid(found.true_positive_rate, found.false_positive_rate) == pytest.approx(
        found.auroc
    )
    at = count_confusion(scores, truth, 0.5)
    assert (
        np.isclose(found.recall, at.recall).any()
        and np.isclose(found.precision, at.precision).any()
    )
    with pytest.raises(DataError, match="0 and 300"):
        compute_detection_curves(scores, torch.ones(300, dtype=torch.bool))


def test_half_of_the_normal_examples_calibrate_and_no_other():
    normal = torch.arange(101) % 3 > 0
    rows = draw_calibration_rows(normal)
    assert (
        len(rows) == int(normal.sum()) // 2
        and normal[rows].all()
        and len(rows.unique()) == len(rows)
    )
    assert torch.equal(rows, draw_calibration_rows(normal))
    assert not torch.equal(rows, draw_calibration_rows(normal, seed=1))


def test_p_values_follow_from_scores_alone(detector):
    x = draw_line(20, 11)
    assert torch.equal(detector.p_values_of_scores(detector.score(x)), detector.p_values(x))


@pytest.mark.parametrize("miss", [0.2, 1.0, 30.0])
def test_no_other_threshold_costs_less(miss):
    torch.manual_seed(0)
    truth = torch.rand(60) < 0.3
    scores = (torch.randn(60) + truth).mul(4).round() / 4  # with ties

    def cost(threshold):
        counts = count_confusion(scores, truth, threshold)
        return miss * counts.false_negatives + counts.false_positives

    tried = [cost(t) for t in [scores.min() - 1, *scores.unique()]]
    assert cost(find_cheapest_threshold(scores, truth, miss)) == min(tried)


def test_where_nothing_is_to_be_found_the_cheapest_threshold_raises_no_alarm():
    scores = torch.tensor([1.0, 2.0, 3.0])
    assert not (scores > find_cheapest_threshold(scores, torch.zeros(3), 5)).any()
    assert (scores > find_cheapest_threshold(scores, torch.ones(3), 5)).all()
    with pytest.raises(ConfigError, match="more than 0, got -1"):
        find_cheapest_threshold(scores, torch.ones(3), -1)


def test_thresholds_of_few_examples_let_on_average_the_asked_share_through_and_as_unevenly_as_said():  # noqa: E501
    torch.manual_seed(0)
    given = [Detector(None, torch.rand(36).sort().values) for _ in range(4000)]
    shares = torch.tensor(
        [1 - one.threshold(0.1) for one in given]
    )  # of uniform scores, the share above t is 1 - t
    assert abs(shares.mean().item() - 0.1) < 0.003
    low, high = given[0].false_alarm_interval(0.1)
    assert abs(((shares > low) & (shares < high)).float().mean().item() - 0.9) < 0.02
    with pytest.raises(ConfigError, match="between 0 and 1"):
        given[0].false_alarm_interval(0)


def test_over_many_draws_the_false_alarms_are_those_asked_for():
    torch.manual_seed(1)
    normal = torch.arange(120) < 72
    scores = torch.where(normal, torch.randn(120), torch.randn(120) + 2)
    found = average_over_draws(scores, normal, 0.1, draws=200)
    assert abs(found.false_alarms - 0.1) < 0.02 and 0.5 < found.recall < 1 and found.draws == 200
    assert math.isnan(average_over_draws(scores[:72], normal[:72], 0.1, draws=2).recall)
