"""The scikit-learn face."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_outlier_contamination,
    check_outliers_fit_predict,
    check_outliers_train,
    parametrize_with_checks,
)

from aecore.errors import AecoreError, CheckpointError
from aecore.estimator import AutoencoderDetector, AutoencoderImputer, AutoencoderTransformer

QUICK = {"epochs": 3, "random_state": 0, "device": "cpu"}
ONCE = {**QUICK, "epochs": 1}
KINDS = [AutoencoderTransformer, AutoencoderDetector, AutoencoderImputer]


@pytest.fixture
def iris():
    return load_iris(as_frame=True, return_X_y=True)


@parametrize_with_checks(
    [
        AutoencoderTransformer(**ONCE),
        AutoencoderDetector(**QUICK, settings={"training.passes": 3}),
        AutoencoderImputer(**ONCE, n_draws=20),
    ]
)
def test_the_estimators_keep_scikit_learns_contract_without_exception(estimator, check):
    check(estimator)


def test_a_linear_transformer_keeps_the_variance_that_principal_components_explain(iris):
    x, _ = iris
    found = AutoencoderTransformer(
        "linear", 2, epochs=150, random_state=0, settings={"training.lr": 0.02}
    ).fit(x)
    explained = PCA(2).fit(StandardScaler().fit_transform(x)).explained_variance_ratio_.sum()
    assert found.score(x) == pytest.approx(explained, abs=1e-3)
    assert found.inverse_transform(found.transform(x)).shape == x.shape


def test_pandas_go_in_and_out_with_their_names(iris):
    x, _ = iris
    codes = (
        AutoencoderTransformer("vae", 3, **QUICK).set_output(transform="pandas").fit_transform(x)
    )
    assert list(codes.columns) == [
        f"autoencodertransformer{i}" for i in range(3)
    ] and codes.index.equals(x.index)
    x.iloc[::7, 1] = np.nan
    filled = AutoencoderImputer(**QUICK).set_output(transform="pandas").fit(x).transform(x)
    assert list(filled.columns) == list(x.columns) and not filled.isna().any(axis=None)


@pytest.mark.parametrize("kind", [AutoencoderTransformer, AutoencoderDetector])
@pytest.mark.parametrize("variant", ["linear", "vae"])
def test_rows_may_miss_cells_where_rows_of_the_training_did(iris, kind, variant):
    x = iris[0].to_numpy(copy=True)
    whole = kind(variant, 2, **ONCE).fit(x)
    x[3, 1] = x[70, 0] = np.nan
    with pytest.raises(ValueError, match="NaN, and no cell was missing in training"):
        whole.predict(x) if kind is AutoencoderDetector else whole.transform(x)
    found = kind(variant, 2, **ONCE).fit(x)
    if kind is AutoencoderDetector:
        assert np.isfinite(found.score_samples(x)).all()
    else:
        assert np.isfinite(found.transform(x)).all() and found.score(x) > 0.5


def test_a_grid_search_over_a_pipeline_chooses_the_size_of_the_code(iris):
    x, y = iris
    transformer = AutoencoderTransformer(
        "linear", **{**QUICK, "epochs": 20}, settings={"training.lr": 0.02}
    )
    pipeline = make_pipeline(transformer, LogisticRegression())
    search = GridSearchCV(pipeline, {"autoencodertransformer__latent_dim": [1, 3]}, cv=3).fit(x, y)
    assert (
        search.best_params_ == {"autoencodertransformer__latent_dim": 3}
        and search.best_score_ > 0.85
    )


def test_a_detector_of_clean_rows_raises_as_many_false_alarms_as_allowed():
    x, benign = load_breast_cancer(return_X_y=True)
    normal = np.random.default_rng(0).permutation(x[benign == 1])
    detector = AutoencoderDetector(random_state=0, false_alarms=0.1).fit(normal[:250])
    assert (detector.predict(x[benign == 0]) == -1).mean() > 0.8
    assert 0.02 < (detector.predict(normal[250:]) == -1).mean() < 0.2
    assert (detector.predict(normal[:250]) == -1).mean() < 0.1  # rows that it knows are normal
    columns = detector.score_columns(x)
    assert columns.shape == x.shape and np.allclose(columns.sum(1), -detector.score_samples(x))


def test_a_detector_finds_far_points_among_the_rows_that_it_was_fitted_on():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(285, 5)), rng.uniform(-8, 8, (15, 5))])
    detector = AutoencoderDetector(random_state=0)
    found = detector.fit_predict(x)
    assert (found[285:] == -1).all() and (found[:285] == -1).sum() < 10
    assert np.array_equal(detector.predict(x), found)
    shared = detector.set_params(contamination=0.05).fit_predict(x)
    assert (shared[285:] == -1).all() and (shared == -1).sum() == 15


def test_a_detector_of_one_network_sets_its_threshold_on_rows_that_a_second_one_did_not_see():
    x = np.random.default_rng(0).normal(size=(100, 3))
    detector = AutoencoderDetector(**QUICK, settings={"network.kind": "mlp"}, latent_dim=3).fit(x)
    assert detector.model_.config.latent_dim == 3
    assert np.percentile(detector.score_samples(x), 5) != detector.offset_


@pytest.mark.parametrize(
    "check", [check_outliers_train, check_outliers_fit_predict, check_outlier_contamination]
)
def test_the_defaults_keep_the_contract_of_outlier_detectors(check):
    check("AutoencoderDetector", AutoencoderDetector())


def test_an_imputer_beats_column_means_and_leaves_known_cells_alone(iris):
    x = iris[0].to_numpy()
    holes = np.random.default_rng(0).random(x.shape) < 0.2
    given = np.where(holes, np.nan, x)
    imputer = AutoencoderImputer(epochs=40, random_state=0, n_draws=100).fit(given)
    filled = imputer.transform(given)
    assert np.array_equal(filled[~holes], x[~holes])
    spread = x.std(0)

    def error(guess):
        return np.square((guess - x) / spread)[holes].mean()

    assert error(filled) < 0.5 * error(np.where(holes, np.nanmean(given, 0), x))
    draws = imputer.sample(given, 20)
    assert (
        draws.shape == (20, *x.shape)
        and draws[:, holes].std(0).min() > 0
        and (draws[:, ~holes] == x[~holes]).all()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_saved_is_loaded_without_pickle_and_answers_alike(kind, iris, tmp_path):
    x, _ = iris
    fitted = kind(**QUICK, settings={"network.hidden": (9,)}).fit(x)
    fitted.save(tmp_path / "kept")
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} == {".json", ".safetensors"}
    loaded = kind.load(tmp_path / "kept")
    assert list(loaded.feature_names_in_) == list(x.columns) and loaded.epochs == 3
    method = "predict" if kind is AutoencoderDetector else "transform"
    assert np.array_equal(getattr(loaded, method)(x), getattr(fitted, method)(x))


@pytest.fixture(scope="module")
def detector():
    return AutoencoderDetector(**QUICK).fit(load_iris(as_frame=True).data)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("offset_"), "not what save wrote"),
        (lambda state: state.update(parameters={"command": "rm"}), "not what save wrote"),
        (lambda state: state.update(parameters=[]), "not what save wrote"),
        (lambda state: state.update(n_features_in_=7, feature_names_in_=None), "7 columns"),
        (lambda state: state.update(offset_=float("nan")), "not finite"),
        (lambda state: state.update(feature_names_in_=["a"]), "names are not one a column"),
        (lambda state: state.update(feature_names_in_=[1, 2, 3, 4]), "names are not one a column"),
        (lambda state: state.update(long="x" * 10_000_001), "10,00"),
        (
            lambda state: state.update(estimator="AutoencoderImputer"),
            "Load it with AutoencoderImputer.load",
        ),
    ],
)
def test_a_folder_that_is_not_what_it_should_be_is_refused(change, words, detector, tmp_path):
    detector.save(tmp_path)
    state = json.loads((tmp_path / "estimator.json").read_text())
    change(state)
    (tmp_path / "estimator.json").write_text(json.dumps(state))
    with pytest.raises(CheckpointError, match=words):
        AutoencoderDetector.load(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_another_kinds_folder_is_named(kind, iris, tmp_path):
    AutoencoderTransformer("vae", np.int64(2), **{**QUICK, "epochs": np.int64(2)}).fit(
        iris[0]
    ).save(tmp_path)
    if kind is AutoencoderTransformer:
        assert kind.load(tmp_path).latent_dim == 2  # NumPy's numbers, as a grid search gives them
    else:
        with pytest.raises(CheckpointError, match="Load it with AutoencoderTransformer"):
            kind.load(tmp_path)


def test_a_folder_without_an_estimator_is_named(tmp_path):
    (tmp_path / "estimator.json").write_text("[" * 50_000)
    with pytest.raises(CheckpointError, match="not what save wrote"):
        AutoencoderTransformer.load(tmp_path)
    (tmp_path / "estimator.json").unlink()
    with pytest.raises(CheckpointError, match="has no estimator"):
        AutoencoderTransformer.load(tmp_path)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"variant": "nonsense"}, AecoreError, "nonsense"),
        ({"settings": {"network.nonsense": 1}}, AecoreError, "nonsense"),
        ({"false_alarms": 1.5}, AecoreError, "between 0 and 1, got 1.5"),
        ({"contamination": 0.6}, AecoreError, "between 0 and 0.5, got 0.6"),
        ({"contamination": "much"}, AecoreError, 'must be "auto"'),
        ({"contamination": 0.1, "false_alarms": 0.1}, AecoreError, "give one of them"),
    ],
)
def test_wrong_options_are_named_in_a_sentence(options, error, words, iris):
    with pytest.raises(error, match=words):
        AutoencoderDetector(**{**QUICK, **options}).fit(iris[0])


def test_the_index_of_a_table_survives_detection(iris, detector):
    x = iris[0]
    order = np.random.default_rng(0).permutation(len(x))
    shuffled = pd.Series(detector.score_samples(x.iloc[order]), x.index[order])
    assert np.allclose(shuffled.sort_index(), detector.score_samples(x))
