"""An ensemble: small networks of one model, each with rows of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from aecore.errors import ConfigError
from aecore.explorer.portable import export_steps
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig, parse_options
from aecore.model.export import export_model
from aecore.model.parts.networks.ensemble import Ensemble
from aecore.model.parts.row_hashes import hash_rows
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.trainer import Trainer, fit
from tests.helpers import model

SETTINGS = {
    "network.kind": "ensemble",
    "network.members": 3,
    "network.hidden": (5, 4),
    "network.rows": (6, 2),
    "latent_dim": 6,
    "training.batch_size": 4,
    "training.passes": 7,
    "training.epochs": 3,
    "training.device": "cpu",
    "data.validation_fraction": 0,
}


def make_ensemble(columns=(1.0,), **settings):
    sizes = {"members": 3, "hidden": (5, 4), "rows": (6, 2), "columns": columns}
    return model(network={"kind": "ensemble", **sizes}, latent_dim=6, **settings)


@pytest.fixture
def rows(tmp_path):
    """The path of 20 rows of 4 columns."""
    x = np.random.default_rng(0).normal(size=(20, 4))
    np.savez(tmp_path / "rows.npz", x=x, x_test=x[:2])
    return str(tmp_path / "rows.npz")


def plan(rows, **settings):
    changes = {key.replace("__", "."): value for key, value in settings.items()}
    return plan_run("denoising-gaussian", rows, settings={**SETTINGS, **changes})


def test_the_reconstruction_is_the_mean_of_what_each_member_makes_of_its_own_units():
    net = make_ensemble().eval()
    x = torch.randn(7, 6)
    z = net.encode(x)
    members = net.decoder.decode_members(z)
    assert z.shape == (7, 6) and members.shape == (3, 7, 6)
    torch.testing.assert_close(net.reconstruct(x), members.mean(0))
    z[:, 2:4] += 1  # the second member's
    assert (net.decoder.decode_members(z) != members).flatten(1).any(1).tolist() == [0, 1, 0]


def test_in_training_an_example_is_one_members_and_its_gradient_reaches_no_other():
    net = make_ensemble().train()
    x = torch.randn(8, 6)
    losses = net.likelihood.loss(net.decoder(net.encoder(x).out.relu()), x)
    losses[4].backward()  # example 4 is member 1's
    for parameter in net.parameters():
        moved = parameter.grad.flatten(1).abs().sum(1) > 0
        assert not moved[0] and not moved[2]
    assert net.encoder.stack.layers[0].weight.grad[1].abs().sum() > 0
    alone = make_ensemble().train()
    alone.load_state_dict(net.state_dict())
    part = alone.likelihood.loss(alone.decoder(alone.encoder(x[3:6]).out.relu()), x[3:6])
    torch.testing.assert_close(part, losses[3:6].detach())


def test_each_member_is_trained_on_its_own_rows_alone_which_it_knows_again(rows):
    trainer = Trainer(create_run(plan(rows)), lambda: False, None)
    x, seen = trainer.batches.x, trainer.model.encoder.find_seen(trainer.batches.x)
    assert seen.sum(1).tolist() == [6, 2, 6]
    fed = torch.cat(list(trainer.batches.iterate_epoch(0)))
    assert len(fed) == trainer.batches.count == 7 * 3 * 6
    for member in range(3):
        mine = {tuple(row) for row in fed[member::3].tolist()}
        assert mine == {tuple(row) for row in x[seen[member]].tolist()}
    assert not trainer.model.encoder.find_seen(x + 1e-3).any()


def test_no_member_sees_more_than_half_so_that_each_row_is_new_to_some():
    samples = Ensemble(members=40, rows=(64, 3)).draw_samples(10, seed=0)
    assert samples.shape == (40, 5) and [len(row.unique()) for row in samples[:2]] == [5, 3]
    assert Ensemble().draw_samples(1, seed=0).shape == (8, 1)
    known = torch.zeros(40, 10).scatter_(1, samples, 1)
    assert (known.sum(0) < 40).all()


def test_hashes_are_of_the_values_whatever_their_precision():
    x = torch.randn(1000, 3)
    assert len(hash_rows(x).unique()) == 1000
    assert torch.equal(hash_rows(x.double()), hash_rows(x))
    assert torch.equal(hash_rows(-0.0 * x), hash_rows(0 * x))
    assert len(hash_rows(torch.eye(64)).unique()) == 64
    assert not torch.equal(hash_rows(x), hash_rows(x.flip(1)))


def test_a_saved_ensemble_knows_its_rows_and_its_weights_are_those_of_the_run(rows, tmp_path):
    run = create_run(plan(rows), tmp_path / "run")
    list(fit(run))
    net = Autoencoder.load(run.path)
    x = torch.from_numpy(np.load(rows)["x"])
    assert net.encoder.find_seen(x).sum() == 14
    net.double().float().save(tmp_path / "again")
    again = Autoencoder.load(tmp_path / "again")
    assert torch.equal(again.encoder.seen, net.encoder.seen)
    assert torch.equal(again.reconstruct(x.float()), net.reconstruct(x.float()))


def test_a_run_that_was_stopped_ends_bit_equal_to_one_that_was_not(rows, tmp_path):
    whole, part = (create_run(plan(rows), tmp_path / name) for name in ("whole", "part"))
    list(fit(whole))
    list(fit(part, stop=lambda: len(part.epochs()) >= 1))
    list(fit(part))
    first, second = (Autoencoder.load(run.path).state_dict() for run in (whole, part))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_member_sees_some_columns_and_the_mean_of_a_column_is_over_those_that_see_it(tmp_path):
    net = make_ensemble(columns=(0.3,)).eval()
    sees = net.encoder.sees > 0
    assert sees.sum(1).tolist() == [3, 3, 3] and sees.any(0).all()
    x = torch.randn(4, 6)
    members = net.decoder.decode_members(net.encode(x))
    owner = int(sees[:, 5].nonzero()[0])
    torch.testing.assert_close(net.reconstruct(x)[:, 5], members[sees[:, 5], :, 5].mean(0))
    moved = x + 100 * ~sees[owner]
    again = net.decoder.decode_members(net.encode(moved))
    torch.testing.assert_close(again[owner], members[owner])
    net.train()
    loss = net.loss(torch.randn(6, 6)).total
    loss.backward()
    assert (net.decoder.stack.layers[-1].bias.grad != 0).equal(sees)
    net.save(tmp_path)
    loaded = Autoencoder.load(tmp_path)
    assert torch.equal(loaded.reconstruct(x), net.eval().reconstruct(x))


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_columns_are_dealt_so_that_members_of_a_share_see_each_about_as_often(count):
    dealt = Ensemble(members=48, columns=(1.0, 0.25)).deal_columns(count)
    assert dealt[::2].all()
    few = dealt[1::2].sum(0)
    assert dealt[1::2].sum(1).unique().tolist() == [min(count, max(3, math.ceil(count / 4)))]
    assert few.min() > 0 and few.max() <= 2 * few.min()


def test_a_column_of_words_is_seen_whole():
    heads = [{"kind": "category", "features": 3}, *[{"kind": "number", "features": 1}] * 3]
    net = make_ensemble(columns=(0.5,), likelihood={"kind": "mixed", "heads": heads})
    sees = net.encoder.sees
    assert (sees[:, 0] == sees[:, 1]).all() and (sees[:, 1] == sees[:, 2]).all()
    assert sees[:, 2:].sum(1).tolist() == [3, 3, 3]


@pytest.mark.parametrize("columns", [(1.0,), (0.4,)])
@pytest.mark.parametrize("hidden", [(), (5,), (5, 4)])
def test_the_browser_gets_linear_steps_that_compute_the_same(hidden, columns):
    options = {"kind": "ensemble", "members": 3, "hidden": hidden, "columns": columns}
    net = model(network=options, latent_dim=6).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter)
    steps, tensors = export_steps(net)

    def run(steps, value):
        for step in steps:
            if step["op"] == "linear":
                value = value @ tensors[step["weight"]].t() + tensors[step["bias"]]
            else:
                assert step["op"] == "activation" and step["kind"] == "relu"
                value = value.relu()
        return value

    x = torch.randn(5, 6)
    z = run(steps["encode"], x)
    torch.testing.assert_close(z, net.encode(x))
    torch.testing.assert_close(run(steps["decode"], z), net.decode(z), rtol=1e-4, atol=1e-4)


def test_an_ensemble_is_exported_for_other_programs(tmp_path):
    assert max(export_model(make_ensemble().eval(), "torch-export", tmp_path).values()) < 1e-4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"latent_dim": 7}, "multiple of 3, got 7"),
        ({"bottleneck": {"kind": "gaussian"}}, "deterministic bottleneck"),
        ({"penalties": [{"kind": "l1"}]}, "no penalties"),
        ({"input_shape": (1, 8, 8)}, "for tables"),
    ],
)
def test_what_an_ensemble_cannot_be_is_said(change, words):
    options = make_ensemble().config.model_dump() | change
    with pytest.raises(ConfigError, match=words):
        parse_options(ModelConfig, options)
