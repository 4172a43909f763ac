"""Missing cells: what they do to the loss and the metrics, and how they are filled in."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import model, trained

from aecore.analysis.imputation import draw_imputations, hide_cells, impute_cells
from aecore.analysis.latent import decoding_errors
from aecore.analysis.metrics import evaluate_model
from aecore.data.datasets import load_dataset
from aecore.errors import ConfigError, DataError, RunError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from aecore.runs.plan import plan_run
from aecore.runs.recipe import format_train_command
from aecore.tasks.impute import compute_imputation_rmse, impute_by_baselines

HOLES = {"missing": True, "scaling": "standard"}
VAE = {"bottleneck": {"kind": "gaussian"}, "likelihood": {"kind": "gaussian", "variance": 0.3}}


@pytest.fixture
def x():
    """(40, 6), in float64, about a third of it missing."""
    torch.manual_seed(2)
    x = torch.randn(40, 6, dtype=torch.float64) * 3 + 5
    x[torch.rand(40, 6) < 0.35] = math.nan
    return x


def make_holed(**options):
    return model(**HOLES, **options).double().eval()


# -- the loss


@pytest.mark.parametrize(
    "likelihood",
    [{"kind": "gaussian"}, {"kind": "gaussian", "learned": True}, {"kind": "student_t"}],
)
@pytest.mark.parametrize(
    "bottleneck", [{"kind": "deterministic"}, {"kind": "gaussian", "bound": "iwae", "samples": 4}]
)
def test_what_stands_in_a_missing_cell_changes_neither_loss_nor_gradient(x, likelihood, bottleneck):
    made = make_holed(likelihood=likelihood, bottleneck=bottleneck)
    torch.manual_seed(0)
    loss = made.loss(x).total
    loss.backward()
    gradients = [p.grad.clone() for p in made.parameters()]
    assert loss.isfinite() and all(g.isfinite().all() for g in gradients)
    observed, scaled = made.observed(x), made.to_scaled(x)
    logits = made.decode_samples(torch.randn(4, 40, 3, dtype=torch.float64))
    wild = torch.where(observed, scaled, 1e3)
    assert torch.equal(
        made.likelihood.loss(logits, scaled, observed), made.likelihood.loss(logits, wild, observed)
    )


@pytest.mark.parametrize(
    "likelihood",
    [{"kind": "gaussian"}, {"kind": "gaussian", "learned": True}, {"kind": "student_t"}],
)
def test_a_mask_that_hides_nothing_changes_nothing(x, likelihood):
    made, whole = make_holed(likelihood=likelihood), torch.randn(9, 6, dtype=torch.float64)
    logits = made.decoder(torch.randn(9, 3, dtype=torch.float64))
    everywhere = torch.ones(9, 6, dtype=torch.bool)
    masked = made.likelihood.loss(logits, whole, everywhere)
    assert torch.allclose(masked, made.likelihood.loss(logits, whole), rtol=1e-12)
    plain = model(scaling="standard", likelihood=likelihood).double()
    plain.load_state_dict(made.state_dict())
    assert made.loss(whole).total.item() == pytest.approx(plain.loss(whole).total.item(), rel=1e-12)


def test_the_loss_is_the_sum_over_the_observed_cells_of_each_example(x):
    made = make_holed(likelihood={"kind": "gaussian"})
    rebuilt = made.to_scaled(made.reconstruct(x))
    by_hand = [
        (rebuilt - made.to_scaled(x))[i][~x[i].isnan()].square().sum() for i in range(len(x))
    ]
    assert made.loss(x).total.item() == pytest.approx(torch.stack(by_hand).mean().item(), rel=1e-12)
    assert evaluate_model(made, x)["se"] == pytest.approx(made.loss(x).total.item(), rel=1e-12)
    assert decoding_errors(made, x, made.encode(x)).tolist() == pytest.approx(
        [v.item() for v in by_hand]
    )


def test_scaling_is_fitted_to_the_observed_cells(x):
    made = make_holed()
    x[:, 4] = math.nan  # a column that was never measured
    x[:, 5] = 7
    made.fit_scaling(x)
    scaled, observed = made.to_scaled(x), made.observed(x)
    assert (scaled[~observed] == 0).all()
    for column in range(4):
        seen = scaled[observed[:, column], column]
        assert seen.mean().item() == pytest.approx(0, abs=1e-6) and seen.std(
            correction=0
        ).item() == pytest.approx(1)
    assert made.scale[4] == 1 and made.shift[4] == 0 and made.scale[5] == 1


def test_the_bounds_count_the_observed_cells_alone(x):
    made = make_holed(**VAE)
    few = x.clone()
    few[:, 3:] = math.nan
    narrow = few[:, :3]
    values, count = evaluate_model(made, few, samples=4), (~narrow.isnan()).sum().item() / len(x)
    torch.manual_seed(0)
    loss = made.loss(few)
    assert values["kl"] == pytest.approx(loss.rate.item())
    constant = count / 2 * math.log(2 * math.pi * 0.3)
    draws = torch.tensor([made.loss(few).reconstruction.item() for _ in range(200)])
    assert values["nll_bound"] == pytest.approx(
        draws.mean().item() + constant + values["kl"], abs=5 * draws.std().item()
    )
    assert evaluate_model(made, torch.full((3, 6), math.nan))["nll_bound"] == pytest.approx(
        made.loss(torch.full((3, 6), math.nan)).rate.item()
    )


# -- imputation of what is known exactly


def gaussian_table(n=60, q=2, d=5, noise=0.3):
    """A linear VAE that is the true model of its data, with its exact posterior, and rows of it."""
    torch.manual_seed(4)
    weight, mean = torch.randn(d, q, dtype=torch.float64), torch.zeros(d, dtype=torch.float64)
    made = (
        model(
            input_shape=(d,),
            latent_dim=q,
            network={"kind": "mlp", "hidden": ()},
            bottleneck={"kind": "gaussian"},
            likelihood={"kind": "gaussian", "variance": noise},
        )
        .double()
        .eval()
    )
    inverse = torch.linalg.inv(weight.T @ weight + noise * torch.eye(q, dtype=torch.float64))
    back = inverse @ weight.T
    state = {
        "encoder.layers.0.weight": torch.cat([back, torch.zeros(q, d, dtype=torch.float64)]),
        "encoder.layers.0.bias": torch.cat(
            [-back @ mean, (noise * inverse.diagonal() * 16).log()]
        ),  # wide: it covers
        "decoder.layers.0.weight": weight,
        "decoder.layers.0.bias": mean,
    }
    made.load_state_dict(state, strict=False)
    x = mean + torch.randn(n, q, dtype=torch.float64) @ weight.T
    x = x + math.sqrt(noise) * torch.randn(n, d, dtype=torch.float64)
    covariance = weight @ weight.T + noise * torch.eye(d, dtype=torch.float64)
    return made, x, mean, covariance


def compute_conditional(row, mean, covariance):
    """Mean and covariance of a Gaussian's missing cells, given the others."""
    gone = row.isnan()
    gain = covariance[gone][:, ~gone] @ torch.linalg.inv(covariance[~gone][:, ~gone])
    spread = covariance[gone][:, gone] - gain @ covariance[~gone][:, gone]
    return mean[gone] + gain @ (row[~gone] - mean[~gone]), spread


