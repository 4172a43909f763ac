"""The linear path: a model starts as PCA; parts that cannot have it say so."""

from __future__ import annotations

import pytest
import torch
from helpers import digits, tiny, trained
from sklearn.decomposition import PCA

from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, ModelConfig, RunConfig, TrainConfig, parse_options
from aecore.model.export import export_model
from aecore.model.parts.likelihoods.gaussian import Gaussian
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure
from aecore.model.variants.overrides import override_config
from aecore.runs.listing import create_run
from aecore.runs.recipe import format_train_command
from aecore.runs.sweep import with_equal_steps
from aecore.training.pca_start import start_as_pca
from aecore.training.preparation import build_initial_model
from aecore.training.trainer import Trainer, fit
from ui.train.settings import describe_linear_path

PATH = {"kind": "mlp", "hidden": (16,), "linear_path": True}
DENSE = {"kind": "residual", "channels": (8,), "code": "dense"}
CPU = torch.device("cpu")
WITH_PATH = [
    "vanilla",
    "linear",
    "stacked",
    "denoising-gaussian",
    "denoising-masking",
    "denoising-salt-and-pepper",
    "vae",
    "beta-vae",
    "iwae",
    "wae-mmd",
    "codec",
]


def start(x, **options):
    """A model at the start of its training on x, as PCA."""
    values = {"input_shape": tuple(x.shape[1:]), "latent_dim": 5, "network": PATH, **options}
    model = build_initial_model(parse_options(ModelConfig, values), x, CPU, seed=0)
    start_as_pca(model, x)
    return model.eval()


def reconstruct_by_pca(x, units):
    rows = x.flatten(1).numpy()
    pca = PCA(units, svd_solver="full").fit(rows)
    return torch.from_numpy(pca.inverse_transform(pca.transform(rows))).view_as(x)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bottleneck": {"kind": "gaussian"}},
        {"network": {**PATH, "norm": "batch", "hidden": (16, 8)}},
        {"corruption": {"kind": "gaussian", "sigma": 0.5}},
        {"network": {**PATH, "hidden": ()}},
        {"latent_dim": 70, "network": {**PATH, "hidden": (80,)}},
        {"network": DENSE},
        {"network": DENSE, "bottleneck": {"kind": "gaussian"}},
    ],
    ids=str,
)
def test_a_model_starts_as_pca(options):
    x = digits(300)
    model = start(x, **options)
    expected = reconstruct_by_pca(x, min(64, model.config.latent_dim))
    assert torch.allclose(model.reconstruct(x), expected, atol=1e-5)
    codes = model.encode(x)[:, :5]
    assert torch.allclose(codes.T.cov(), torch.eye(5), atol=1e-3)


@pytest.mark.parametrize("likelihood", ["gaussian", "student_t", "mixed"])
def test_rows_start_as_pca_of_their_scaled_columns(likelihood):
    x = digits(300).flatten(1)[:, 18:30] * torch.linspace(1, 100, 12) + 7
    model = start(x, scaling="standard", likelihood={"kind": likelihood})
    expected = reconstruct_by_pca(model.to_scaled(x), 5)
    assert torch.allclose(model.to_scaled(model.reconstruct(x)), expected, atol=1e-5)


def test_without_the_start_a_path_changes_nothing():
    with_path, without = (
        Autoencoder(
            parse_options(
                ModelConfig, {"input_shape": (6,), "latent_dim": 3, "network": {**PATH, **path}}
            )
        )
        for path in ({}, {"linear_path": False})
    )
    without.load_state_dict(
        {name: w for name, w in with_path.state_dict().items() if ".path." not in name}
    )
    x = torch.randn(4, 6)
    assert torch.equal(with_path.reconstruct(x), without.reconstruct(x))


def test_components_of_a_large_set_come_from_rows_at_even_distances(monkeypatch):
    monkeypatch.setattr("aecore.training.pca_start.PCA_VALUES", 64 * 100)
    x = digits(301)
    model = start(x)
    expected = reconstruct_by_pca(x[torch.linspace(0, 300, 100).long()], 5)
    weight = model.decoder.path.weight @ model.encoder.path.weight
    rows = x[torch.linspace(0, 300, 100).long()].flatten(1)
    projected = (rows - rows.mean(0)) @ weight.T + rows.mean(0)
    assert torch.allclose(projected, expected.flatten(1), atol=1e-5)


def test_an_epoch_that_is_worse_than_the_start_is_not_kept():
    config = tiny(network=PATH, training={"lr": 50.0, "epochs": 1})
    run = trained(config)
    kept = Autoencoder.load(run.path)
    fresh = build_initial_model(config.model, digits(200), CPU, seed=0)
    assert not torch.equal(kept.encoder.path.weight, fresh.encoder.path.weight)
    assert not kept.encoder.head.weight.any() and not kept.decoder.layers[-1].weight.any()


@pytest.mark.parametrize(("lr", "stays_at_start"), [(50.0, True), (1e-4, False)])
def test_a_first_epoch_that_is_stopped_is_kept_where_it_is_better(lr, stays_at_start):
    run = create_run(tiny(network=PATH, training={"lr": lr, "batch_size": 8}))
    steps = iter([False] * 15 + [True])  # of 20, so that the first epoch is not whole
    list(fit(run, stop=lambda: next(steps, True)))
    assert run.state().state == "stopped" and run.state().epoch == 0
    assert (not Autoencoder.load(run.path).encoder.head.weight.any()) == stays_at_start


