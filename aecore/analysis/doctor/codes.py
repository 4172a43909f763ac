"""Diseases of the code: it carries nothing, in part or whole, or does not match its prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aecore.analysis.doctor.base import Disease, Settings
from aecore.analysis.doctor.patient import Patient, divide
from aecore.analysis.doctor.retraining import train_at_former_rate
from aecore.model.parts.bottlenecks.gaussian import GaussianCode
from aecore.model.parts.bottlenecks.vector_quantized import CodebookBottleneck, VectorQuantized

MIN_KL = 0.01  # nats; a unit below it is collapsed
DEAD_SPREAD = 1e-4  # of a unit, as a share of the largest deviation
FREE_BITS = 0.25  # nats for each unit, in the middle of Kingma et al.'s (2016) 0.125 to 0.5


def is_variational_patient(patient: Patient) -> bool:
    """Returns whether the code is a distribution."""
    return patient.model.config.bottleneck.is_variational


# -- posterior collapse


def measure_collapsed_share(patient: Patient) -> float:
    """Returns the share of units whose posterior is the prior."""
    return float((patient.kl < MIN_KL).float().mean())


def describe_collapse(patient: Patient, share: float) -> str:
    """Names how many units are collapsed, and the KL of all."""
    return (
        f"{round(share * patient.latent_dim)} of {patient.latent_dim} units have a KL under "
        f"{MIN_KL} nats; the code's KL is {float(patient.kl.sum()):.3g} nats."
    )


def free_bits(patient: Patient) -> Settings:
    """Lets each unit use some KL without cost, which takes the bound of one sample."""
    options = patient.model.config.bottleneck
    changes: dict[str, object] = {"bottleneck.free_bits": FREE_BITS}
    if isinstance(options, GaussianCode) and options.bound != "elbo":
        changes["bottleneck.bound"] = "elbo"
    if isinstance(options, GaussianCode) and options.capacity is not None:
        changes["bottleneck.capacity"] = None
    return changes


# -- dead units


def is_unit_code(patient: Patient) -> bool:
    """Returns whether units are values of their own, not posteriors or parts of a vocabulary."""
    return not is_variational_patient(patient) and patient.model.bottleneck.levels is None


def measure_dead_share(patient: Patient) -> float:
    """Returns the share of units that have the same value for all examples."""
    codes = torch.cat([patient.train.codes, patient.test.codes])
    deviations = codes.std(0, correction=0)
    return float((deviations <= DEAD_SPREAD * deviations.max()).float().mean())


def describe_dead_units(patient: Patient, share: float) -> str:
    """Names how many units never change."""
    count = len(patient.train.codes) + len(patient.test.codes)
    return (
        f"{round(share * patient.latent_dim)} of {patient.latent_dim} units have the same value "
        f"for all of {count:,} examples."
    )


def revive_units(patient: Patient) -> Settings:
    """Begins with all units on where k are kept; else trains more slowly, without dying ReLUs."""
    model = patient.model.config
    if model.bottleneck.kind == "top_k":
        return {"bottleneck.start": model.latent_dim, **train_at_former_rate(patient)}
    if penalties := weaken_penalties(patient):
        return penalties
    return {**use_gelu(patient), **train_at_former_rate(patient)}


def use_gelu(patient: Patient) -> dict[str, object]:
    """Replaces ReLUs, which have no gradient once they are off for all examples."""
    network = patient.model.config.network
    names = [n for n in ("activation", "code_activation") if getattr(network, n, "") == "relu"]
    return {f"network.{name}": "gelu" for name in names}


def weaken_penalties(patient: Patient) -> dict[str, object]:
    """Returns a hundredth of the weight of each penalty on the activity of the code."""
    kinds = ("l1", "l2", "kl_sparsity", "contractive")
    penalties: Sequence[Any] = patient.model.config.penalties
    return {f"penalties.{p.kind}.weight": p.weight / 100 for p in penalties if p.kind in kinds}


# -- dead codebook vectors


def has_codebook(patient: Patient) -> bool:
    """Returns whether the code is made of vectors of a codebook."""
    return patient.model.config.bottleneck.kind == "vector_quantized"


def measure_unused_share(patient: Patient) -> float:
    """Returns the share of codebook vectors that no example uses."""
    bottleneck = patient.model.bottleneck
    device = patient.model.shift.device
    codes = torch.cat([patient.train.codes, patient.test.codes]).to(device)
    assert isinstance(bottleneck, CodebookBottleneck)
    uses = [bottleneck.count_uses(bottleneck.indices(part)) for part in codes.split(1000)]
    return float((torch.stack(uses).sum(0) == 0).float().mean())


def describe_unused_vectors(patient: Patient, share: float) -> str:
    """Names how many vectors are not used."""
    bottleneck = patient.model.bottleneck
    assert isinstance(bottleneck, CodebookBottleneck)
    vectors = len(bottleneck.codebook)
    return f"{round(share * vectors)} of {vectors} codebook vectors are never the nearest one."


def revive_codebook(patient: Patient) -> Settings:
    """Lets vectors follow the encodings, and unused ones begin anew at some of them.

    Where they do, keeps as many as are in use, which are then trained by more examples each.
    """
    options = patient.model.config.bottleneck
    if isinstance(options, VectorQuantized) and options.update != "ema":
        return {"bottleneck.update": "ema", **train_at_former_rate(patient)}
    levels = patient.model.bottleneck.levels or 2
    used = round(levels * (1 - measure_unused_share(patient)))
    return {"bottleneck.codes": max(2, used), **train_at_former_rate(patient)}


# -- codes that ignore the input


def measure_constant_share(patient: Patient) -> float:
    """Returns which share of the inputs' variance is missing in the reconstructions."""
    varied = divide(sum_variances(patient.test.rebuilt), sum_variances(patient.test.x))
    return max(0.0, 1 - varied)


