"""The prior of indices: its probabilities, its samples, and files that are coded by it."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import digits, ended, fork, tiny, trained

from aecore.analysis.chunks import index_in_chunks
from aecore.analysis.latent import sample_examples
from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.base import IndexShape
from aecore.model.parts.exact_prior import ExactPrior, exponentiate
from aecore.model.parts.index_prior import IndexPrior
from aecore.tasks.compress import compress_examples, expand_file
from aecore.tasks.prior_coder import pack_by_prior, unpack_by_prior
from aecore.training.trainer import fit

SMALL = {
    "kind": "transformer",
    "layers": 1,
    "width": 16,
    "attention_heads": 2,
    "batch_size": 16,
    "lr": 0.01,
}
SHAPE = IndexShape(6, 5, 2)


@pytest.fixture
def prior():
    """A prior with weights that make its probabilities differ."""
    torch.manual_seed(0)
    made = IndexPrior(layers=2, width=16, attention_heads=2).build(SHAPE).eval()
    for parameter in made.parameters():
        parameter.normal_(std=0.4)
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of discrete codes that has learned its prior."""
    bottleneck = {"kind": "vector_quantized", "codes": 16, "dim": 2, "update": "ema", "stages": 2}
    config = tiny(
        bottleneck=bottleneck, latent_dim=8, prior={**SMALL, "epochs": 20}, training={"epochs": 20}
    )
    return trained(config, tmp_path_factory.mktemp("runs") / "prior")


def test_the_probabilities_of_all_codes_sum_to_one():
    torch.manual_seed(0)
    prior = IndexPrior(layers=1, width=8, attention_heads=2).build(IndexShape(3, 4)).eval()
    for parameter in prior.parameters():
        parameter.normal_()
    codes = torch.cartesian_prod(*[torch.arange(4)] * 3)
    assert (-prior.loss(codes)).exp().sum().item() == pytest.approx(1, rel=1e-5)


def test_an_index_depends_on_those_before_it_alone(prior):
    torch.manual_seed(1)
    indices = torch.randint(5, (9, 6))
    other = indices.clone()
    other[:, 3] = (other[:, 3] + 1) % 5
    before, after = prior(indices), prior(other)
    assert torch.allclose(before[:, :4], after[:, :4], atol=1e-6)
    assert (before[:, 4:] - after[:, 4:]).abs().amax((1, 2)).min() > 1e-3


def test_exact_probabilities_are_those_of_the_transformer_and_do_not_depend_on_the_batch(prior):
    torch.manual_seed(1)
    indices = torch.randint(5, (9, 6))
    expected = prior(indices).softmax(2).double()
    together, alone = ExactPrior(prior), ExactPrior(prior)
    together.begin(9)
    alone.begin(1)
    for place in range(6):
        previous = indices[:, place - 1] if place else None
        p = together.step(previous)
        one = alone.step(None if previous is None else previous[4:5])
        assert torch.equal(p[4:5], one)
        assert p.sum(1).tolist() == pytest.approx([1.0] * 9)
        assert torch.allclose(p, expected[:, place], atol=2e-3)


def test_sums_of_the_exact_prior_are_exact_in_any_order(prior):
    exact = ExactPrior(prior)
    exact.begin(4)
    x = torch.randn(4, 16, dtype=torch.float64).mul(2**12).round().div(2**12)
    order = torch.randperm(16)
    weight = exact.weights["blocks.0.to_attention.weight"]
    assert torch.equal(x @ weight.t(), x[:, order] @ weight[:, order].t())
    assert torch.equal(weight, weight.mul(2**14).round().div(2**14))


def test_the_exponential_is_one():
    x = torch.linspace(-40, 0, 1001, dtype=torch.float64)
    assert torch.allclose(exponentiate(x), x.exp(), rtol=1e-13, atol=0)


def test_files_under_the_prior_open_in_another_process_to_the_same_indices(prior, tmp_path):
    torch.manual_seed(1)
    indices, file = torch.randint(5, (30, 6)), tmp_path / "packed"
    packed = pack_by_prior(indices, prior)
    file.write_bytes(packed)
    bits = prior.loss(indices).sum().item() / math.log(2)
    assert 8 * len(packed) == pytest.approx(bits + 8 * 10, abs=40)

    def unpack_elsewhere():
        return 0 if torch.equal(unpack_by_prior(file.read_bytes(), prior), indices) else 1

    assert ended(fork(unpack_elsewhere)) == 0