def test_layers_trained_beforehand_stay_beside_a_start_as_pca():
    config = tiny(network=PATH, training={"pretrain_epochs": 1})
    trainer = Trainer(create_run(config), lambda: False, None)
    initial = trainer.model.encoder.layers[0].weight.clone()
    list(trainer.begin())
    assert not torch.equal(trainer.model.encoder.layers[0].weight, initial)
    assert not trainer.model.encoder.head.weight.any()
    assert trainer.best < float("inf")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_has_the_path_by_default_where_its_parts_can(variant):
    model = configure(variant, (1, 8, 8), examples=200).model
    assert model.network.has_linear_path == (variant in WITH_PATH)
    assert (model.explain_no_path() is None) == (variant in WITH_PATH)
    assert not configure(variant, (1, 8, 8), as_published=True).model.network.has_linear_path


@pytest.mark.parametrize(
    ("options", "obstacle"),
    [
        ({"bottleneck": {"kind": "top_k"}}, "a bottleneck of kind top_k"),
        ({"bottleneck": {"kind": "finite_scalar"}}, "a bottleneck of kind finite_scalar"),
        ({"network": {**PATH, "tied": True}}, "tied weights"),
        ({"network": {**PATH, "code_activation": "sigmoid"}}, "a sigmoid code"),
        ({"penalties": [{"kind": "contractive"}]}, "a contractive penalty"),
    ],
    ids=str,
)
def test_parts_without_a_path_are_named(options, obstacle):
    values = {"input_shape": (6,), "latent_dim": 3, "network": PATH, **options}
    with pytest.raises(ConfigError, match=f"{obstacle}: set network.linear_path to false"):
        parse_options(ModelConfig, values)


def test_settings_that_forbid_the_path_switch_it_off_unless_it_is_asked_for():
    config = configure("vanilla", (1, 8, 8), examples=200)
    assert not override_config(config, {"network.tied": True}).model.network.has_linear_path
    assert override_config(config, {"network.hidden": (9,)}).model.network.has_linear_path
    with pytest.raises(ConfigError, match="tied weights"):
        override_config(config, {"network.tied": True, "network.linear_path": True})


def test_the_form_says_whether_a_model_starts_as_pca():
    with_path, without = (configure(name, (1, 8, 8)).model for name in ("vae", "k-sparse"))
    assert "starts as PCA" in describe_linear_path(with_path)
    assert "a bottleneck of kind top_k" in describe_linear_path(without)


def test_a_config_from_before_has_no_path_and_a_command_that_says_so():
    config = tiny(data={"limit": None})
    values = config.model_dump(mode="json")
    del values["model"]["network"]["linear_path"]
    old = parse_options(RunConfig, values)
    assert old == config and not old.model.network.has_linear_path
    assert "network.linear_path=false" in format_train_command(old, "image")


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
def test_a_model_with_a_path_is_exported(kind, tmp_path):
    model = start(digits(60), bottleneck={"kind": "gaussian"})
    assert max(export_model(model, kind, tmp_path).values()) < 1e-4


@pytest.mark.parametrize("examples", [40, 120, 1438, 9_999, 60_000])
@pytest.mark.parametrize("shape", [(1, 8, 8)])
def test_every_variant_makes_the_same_number_of_steps(shape, examples):
    trainings = [configure(name, shape, examples=examples).training for name in VARIANTS]
    steps = [training.count_steps(examples) for training in trainings]
    assert max(steps) <= 1.02 * min(steps)


def test_runs_of_a_sweep_make_the_steps_of_the_form():
    form = TrainConfig(epochs=7, batch_size=50, schedule="constant")
    other = configure("sparse-kl", (1, 8, 8), examples=1000, data=DataConfig())
    training = with_equal_steps(other, form, 1000).training
    assert training.count_steps(1000) == pytest.approx(140, abs=4)
    assert training.schedule == "constant" and training.batch_size == 256


def test_probabilities_start_as_the_linear_logits_that_fit_best():
    x = digits(300)
    model = start(x, likelihood={"kind": "bernoulli"})
    codes, rows = model.encode(x), x.flatten(1)
    weight = model.decoder.path.weight.detach().clone().requires_grad_()
    logits = codes.detach() @ weight.T + model.decoder.output_bias.detach()
    torch.nn.functional.binary_cross_entropy_with_logits(logits, rows).backward()
    assert weight.grad.abs().max() < 1e-4
    errors = (model.reconstruct(x) - x).square().sum()
    assert errors < (reconstruct_by_pca(x, 5) - x).square().sum()


def test_the_noise_of_a_gaussian_code_starts_as_in_probabilistic_pca():
    x = digits(300).flatten(1)
    options = {
        "likelihood": {"kind": "gaussian", "variance": 0.1},
        "bottleneck": {"kind": "gaussian"},
    }
    model = start(x, **options)
    variances = PCA(5).fit(x.numpy()).explained_variance_
    log_variance = model.encoder(x).out[0, 5:].exp()
    assert log_variance.tolist() == pytest.approx((0.1 / (0.1 + variances)).tolist(), rel=1e-3)


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_precisions_are_second_derivatives_of_the_loss(output):
    likelihood = Gaussian(output=output, variance=0.1).build(3)
    logits = torch.tensor([-2.0, 0.0, 3.0])
    x = likelihood.mean(logits)[None]
    curvature = torch.autograd.functional.hessian(lambda v: likelihood.loss(v[None], x)[0], logits)
    assert torch.allclose(likelihood.find_precisions(logits), curvature.diagonal(), rtol=1e-4)
