"""Codebooks that follow their encodings: their start, their means, restarts, stages, directions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers import digits, model, tiny, trained

from aecore.analysis.chunks import index_in_chunks
from aecore.analysis.metrics import evaluate_model
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.codebook_means import cluster_encodings, find_nearest_vectors
from aecore.model.parts.bottlenecks.vector_quantized import VectorQuantized
from aecore.model.variants.fitting import configure

EMA = {"kind": "vector_quantized", "update": "ema", "codes": 8, "dim": 2}
CLUSTERS = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 3.0], [0.0, -3.0]])


def draw_clusters(count: int = 400) -> torch.Tensor:
    """Points (count, 2) around four places."""
    torch.manual_seed(1)
    return CLUSTERS.repeat(count // 4, 1) + 0.1 * torch.randn(count, 2)


def test_the_codebook_begins_at_the_centres_of_clusters():
    points, generator = draw_clusters(), torch.Generator().manual_seed(0)
    centres, sizes = cluster_encodings(points, 8, generator)
    assert sizes.sum() == len(points)
    assert torch.cdist(CLUSTERS, centres).amin(1).max() < 0.3
    quantizer = VectorQuantized(**{**EMA, "codes": 8}).build(2)
    quantizer.start(points, torch.Generator().manual_seed(0))
    assert torch.equal(quantizer.codebook, centres)
    few, _ = cluster_encodings(points[:3], 8, generator)
    assert few.isfinite().all() and len(few) == 8


def test_codebook_vectors_are_the_running_means_of_their_encodings():
    torch.manual_seed(0)
    quantizer = VectorQuantized(**EMA, decay=0.9, restart_below=0).build(6).double()
    codebook, h = quantizer.codebook.clone(), torch.randn(50, 6, dtype=torch.float64)
    counts, sums = torch.ones(8, dtype=torch.float64), codebook.clone()
    for _ in range(3):
        nearest = torch.cdist(h.reshape(-1, 2), codebook).argmin(1)
        chosen = F.one_hot(nearest, 8).double()
        counts = 0.9 * counts + 0.1 * chosen.sum(0)
        sums = 0.9 * sums + 0.1 * chosen.T @ h.reshape(-1, 2)
        codebook = sums / counts[:, None]
        code = quantizer(h, 1)
        assert torch.allclose(quantizer.codebook, codebook, rtol=1e-4)
    far = h - code.mean
    assert code.cost[0].tolist() == pytest.approx((0.25 * far.square().sum(1)).tolist())
    before = quantizer.codebook.clone()
    assert not quantizer.eval()(h, 1).cost.any(), "epochs are compared by their reconstructions"
    assert torch.equal(quantizer.codebook, before)


def test_vectors_that_nothing_is_nearest_to_begin_anew_at_encodings():
    points = draw_clusters()
    quantizer = VectorQuantized(**EMA, decay=0.5).build(2)
    quantizer.codebook[1:] = 100.0
    quantizer.means.sums[1:] = 100.0
    torch.manual_seed(0)
    for _ in range(12):
        quantizer(points, 1)
    used = quantizer.indices(points).unique()
    assert len(used) >= 7 and quantizer.codebook.abs().max() < 4
    assert (quantizer.snap(points) - points).square().sum(1).mean() < 0.05


def test_every_stage_lowers_the_error_that_the_last_one_left():
    torch.manual_seed(0)
    h, errors = torch.randn(500, 8), []
    for stages in (1, 2, 4):
        quantizer = VectorQuantized(**{**EMA, "dim": 4}, stages=stages).build(8).eval()
        quantizer.start(h, torch.Generator().manual_seed(0))
        indices = quantizer.indices(h)
        assert indices.shape == (500, 2 * stages) and indices.max() < 8
        assert torch.allclose(quantizer.values(indices), quantizer(h, 1).mean, atol=1e-6)
        assert quantizer.count_uses(indices).sum(1).tolist() == [1000] * stages
        errors.append((quantizer.snap(h) - h).square().sum(1).mean().item())
    assert errors[1] < 0.7 * errors[0] and errors[2] < 0.7 * errors[1]


def test_cosine_codes_have_length_one_and_compare_directions():
    torch.manual_seed(0)
    quantizer = VectorQuantized(**EMA, cosine=True).build(6)
    h = torch.randn(40, 6, requires_grad=True)
    code = quantizer.eval()(h, 1)
    parts = code.mean.unflatten(1, (3, 2))
    assert torch.allclose(parts.norm(dim=2), torch.ones(40, 3))
    cosines = F.normalize(h.unflatten(1, (3, 2)), dim=2) @ quantizer.vectors[0].T
    assert torch.equal(quantizer.indices(h), cosines.argmax(2))
    assert torch.equal(quantizer.indices(5 * h), quantizer.indices(h))
    code.z.sum().backward()
    assert h.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="one stage"):
        VectorQuantized(**EMA, cosine=True, stages=2)


def test_the_search_for_the_nearest_does_not_depend_on_how_it_is_cut(monkeypatch):
    torch.manual_seed(0)
    parts, codebook = torch.randn(30, 5, 3), torch.randn(7, 3)
    whole = find_nearest_vectors(parts, codebook)
    monkeypatch.setattr("aecore.model.parts.bottlenecks.codebook_means.DISTANCES_AT_ONCE", 40)
    assert torch.equal(find_nearest_vectors(parts, codebook), whole)
    assert torch.equal(whole, torch.cdist(parts, codebook[None]).argmin(2))


def test_a_trained_codebook_is_used_and_its_use_is_measured():
    run = trained(tiny(bottleneck={**EMA, "codes": 16}, latent_dim=8))
    net, x = Autoencoder.load(run.path), digits(200)
    metrics = evaluate_model(net, x)
    uses = index_in_chunks(net, x).flatten().bincount(minlength=16)
    shares = uses[uses > 0] / uses.sum()
    assert metrics["codes_used"] == pytest.approx((uses > 0).float().mean().item())
    assert metrics["perplexity"] == pytest.approx((-(shares * shares.log()).sum()).exp().item())
    assert metrics["codes_used"] >= 0.9
    assert "perplexity" in run.test_metrics()
    assert "perplexity" not in evaluate_model(model(input_shape=(1, 8, 8)), x)


def test_old_configs_learn_their_codebook_by_gradient_and_the_variant_by_means():
    assert VectorQuantized().update == "gradient"
    assert set(VectorQuantized().build(8).state_dict()) == {"codebook"}
    assert configure("vq-vae", (1, 8, 8)).model.bottleneck.update == "ema"


def test_a_codebook_vector_of_a_grid_is_a_place():
    assert VectorQuantized().fit_latent_dim(64, (16, 2, 2)).dim == 16
    assert VectorQuantized().fit_latent_dim(64).dim == 4


def test_a_prior_is_for_discrete_codes_of_bearable_size():
    prior = {"kind": "transformer"}
    with pytest.raises(ConfigError, match="for discrete codes"):
        model(prior=prior)
    with pytest.raises(ConfigError, match="at most 4,096 indices"):
        model(bottleneck={**EMA, "codes": 20_000}, latent_dim=4, prior=prior)
    with pytest.raises(ConfigError, match="multiple of attention_heads"):
        model(bottleneck=EMA, latent_dim=4, prior={**prior, "width": 10, "attention_heads": 4})
