"""Every variant: it learns, survives the disk and JSON, and fits any data or says why not."""

from __future__ import annotations

import json
import math

import pytest
import torch
from helpers import digits

from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, RunConfig, TrainConfig, parse_options
from aecore.model.parts.networks.conv import choose_channels
from aecore.model.scaling import RowTraits
from aecore.model.variants import VARIANTS, find_variant
from aecore.model.variants.fitting import configure
from aecore.model.variants.overrides import override_config
from aecore.runs.listing import create_run
from aecore.runs.plan import load_matching_data, plan_run
from aecore.training.optimizer import Optimizer
from aecore.training.trainer import fit

EVERY = pytest.mark.parametrize("variant", VARIANTS)


def build(variant, shape=(1, 8, 8), **options):
    torch.manual_seed(0)
    return Autoencoder(configure(variant, shape, **options).model)


@torch.no_grad()
def loss_of(made, x):
    torch.manual_seed(1)
    return made.eval().loss(x).total.item()


@EVERY
def test_a_few_steps_make_the_loss_fall(variant):
    made, x = build(variant), digits()
    before = loss_of(made, x)
    optimizer = Optimizer(made.parameters(), TrainConfig())
    made.train()
    for rows in torch.randperm(len(x)).repeat(2)[: 45 * 64].split(64):
        optimizer.zero_grad()
        made.loss(x[rows]).total.backward()
        optimizer.step(3e-3)
    assert loss_of(made, x) < 0.9 * before


@EVERY
def test_a_saved_model_reconstructs_bit_for_bit_the_same(variant, tmp_path):
    made, x = build(variant).eval(), digits(40)
    made.save(tmp_path)
    loaded = Autoencoder.load(tmp_path)
    assert loaded.config == made.config
    assert torch.equal(loaded.reconstruct(x), made.reconstruct(x))
    assert not any(p.requires_grad for p in loaded.parameters()) and not loaded.training


@EVERY
def test_its_config_survives_json(variant):
    config = configure(variant, (1, 8, 8), examples=1438, data=DataConfig())
    assert parse_options(RunConfig, json.loads(config.model_dump_json())) == config
    assert config.model.variant == variant


@EVERY
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 7, 13), (3, 1, 1), (1, 28, 28)])
def test_it_fits_images_of_any_size(variant, shape):
    made, x = build(variant, shape), torch.rand(3, *shape)
    loss = made.train().loss(x)
    loss.total.backward()
    assert loss.total.isfinite()
    assert made.reconstruct(x).shape == x.shape


@EVERY
@pytest.mark.parametrize("name", ["breast-cancer", "moons"])
def test_a_table_trains_or_is_refused_in_one_sentence(variant, name):
    settings = {
        "training.epochs": 1,
        "training.previews": 0,
        "training.device": "cpu",
        "data.limit": 100,
    }
    try:
        run = create_run(plan_run(variant, name, settings=settings))
    except ConfigError as error:
        assert find_variant(variant).model["network"]["kind"] == "conv"
        assert str(error).count(".") == 1 and "fully connected" in str(error)
        return
    list(fit(run))
    assert run.state().state == "done"
    assert all(math.isfinite(value) for value in run.test_metrics().values())


@EVERY
def test_it_says_what_it_is(variant):
    v = find_variant(variant)
    assert v.label and v.summary.endswith(".") and v.paper and v.url.startswith("https://")
    assert v.formula.count("{") == v.formula.count("}")


def test_an_unknown_variant_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"'vea'.*vanilla.*vae"):
        find_variant("vea")


# -- configure


def test_images_get_the_loss_that_suits_the_variant():
    assert configure("vae", (1, 28, 28)).model.likelihood.kind == "bernoulli"
    published = configure("vanilla", (1, 28, 28), as_published=True)
    assert published.model.likelihood.output == "sigmoid"
    assert configure("vanilla", (1, 28, 28)).model.likelihood.output == "linear"  # as PCA
    assert configure("linear", (1, 28, 28)).model.likelihood.output == "linear"
    assert configure("k-sparse", (1, 28, 28)).model.likelihood.output == "linear"
    assert configure("vae", (30,), kind="table").model.scaling == "standard"
    assert configure("vae", (30,), kind="table").model.likelihood.kind == "gaussian"


