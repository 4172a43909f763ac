"""The Anomaly page: scores, a threshold with its mistakes, and reasons."""

import numpy as np
import pandas as pd
import pytest
import torch

from aecore import data
from aecore.autoencoder import Autoencoder
from aecore.tasks import anomaly
from tests.app.test_data_page import brought, texts
from tests.test_data_images import packed, picture
from ui import anomalies, cache, inputs


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def test_a_first_visit_finds_malignant_tumours_among_benign_ones(open_page):
    app = open_page("apply_anomaly.py")
    assert not app.exception and not app.error
    shown = metrics(app)
    assert float(shown["AUROC"]) > 0.9 and float(shown["Found"].rstrip("%")) > 40
    for chart in ("histogram", "confusion", "roc", "pr", "why"):
        assert app.get_by_key(chart).proto.spec
    assert "normal test examples, which are not scored" in texts(app)
    assert "class malignant** scores" in texts(app)


def test_fewer_false_alarms_find_fewer(open_page):
    strict, lax = (metrics(open_page("apply_anomaly.py", alarms=share)) for share in ("0.5", "30"))
    assert float(strict["Threshold"]) > float(lax["Threshold"])
    assert float(strict["Found"].rstrip("%")) <= float(lax["Found"].rstrip("%"))


def test_calibration_takes_none_of_the_scored_examples(trained, no_shipped):
    run = trained("denoising-gaussian", "breast-cancer", **{"data.train_class": "benign", "data.limit": None})
    found, _ = cache.dataset(run)
    given = inputs.Inputs(f"test set of {found.name}", found.test.x, found.test.y, found.classes, (), None, "")
    calibration, rest, words = anomalies.divided(found, given, ["benign"])
    benign = found.classes.index("benign")
    assert len(calibration) == int((found.test.y == benign).sum()) // 2 and "not scored" in words
    assert len(rest) == len(found.test.x) - len(calibration)
    scored = {tuple(row) for row in found.test.x[rest].tolist()}
    assert not any(tuple(row) in scored for row in calibration.tolist())


def test_without_labels_there_is_a_ranking_and_no_claim(open_page, trained, no_shipped):
    run = trained("denoising-gaussian", "breast-cancer")
    found, _ = cache.dataset(run)
    frame = pd.DataFrame(found.test.x.numpy(), columns=list(found.columns))
    one = brought("new.csv", frame.to_csv(index=False).encode())
    app = open_page("apply_anomaly.py", inputs=one.token)
    assert not app.exception and not app.error
    assert "AUROC" not in metrics(app) and "Nothing says which of these are anomalous" in texts(app)


def test_results_keep_the_visitors_rows_and_columns(trained, no_shipped):
    run = trained("denoising-gaussian", "breast-cancer")
    found, _ = cache.dataset(run)
    net = Autoencoder.load(run.path)
    frame = pd.DataFrame(found.test.x[:30].numpy(), columns=list(found.columns)).assign(patient=range(30))
    given = inputs.Inputs("new.csv", found.test.x[:30], None, (), (), frame, "")
    detector = anomaly.fit(net, found.train.x)
    scored = anomalies.Scored(given, detector, detector.score(given.x), None, "")
    table = anomalies.as_table(scored, detector.threshold(0.2))
    assert list(table.columns[-4:]) == ["patient", "score", "p_value", "is_anomaly"]
    assert table.patient.tolist() == list(range(30))
    assert np.allclose(table.p_value, detector.p_values(given.x)) and table.is_anomaly.dtype == bool


def test_any_classes_can_be_the_strange_ones(open_page, trained, no_shipped):
    run = trained("vanilla", "digits", **{"data.train_class": "1", "data.limit": None})
    app = open_page("apply_anomaly.py", run=run.id, rank="2")
    assert not app.exception and not app.error
    assert float(metrics(app)["AUROC"]) > 0.9 and len(app.image) == 3
    app.multiselect[0].set_value(list("0123456789")).run()
    assert not app.exception and "AUROC" not in metrics(app)


def test_ones_own_pictures_are_named_in_the_results(open_page, trained, no_shipped, tmp_path):
    run = trained("vanilla")
    files = {f"pet{i}.png": picture("L", (8, 8), i * 20) for i in range(12)}
    one = brought("pets.zip", packed(tmp_path, files).read_bytes())
    app = open_page("apply_anomaly.py", run=run.id, inputs=one.token)
    assert not app.exception and not app.error and "Why pet" in texts(app)


def test_points_of_a_manifold_are_scored_too(open_page, trained, no_shipped):
    trained("denoising-gaussian", "moons")
    app = open_page("apply_anomaly.py")
    assert not app.exception and not app.error


def test_few_examples_are_calibrated_on_training_ones_and_that_is_said(open_page, trained, no_shipped):
    trained("vanilla", **{"data.limit": 12})
    assert "training examples, which score too low" in texts(open_page("apply_anomaly.py"))


@pytest.mark.parametrize("link", [{"alarms": "-3"}, {"alarms": "x", "rank": "1e9", "inputs": "no"}])
def test_nonsense_in_the_link_opens_the_default(open_page, link):
    app = open_page("apply_anomaly.py", **link)
    assert not app.exception and not app.error


def test_the_shipped_detector_never_saw_a_malignant_tumour():
    config = next(r for r in cache.runs.list_runs() if r.id == "breast-cancer-detector").config()
    assert data.load(config.data).train.y.unique().tolist() == [1] and torch.is_tensor(data.load(config.data).test.y)