def test_the_weighted_mean_is_the_conditional_expectation_of_a_gaussian():
    made, x, mean, covariance = gaussian_table()
    x[:, 1], x[:, 3] = math.nan, math.nan
    found = impute_cells(made, x, draws=20_000)
    exact = torch.stack([compute_conditional(row, mean, covariance)[0] for row in x])
    assert (found[:, [1, 3]] - exact).abs().max() < 0.15
    assert (found[:, [1, 3]] - exact).square().mean().sqrt() < 0.03
    unweighted = made.reconstruct(x.nan_to_num(0))[:, [1, 3]]
    assert (unweighted - exact).square().mean().sqrt() > 0.2, (
        "without weights the test would show nothing"
    )


def test_many_imputations_have_the_conditional_mean_and_spread_of_a_gaussian():
    made, x, mean, covariance = gaussian_table(n=3)
    x[:, 1], x[:, 3] = math.nan, math.nan
    found = draw_imputations(made, x, count=20_000, draws=20_000)[:, :, [1, 3]]
    for i, row in enumerate(x):
        exact, spread = compute_conditional(row, mean, covariance)
        assert torch.allclose(found[:, i].mean(0), exact, atol=0.1)
        assert torch.allclose(
            torch.cov(found[:, i].T), spread, atol=0.15 * spread.abs().max().item()
        )