def test_codes_are_narrow_where_they_must_be_and_wide_where_they_should():
    assert configure("overcomplete", (10,), kind="table").model.latent_dim > 10
    assert configure("vanilla", (10,), kind="table").model.latent_dim < 10
    assert configure("vanilla", (2,), kind="manifold").model.latent_dim == 1
    assert configure("vanilla", (3,), kind="manifold").model.latent_dim == 2
    assert configure("k-sparse", (1, 28, 28)).model.latent_dim == 1000


def test_the_code_size_asked_for_is_used_and_a_size_of_none_is_refused():
    assert configure("vae", (1, 8, 8), latent_dim=7).model.latent_dim == 7
    with pytest.raises(ConfigError, match=r"latent_dim.*greater than or equal to 1, got 0"):
        configure("vae", (1, 8, 8), latent_dim=0)


def test_a_codebook_divides_every_code_size():
    for d in (1, 2, 3, 6, 7, 64):
        assert d % configure("vq-vae", (1, 8, 8), latent_dim=d).model.bottleneck.dim == 0


def test_small_data_get_smaller_batches_and_more_epochs():
    small, large = (
        configure("vanilla", (4,), examples=120).training,
        configure("vanilla", (4,), examples=60_000).training,
    )
    assert small.epochs > large.epochs and small.batch_size < large.batch_size
    assert large == TrainConfig()


@pytest.mark.parametrize(
    ("side", "count"), [(1, 1), (8, 1), (9, 1), (16, 1), (17, 2), (28, 2), (32, 2), (64, 3)]
)
def test_convolutions_halve_until_8_pixels_or_fewer_are_left(side, count):
    assert len(choose_channels(side)) == count
    assert math.ceil(side / 2 ** len(choose_channels(side))) <= 8


# -- override


@pytest.fixture
def config():
    return configure("vae", (1, 8, 8), data=DataConfig())


def test_options_are_replaced_by_their_paths(config):
    changed = override_config(
        config,
        {
            "latent_dim": 5,
            "bottleneck.samples": 3,
            "network.hidden": [64, 32],
            "training.lr": 0.01,
            "data.limit": 100,
            "model.likelihood.kind": "gaussian",
            "corruption.kind": "masking",
            "corruption.fraction": 0.5,
            "penalties.l1.weight": 0.25,
            "penalties.contractive.method": "exact",
        },
    )
    assert changed.model.latent_dim == 5 and changed.model.bottleneck.samples == 3
    assert (
        changed.model.network.hidden == (64, 32)
        and changed.training.lr == 0.01
        and changed.data.limit == 100
    )
    assert changed.model.likelihood.kind == "gaussian" and changed.model.corruption.fraction == 0.5
    assert [(p.kind, p.weight) for p in changed.model.penalties] == [
        ("l1", 0.25),
        ("contractive", 0.1),
    ]
    assert override_config(changed, {"penalties.l1.weight": 2}).model.penalties[0].weight == 2
    assert override_config(changed, {"corruption": None, "penalties": []}).model.corruption is None
    assert config.model.corruption is None, "the given config has changed"