def sum_variances(x: Tensor) -> Tensor:
    """Returns the variance of x (N, features), summed over features."""
    return x.var(0, correction=0).sum()


def describe_constant(patient: Patient, share: float) -> str:
    """Says how much reconstructions vary."""
    return f"Reconstructions vary by {1 - share:.2%} of what the inputs vary."


def let_code_vary(patient: Patient) -> Settings:
    """Weakens the penalties that hold the code still, else trains again at a usual rate."""
    return weaken_penalties(patient) or {**use_gelu(patient), **train_at_former_rate(patient)}


# -- a prior that does not match


def has_prior(patient: Patient) -> bool:
    """Returns whether new examples are drawn from N(0, I)."""
    return patient.model.config.has_prior


def measure_prior_distance(patient: Patient) -> float:
    """Returns KL(N(m, S) || N(0, I)) per unit, in nats: m and S are those of codes as drawn.

    Between units S is counted where there are examples enough for it, ten for each unit.
    """
    codes = patient.drawn_codes.double()
    mean, d = codes.mean(0), codes.shape[1]
    variances = codes.var(0) + 1e-9
    if len(codes) < 10 * d:  # also because S of a wide code takes gigabytes
        log_volume = variances.log().sum()
    else:
        covariance = torch.cov(codes.T).reshape(d, d)
        log_volume = torch.logdet(covariance + 1e-9 * torch.eye(d, dtype=codes.dtype))
    divergence = variances.sum() + mean.square().sum() - d - log_volume
    return float(divergence / (2 * d))


def describe_prior(patient: Patient, distance: float) -> str:
    """Names the distance and the deviation of the codes."""
    return (
        f"A Gaussian fitted to the codes of test examples lies {distance:.2g} nats per unit from "
        f"the prior N(0, I); the codes have a deviation of {float(patient.drawn_codes.std()):.2g}."
    )


def strengthen_prior(patient: Patient) -> Settings:
    """Gives the KL its full weight, or a multiple of it; the MMD ten times the weight."""
    options = patient.model.config.bottleneck
    if isinstance(options, GaussianCode):
        return {"bottleneck.beta": max(1.0, 2 * options.beta)}
    penalties: Sequence[Any] = patient.model.config.penalties
    matching = [p for p in penalties if p.matches_prior]
    return {f"penalties.{p.kind}.weight": max(200.0, 10 * p.weight) for p in matching}


CODE_DISEASES = (
    Disease(
        name="posterior collapse",
        threshold=0.75,
        meaning="These units carry nothing of the input: the KL term outweighs what they would "
        "add to the reconstruction.",
        applies=is_variational_patient,
        measure=measure_collapsed_share,
        describe=describe_collapse,
        cure=free_bits,
    ),
    Disease(
        name="dead units",
        threshold=0.5,
        meaning="These units take no part in the code and get no gradient, so that they never "
        "will.",
        applies=is_unit_code,
        measure=measure_dead_share,
        describe=describe_dead_units,
        cure=revive_units,
    ),
    Disease(
        name="dead codebook vectors",
        threshold=0.5,
        meaning="These vectors are not trained: only those that are chosen move, so the code "
        "holds fewer bits than its size says.",
        applies=has_codebook,
        measure=measure_unused_share,
        describe=describe_unused_vectors,
        cure=revive_codebook,
    ),
    Disease(
        name="ignored input",
        threshold=0.99,
        meaning="The decoder gives the same output for every input: the code tells it nothing.",
        applies=lambda patient: not is_variational_patient(patient),
        measure=measure_constant_share,
        describe=describe_constant,
        cure=let_code_vary,
    ),
    Disease(
        name="prior mismatch",
        threshold=0.2,
        meaning="Samples drawn from the prior are codes that the decoder was not trained on, so "
        "they look unlike the data.",
        applies=has_prior,
        measure=measure_prior_distance,
        describe=describe_prior,
        cure=strengthen_prior,
    ),
)
