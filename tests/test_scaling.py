"""Columns of every kind are scaled within bounds, and train at the defaults of the variants."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

from aecore.analysis.metrics import evaluate_model
from aecore.data.arrays.column_notes import describe_odd_columns
from aecore.data.datasets import load_dataset
from aecore.estimator import AutoencoderDetector, AutoencoderImputer, AutoencoderTransformer
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig
from aecore.model.scaling import CLIP, fit_columns
from aecore.runs.listing import create_run
from aecore.runs.plan import load_matching_data, plan_run
from aecore.training.trainer import fit

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=(300, 4))
RARE = (RNG.random((300, 40)) < np.linspace(0, 0.3, 40)).astype(float)
RARE[7, :5] = 1
OUTLIER = NORMAL.copy()
OUTLIER[5, 2] = 1e30
SETS = {
    "long tails": np.exp(3 * RNG.normal(size=(300, 10))),
    "0 and 1": RARE,
    "-1 and 1": 2 * RARE - 1,
    "0 and 1 beside numbers": np.concatenate([RARE, NORMAL], 1),
    "counts": RNG.negative_binomial(0.1, 0.01, (300, 10)),
    "nearly constant": 5 + NORMAL * [1e-7, 1e-5, 1, 0],
    "1e30 once": OUTLIER,
    "3e37": NORMAL * [1, 1e29, 3e37, 1],
}


def save(folder, x):
    np.save(folder / "set.npy", x)
    return str(folder / "set.npy")


@pytest.mark.parametrize("variant", ["vae", "iwae"])
@pytest.mark.parametrize("name", SETS)
def test_nothing_diverges_and_its_model_can_be_measured(name, variant, tmp_path):
    settings = {"training.epochs": 2, "training.previews": 0}
    config = plan_run(variant, save(tmp_path, SETS[name]), settings=settings)
    run = create_run(config, tmp_path / "run")
    losses = [record.loss for record in fit(run) if hasattr(record, "loss")]
    assert all(map(math.isfinite, losses))
    assert losses[0] < 200 * SETS[name].shape[1], "the first epoch starts at a moderate loss"
    data = load_matching_data(config)
    for part in (data.train.x, data.test.x):
        figures = evaluate_model(Autoencoder.load(run.path), part)
        assert all(map(math.isfinite, figures.values()))


@pytest.mark.parametrize(
    ("x", "scaling"), [(RARE, "none"), (2 * RARE - 1, "minmax"), (255 * RARE, "minmax")]
)
@pytest.mark.parametrize("variant", ["vae", "vanilla", "denoising-salt-and-pepper"])
def test_rows_of_two_values_are_modelled_as_such(x, scaling, variant, tmp_path):
    model = plan_run(variant, save(tmp_path, x)).model
    assert (model.scaling, model.likelihood.kind, model.clip) == (scaling, "bernoulli", None)


def test_ordinary_columns_are_scaled_as_ever(tmp_path):
    x = torch.from_numpy(NORMAL).float() * 7 + 3
    fitted = fit_columns(x, "standard")
    assert torch.equal(fitted.shift, x.mean(0)) and torch.equal(fitted.scale, x.std(0, False))
    fitted = fit_columns(x, "minmax")
    assert torch.equal(fitted.shift, x.amin(0))
    assert torch.equal(fitted.scale, x.amax(0) - x.amin(0))
    model = plan_run("vae", save(tmp_path, NORMAL)).model
    assert (model.scaling, model.likelihood.kind, model.clip) == ("standard", "gaussian", None)


def test_missing_cells_do_not_spoil_the_scaling_of_very_large_numbers():
    x = torch.from_numpy(NORMAL * [1, 1e29, 3e37, 1]).float()
    x[3] = torch.nan
    x[:, 3] = torch.nan
    shift, scale = fit_columns(x, "standard", may_miss=True)
    assert shift.isfinite().all() and scale.isfinite().all() and (scale > 0).all()
    assert scale[2] == pytest.approx(3e37, rel=0.2) and scale[3] == 1


def test_a_column_with_a_long_tail_is_scaled_by_its_other_values():
    x = torch.from_numpy(np.stack([OUTLIER[:, 2], NORMAL[:, 0]], 1)).float()
    shift, scale = fit_columns(x, "standard")
    assert abs(shift[0]) < 1 and 0.5 < scale[0] < 2
    assert scale[1] == x[:, 1].std(correction=0)


def test_values_far_out_are_clipped_where_the_set_has_any(tmp_path):
    config = plan_run("vae", save(tmp_path, OUTLIER))
    assert config.model.clip == CLIP
    model = Autoencoder(config.model)
    x = load_dataset(config.data).train.x
    model.fit_scaling(x)
    assert model.to_scaled(torch.tensor([[0, 0, 1e30, -1e9]])).abs().max() == CLIP


def test_a_model_without_a_clip_leaves_values_as_they_are():
    config = ModelConfig(input_shape=(2,), latent_dim=1, scaling="standard")
    assert Autoencoder(config).to_scaled(torch.tensor([[1e9, -5.0]])).tolist() == [[1e9, -5.0]]


def test_log_variances_of_odd_examples_do_not_explode_and_others_stay_as_they_are():
    config = ModelConfig(input_shape=(3,), latent_dim=2, bottleneck={"kind": "gaussian"})
    out = torch.tensor([[900.0, -900.0, -70.0, 6.0], [1.0, 2.0, 80.0, 5.9]], requires_grad=True)
    codes = Autoencoder(config).activate(out)
    assert torch.equal(codes[0], out[0]) and codes[1, 3] == out[1, 3]
    assert 6 < codes[1, 2] < 12
    codes.sum().backward()
    assert (out.grad > 0).all() and out.grad.flatten()[:6].tolist() == [1.0] * 6


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (RARE, "All values are 0 or 1"),
        (OUTLIER, "far from all others in x2"),
        (OUTLIER, "count as 30: x2"),
        (SETS["nearly constant"], "Nearly constant: x0"),
    ],
)
def test_unusual_columns_are_named_in_a_note(x, words):
    x = x.astype(np.float32)
    assert words in " ".join(describe_odd_columns(x, [f"x{i}" for i in range(x.shape[1])]))
    assert describe_odd_columns(NORMAL.astype(np.float32), "abcd") == []


class TestViews:
    """Estimators on arrays that do not lie in memory one value after the other."""

    X: ClassVar = RNG.normal(size=(30, 4))
    VIEWS: ClassVar = {
        "rows backwards": X[::-1],
        "columns backwards": X[:, ::-1],
        "every second column": X[:, ::2],
        "column by column": np.asfortranarray(X),
        "a frame backwards": pd.DataFrame(X, columns=list("abcd"))[::-1],
        "read-only": np.frombuffer(X.tobytes()).reshape(X.shape),
    }

    @pytest.mark.parametrize("name", VIEWS)
    @pytest.mark.parametrize(
        ("kind", "call"),
        [
            (AutoencoderTransformer, "transform"),
            (AutoencoderDetector, "score_samples"),
            (AutoencoderImputer, "transform"),
        ],
    )
    def test_a_view_is_taken_as_its_copy(self, kind, call, name):
        view = self.VIEWS[name]
        fitted = kind(epochs=1, random_state=0).fit(view)
        assert np.allclose(getattr(fitted, call)(view), getattr(fitted, call)(view.copy()))