def test_groups_of_examples_are_coded_one_after_another(prior, monkeypatch):
    torch.manual_seed(1)
    indices = torch.randint(5, (30, 6))
    monkeypatch.setattr(ExactPrior, "count_codes_at_once", lambda self: 7)
    assert torch.equal(unpack_by_prior(pack_by_prior(indices, prior), prior), indices)
    generators = [torch.Generator().manual_seed(2) for _ in range(2)]
    drawn = [ExactPrior(prior).draw(20, generator) for generator in generators]
    assert torch.equal(*drawn) and drawn[0].shape == (20, 6) and drawn[0].max() < 5


def test_the_second_stage_learns_the_codes_of_the_best_model(run):
    records = run.prior_epochs()
    assert [record.epoch for record in records] == list(range(1, 21))
    assert records[-1].loss < 0.9 * records[0].loss
    net = Autoencoder.load(run.path)
    assert net.prior.epochs_trained > 0 and run.state().state == "done"
    measured = run.test_metrics()["prior_bits"]
    assert measured < 0.95 * net.prior.shape.length * 4


def test_samples_of_the_prior_are_valid_codes_and_repeat(run):
    net = Autoencoder.load(run.path)
    assert net.has_prior and not net.config.has_prior
    codes = net.draw_codes(20, seed=1)
    assert torch.equal(codes, net.draw_codes(20, seed=1))
    assert not torch.equal(codes, net.draw_codes(20, seed=2))
    vectors = net.bottleneck.vectors
    sums = (vectors[0][:, None] + vectors[1]).flatten(0, 1)
    assert torch.cdist(codes.unflatten(1, (-1, 2)).flatten(0, 1), sums).amin(1).max() < 1e-3
    drawn, source = sample_examples(net, 4, 1, lambda: pytest.fail("no examples are needed"))
    assert drawn.shape == (4, 1, 8, 8) and "learned prior" in source


def test_the_prior_saves_bits_and_its_files_open_to_the_reconstructions(run):
    net, x = Autoencoder.load(run.path), digits(200)
    file = compress_examples(net, x)
    assert len(file) < 0.95 * (200 * net.prior.shape.length * 4 / 8)
    assert torch.allclose(expand_file(net, file), net.reconstruct(x), atol=1e-6)
    untrained = Autoencoder.load(run.path)
    untrained.prior.epochs_trained.zero_()
    assert not untrained.has_prior
    assert len(compress_examples(untrained, x)) > len(file)
    with pytest.raises(ConfigError, match="no prior"):
        untrained.sample(2)


def test_a_file_of_more_indices_than_may_be_is_refused(run, monkeypatch):
    net, x = Autoencoder.load(run.path), digits(10)
    file = compress_examples(net, x)
    monkeypatch.setattr("aecore.tasks.prior_coder.MAX_CODED_INDICES", 50)
    with pytest.raises(ConfigError, match="several files"):
        compress_examples(net, x)
    with pytest.raises(DataError, match="promises more"):
        expand_file(net, file)


def test_rounded_codes_have_a_prior_too():
    config = tiny(
        bottleneck={"kind": "finite_scalar", "levels": 5},
        network={"kind": "mlp", "hidden": (16,), "code_activation": "tanh"},
        prior={**SMALL, "epochs": 2},
    )
    net = Autoencoder.load(trained(config).path)
    assert net.sample(3).shape == (3, 1, 8, 8)
    assert torch.equal(net.bottleneck.snap(net.draw_codes(5)), net.draw_codes(5))
    assert index_in_chunks(net, digits(5)).shape == (5, 4)


def test_a_stop_within_the_second_stage_loses_nothing():
    from tests.helpers import create_run, weights_of

    config = tiny(
        bottleneck={"kind": "vector_quantized", "codes": 8, "dim": 2, "update": "ema"},
        prior={**SMALL, "epochs": 3},
        training={"epochs": 2, "averaged": 0.5},
    )
    whole, run, seen = trained(config), create_run(config), []
    for record in fit(run, lambda: len(seen) >= 4):
        seen.append(record)
    assert run.state().state == "stopped" and len(run.prior_epochs()) == 2
    assert Autoencoder.load(run.path).has_prior
    list(fit(run))
    assert weights_of(run) == weights_of(whole)
    assert [r.loss for r in run.prior_epochs()] == [r.loss for r in whole.prior_epochs()]