@pytest.mark.parametrize(
    "options", [VAE, {}, {"bottleneck": {"kind": "gaussian"}, "likelihood": {"kind": "student_t"}}]
)
def test_observed_cells_come_back_untouched_and_the_rest_are_numbers(x, options, monkeypatch):
    made = make_holed(**options)
    made.fit_scaling(x)
    found = impute_cells(made, x, draws=50)
    seen = ~x.isnan()
    assert torch.equal(found[seen], x[seen]) and found.isfinite().all()
    assert torch.equal(found, impute_cells(made, x, draws=50))
    if options:
        many = draw_imputations(made, x, count=3, draws=50)
        assert many.shape == (3, 40, 6) and many.isfinite().all()
        assert (
            torch.equal(many[:, seen], x[seen].expand(3, -1)) and (many[0] != many[1])[~seen].all()
        )
    monkeypatch.setattr("aecore.analysis.imputation.CHUNK_BYTES", 1)  # a row at a time
    assert impute_cells(made, x, draws=50).shape == x.shape


def test_a_model_without_a_distribution_fills_in_its_reconstruction_and_gives_no_draws(x):
    made = make_holed()
    made.fit_scaling(x)
    once = impute_cells(made, x)
    assert torch.allclose(once[x.isnan()], made.reconstruct(x)[x.isnan()])
    assert torch.allclose(
        impute_cells(made, x, rounds=2)[x.isnan()], made.reconstruct(once)[x.isnan()]
    )
    with pytest.raises(ConfigError, match="variational"):
        draw_imputations(made, x)


def test_wrong_shapes_are_named():
    with pytest.raises(ConfigError, match=r"\(N, 6\), got shape \(2, 5\)"):
        impute_cells(model(**VAE), torch.zeros(2, 5))


# -- data, training and the folder


@pytest.fixture
def table(tmp_path, x):
    path = tmp_path / "table.csv"
    pd.DataFrame(x.numpy(), columns=list("abcdef")).to_csv(path, index=False)
    return path


def test_missing_cells_are_kept_unless_they_are_to_be_refused(table, x):
    with pytest.raises(DataError, match=r"missing values in .*set data\.missing to keep"):
        load_dataset(DataConfig(name=str(table), missing="refuse"))
    found = load_dataset(DataConfig(name=str(table)))
    assert torch.cat([found.train.x, found.test.x]).isnan().sum() == x.isnan().sum()


def test_arrays_keep_missing_cells_of_tables_and_never_of_images(tmp_path, x):
    path = tmp_path / "rows.npz"
    np.savez(path, x=x.numpy())
    with pytest.raises(DataError, match=r"Remove or fill them, or set data\.missing to keep"):
        load_dataset(DataConfig(name=str(path), missing="refuse"))
    assert load_dataset(DataConfig(name=str(path))).train.x.isnan().any()
    np.savez(path, x=np.where(np.isnan(x.numpy()), np.inf, x.numpy()))
    with pytest.raises(DataError, match="infinite values"):
        load_dataset(DataConfig(name=str(path), missing="keep"))
    np.savez(path, x=np.full((4, 8, 8), np.nan))
    with pytest.raises(DataError, match=r"Remove or fill them\.$"):
        load_dataset(DataConfig(name=str(path), missing="keep"))


@pytest.mark.parametrize("variant", ["vanilla", "vae", "iwae", "denoising-masking", "wae-mmd"])
def test_a_run_with_missing_cells_trains_to_its_end_and_is_measured(table, variant, tmp_path):
    config = plan_run(variant, str(table), settings={"training.epochs": 2})
    assert config.model.missing
    run = trained(config, tmp_path / "run")
    assert run.state().state == "done" and all(
        math.isfinite(v) for v in run.test_metrics().values()
    )
    made, x = Autoencoder.load(run.path), load_dataset(config.data).test.x
    assert impute_cells(made, x, draws=10).isfinite().all()
    assert "missing=true" in format_train_command(config, "table")