def test_naming_the_same_kind_keeps_the_options_of_a_part(config):
    changed = override_config(config, {"bottleneck.beta": 4, "bottleneck.kind": "gaussian"})
    assert changed.model.bottleneck.beta == 4
    assert override_config(changed, {"bottleneck.kind": "top_k"}).model.bottleneck.k == 25


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("nonsense", 1, "no option nonsense"),
        ("training.nonsense", 1, "no option training.nonsense"),
        ("network.nonsense", 1, "no option network.nonsense"),
        ("training.lr", -1, "training.lr: input should be greater than 0, got -1"),
        ("training.lr", "fast", "training.lr.*got 'fast'"),
        ("training", 5, "training.*got 5"),
        ("model", {"variant": "vae"}, "model.OPTION, got"),
        ("data", None, "data.OPTION, got None"),
        ("data.name", "/etc", "other data"),
        ("training.lr.x", 5, "no option training.lr.x"),
        ("network", "conv", "network.*'conv'"),
        ("network.kind", "rnn", "network.*rnn"),
        ("network.hidden.0", 5, "no option network.hidden.0"),
        ("network.hidden.0.1", 5, "no option network.hidden.0.1"),
        ("input_shape.a.b", 5, "no option input_shape.a.b"),
        ("variant.kind", "vae", "no option variant.kind"),
        ("variant", "vae", "choose another variant"),
        ("model.input_shape", [1, 2, 3], "other data"),
        ("latent_dim.kind", 3, "no option latent_dim.kind"),
        ("corruption.sigma", 1, "Set corruption.kind first"),
        ("penalties.l1", 1, "penalties.KIND.FIELD"),
        ("penalties.l1.weight.x", 1, "penalties.KIND.FIELD"),
        ("penalties.nonsense.weight", 1, "penalties.*nonsense"),
        ("penalties", 5, "penalties.*got 5"),
        ("penalties.kl_sparsity.weight", 1, "kl_sparsity needs units between 0 and 1, got linear"),
        ("penalties.l1.layers", [7], "2 layers, got layer 7"),
        ("penalties.l1.layers", [], "penalties"),
        ("latent_dim", 1.5, "latent_dim.*1.5"),
        ("latent_dim", 10**9, "latent_dim"),
        ("network.hidden", [16384] * 16, "weights; the limit is"),
        ("model..x", 1, "no option"),
        ("", 1, "no option"),
    ],
)
def test_what_cannot_be_set_is_named_in_a_sentence(config, path, value, words):
    with pytest.raises(ConfigError, match=words) as caught:
        override_config(config, {path: value})
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_layerwise_pretraining_of_convolutions_is_refused():
    with pytest.raises(ConfigError, match="pretrain_epochs"):
        override_config(configure("conv", (1, 8, 8)), {"training.pretrain_epochs": 1})


def test_a_contractive_closed_form_of_a_deep_encoder_is_refused(config):
    with pytest.raises(ConfigError, match="hidden layers"):
        override_config(config, {"penalties.contractive.method": "closed_form"})


def test_a_plan_takes_options_of_the_data_and_keeps_paths_absolute(tmp_path, monkeypatch):
    import numpy

    numpy.savez(tmp_path / "own.npz", x=torch.rand(30, 5).numpy())
    monkeypatch.chdir(tmp_path)
    config = plan_run("vanilla", "own.npz", settings={"data.test_fraction": 0.5})
    assert config.data.name == str(tmp_path / "own.npz") and config.data.test_fraction == 0.5
    assert config.model.input_shape == (5,)
    monkeypatch.chdir("/")
    assert len(load_matching_data(config).test.x) == 15
    assert len(load_matching_data(config, "iris").train.x) == 75  # divided as the run's own data


def test_a_plan_names_bad_data_options():
    with pytest.raises(ConfigError, match="test_fraction"):
        plan_run("vanilla", "digits", settings={"data.test_fraction": 2})
    with pytest.raises(DataError, match="nowhere"):
        plan_run("vanilla", "nowhere")


@pytest.mark.parametrize(
    ("shape", "options", "beta"),
    [
        ((1, 28, 28), {}, 4),
        ((3, 32, 32), {}, 4),
        ((1, 20, 20), {}, 2.04),
        ((1, 8, 8), {}, 1.5),
        ((1, 8, 8), {"as_published": True}, 4),
        ((30,), {"kind": "table"}, 4),
        ((30,), {"kind": "table", "traits": RowTraits(is_binary=True)}, 1.5),
    ],
)
def test_beta_is_smaller_where_few_features_pay_for_the_code(shape, options, beta):
    assert configure("beta-vae", shape, **options).model.bottleneck.beta == beta
    assert configure("vae", shape, **options).model.bottleneck.beta == 1