def test_what_missing_cells_cannot_be_combined_with_is_named():
    for options, words in (
        ({"missing": True}, "scaling standard"),
        ({"missing": True, "scaling": "minmax"}, "scaling standard"),
        ({"likelihood": {"kind": "student_t"}, "input_shape": (1, 8, 8)}, "is for tables"),
        (
            {"likelihood": {"kind": "student_t"}, "network": {"kind": "mlp", "tied": True}},
            "not tied",
        ),
    ):
        with pytest.raises(ConfigError, match=words):
            model(**options)


def test_a_model_of_whole_examples_never_meets_a_missing_cell(table, tmp_path):
    config = plan_run("vanilla", str(table), settings={"training.epochs": 1, "missing": False})
    with pytest.raises(RunError, match="has missing cells, but this model is for whole examples"):
        trained(config, tmp_path / "run")


def test_a_table_without_missing_cells_plans_a_plain_model_unless_one_asks(tmp_path):
    path = tmp_path / "whole.csv"
    pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3))).to_csv(path, index=False)
    assert not plan_run("vanilla", str(path)).model.missing
    assert plan_run("vanilla", str(path), settings={"data.missing": "keep"}).model.missing


def test_hidden_cells_are_known_ones_and_every_row_keeps_one():
    x = torch.randn(400, 5, generator=torch.Generator().manual_seed(0))
    x[:200, 1:] = torch.nan
    hidden = hide_cells(x, 0.5)
    assert not (hidden & x.isnan()).any() and not hidden[:200].any()
    assert 0.4 < hidden[200:].float().mean() < 0.55 and ((~hidden) & ~x.isnan()).any(1).all()
    assert torch.equal(hidden, hide_cells(x, 0.5)) and not torch.equal(
        hidden, hide_cells(x, 0.5, seed=1)
    )


def test_a_hidden_word_is_hidden_in_all_of_its_features():
    x = torch.rand(200, 4, generator=torch.Generator().manual_seed(0))
    hidden = hide_cells(x, 0.4, columns=(slice(0, 1), slice(1, 3), slice(3, 4)))
    assert torch.equal(hidden[:, 1], hidden[:, 2]) and hidden[:, 1].any()
    assert not torch.equal(hidden[:, 0], hidden[:, 1])


def test_the_usual_ways_fill_only_what_is_missing_and_use_the_other_columns():
    torch.manual_seed(0)
    t = torch.randn(300, 1)
    x = t @ torch.tensor([[1.0, 1000, -1]]) + 0.01 * torch.randn(300, 3) * torch.tensor(
        [1.0, 1000, 1]
    )
    hidden = hide_cells(x, 0.3)
    given = x.masked_fill(hidden, torch.nan)
    found = impute_by_baselines(given[:200], given)
    errors = {
        name: compute_imputation_rmse(filled, x, hidden, x.std(0)) for name, filled in found.items()
    }
    assert all(torch.equal(filled[~hidden], x[~hidden]) for filled in found.values())
    assert (
        errors["column means"] > 0.8
        and errors["5 nearest rows"] < 0.4
        and errors["chained regressions"] < 0.4
    )


def test_a_column_of_which_nothing_is_known_is_filled_with_something_finite():
    x = torch.randn(50, 3)
    x[:, 1] = torch.nan
    assert all(filled.isfinite().all() for filled in impute_by_baselines(x, x).values())


def test_there_is_no_error_where_nothing_was_hidden():
    with pytest.raises(DataError, match="Hide a larger share"):
        compute_imputation_rmse(
            torch.ones(2, 2), torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.bool), torch.ones(2)
        )
    with pytest.raises(ConfigError, match="between 0 and 1, got 2"):
        hide_cells(torch.ones(2, 2), 2)


def test_draws_without_noise_are_what_a_code_decodes_to():
    net = model(**VAE, **HOLES).eval()
    x = torch.randn(6, 6)
    x[:, 3:] = torch.nan
    many = draw_imputations(net, x, 3, 50, noise=False)
    assert many.shape == (3, 6, 6) and torch.equal(many[:, :, :3], x[:, :3].expand(3, -1, -1))
    noisy = draw_imputations(net, x, 300, 50)[:, :, 3:].std(0).mean()
    assert draw_imputations(net, x, 300, 50, noise=False)[:, :, 3:].std(0).mean() < noisy
