"""E0: the formulas themselves, in double precision.

They are compared with closed forms, finite differences and known values.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig, parse_options
from aecore.model.parts.bottlenecks.gaussian import GaussianCode, kl_to_standard_normal
from aecore.model.parts.bottlenecks.top_k import TopK
from aecore.model.parts.bottlenecks.vector_quantized import VectorQuantized
from aecore.model.parts.corruption import GaussianNoise, Masking, SaltAndPepper
from aecore.model.parts.likelihoods.bernoulli import Bernoulli
from aecore.model.parts.likelihoods.gaussian import Gaussian
from aecore.model.parts.penalties.base import Pass
from aecore.model.parts.penalties.contractive import Contractive
from aecore.model.parts.penalties.mmd import estimate_mmd
from aecore.model.parts.penalties.sparsity import KlSparsity
from bench.fidelity.experiment import Check, Experiment, Lab, Result, at_most

ESTIMATE_BAR, EXACT_BAR = at_most(4.0), at_most(1e-8)
ESTIMATED_LABELS = {
    "contraction, by random probes",
    "means of the corruptions",
    "sampled log ratio",
    "MMD of a distribution to itself",
}

# the label of a formula, and its distance from the truth: in standard errors where it is estimated
Deviation = tuple[str, float]


def run_algebra(_lab: Lab) -> Result:
    """Check every formula; the full and the quick version are the same."""
    torch.manual_seed(0)
    return Result(
        [judge_deviation(*check()) for check in FORMULA_CHECKS],
        notes="Closed forms and finite differences in double precision; estimates in standard "
        "errors of their mean.",
    )


def judge_deviation(label: str, deviation: float) -> Check:
    """Returns the check of a formula, with the bar of exact values or of estimates."""
    if label in ESTIMATED_LABELS:
        return Check(f"{label}: standard errors off", deviation, ESTIMATE_BAR)
    return Check(f"{label}: distance from the truth", deviation, EXACT_BAR)


# -- divergences and penalties


def check_gaussian_kl() -> Deviation:
    """Checks the KL of a diagonal Gaussian to N(0, I), summed over three latents.

    KL(N(1, 1) || N(0, 1)) = 0.5 and KL(N(0, 4) || N(0, 1)) = 0.806853 in each of them.
    """
    mean = make_double([[1.0] * 3, [0.0] * 3])
    log_variance = make_double([[0.0] * 3, [math.log(4)] * 3])
    truth = make_double([1.5, 3 * (0.5 * (4 - 1) - math.log(2))])
    return "KL of a VAE", measure_distance(kl_to_standard_normal(mean, log_variance), truth)


def check_sparsity_kl() -> Deviation:
    """Checks KL(.05 || .2) = .0939431 and its slope .9375, for each of two units.

    Neither may depend on the size of the batch.
    """
    h = torch.full((8, 2), 0.2, dtype=torch.float64, requires_grad=True)
    value = KlSparsity(weight=1.0, rho=0.05).measure(h, "sigmoid")
    value.backward()
    truth = 0.05 * math.log(0.05 / 0.2) + 0.95 * math.log(0.95 / 0.8)
    deviation = measure_distance(value, make_double(2 * truth))
    slope_deviation = measure_distance(h.grad, torch.full_like(h, 0.9375 / 8))
    return "KL sparsity", deviation + slope_deviation


def check_known_contraction() -> Deviation:
    """Checks that a sigmoid unit of weights (1, 2) has |J|^2 = (1/4)^2 (1 + 4) = .3125 at x = 0."""
    model = build_encoder(2, 1)
    with torch.no_grad():
        model.encoder.layers[0].weight.copy_(make_double([[1.0, 2.0]]))
        model.encoder.layers[0].bias.zero_()
    penalty = compute_contraction(model, make_double([[0.0, 0.0]]), "closed_form")
    return "contraction, by hand", measure_distance(penalty, make_double([0.3125]))


def check_contraction_by_differences() -> Deviation:
    """Checks |J|_F^2 in closed form and by reverse mode against central differences.

    The encoder has more inputs than units.
    """
    model, x, step = build_encoder(5, 3), torch.randn(4, 5, dtype=torch.float64), 1e-5
    moves = step * torch.eye(5, dtype=torch.float64)
    columns = [(model.encode(x + move) - model.encode(x - move)) / (2 * step) for move in moves]
    truth = torch.stack(columns).square().sum((0, 2))
    return "contraction, by differences", max(
        measure_distance(compute_contraction(model, x, method), truth)
        for method in ("closed_form", "exact")
    )


def check_probed_contraction() -> Deviation:
    """Checks that random signs estimate |J|_F^2 without bias."""
    model, x = build_encoder(5, 3), torch.randn(1, 5, dtype=torch.float64)
    truth = compute_contraction(model, x, "closed_form")
    draws = torch.stack([compute_contraction(model, x, "probes") for _ in range(400)])
    return "contraction, by random probes", count_standard_errors(draws, truth)


def check_unbiased_mmd() -> Deviation:
    """Checks that the MMD between two samples of one distribution has the mean zero."""
    draws = [estimate_mmd(*torch.randn(2, 40, 3, dtype=torch.float64)) for _ in range(400)]
    deviation = count_standard_errors(torch.stack(draws), make_double(0.0))
    return "MMD of a distribution to itself", deviation


# -- bottlenecks


def check_largest_units() -> Deviation:
    """Checks that each example keeps its own k largest units, by value and by size."""
    z = torch.randn(7, 10, dtype=torch.float64)
    z[0] += 100  # if units were ranked over the batch this example would take every place
    deviation = 0.0
    for by, rank in (("value", z), ("magnitude", z.abs())):
        code = TopK(k=3, by=by).build(10).snap(z)
        threshold = rank.sort(1, descending=True).values[:, 2:3]
        truth = torch.where(rank >= threshold, z, torch.zeros_like(z))
        deviation += measure_distance(code, truth)
    return "k largest units", deviation


def check_sampled_ratio() -> Deviation:
    """Checks that the mean of ln q(z|x) - ln p(z) over draws is the KL."""
    mean, log_variance = make_double([[0.5, -1.0]]), make_double([[0.3, -0.7]])
    _, ratio = GaussianCode().build(2).draw(mean, log_variance, 100_000)
    truth = kl_to_standard_normal(mean, log_variance)[0]
    return "sampled log ratio", count_standard_errors(ratio[:, 0], truth)


def check_importance_bound() -> Deviation:
    """Checks the bound ln 1/K sum w.

    Weights 1 and 3 give ln 2; K equal weights give as much as one; the elbo is the mean.
    """
    losses = -make_double([[0.0], [math.log(3)]])
    iwae, elbo = GaussianCode(bound="iwae"), GaussianCode()
    deviation = measure_distance(iwae.combine_losses(losses), -make_double([math.log(2)]))
    deviation += measure_distance(elbo.combine_losses(losses), losses.mean(0))
    equal_losses = losses[:1].expand(50, 1)
    return "importance-weighted bound", deviation + measure_distance(
        iwae.combine_losses(equal_losses), losses[0]
    )


def check_codebook_gradients() -> Deviation:
    """Checks the gradients of vector quantisation, z_e being the encoder's output.

    Encoder: 2 beta (z_e - e), from the commitment. Codebook: 2 (e - z_e), with weight one.
    """
    quantizer = VectorQuantized(codes=4, dim=3, commitment=0.25).build(3).double()
    h = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    quantizer(h, 1).cost.sum().backward()
    index = quantizer.indices(h)[0, 0]
    difference = (h - quantizer.codebook[index]).detach()[0]
    deviation = measure_distance(h.grad[0], 0.5 * difference)
    codebook_deviation = measure_distance(quantizer.codebook.grad[index], -2 * difference)
    return "codebook and commitment", deviation + codebook_deviation


def check_straight_through() -> Deviation:
    """Checks that the decoder's gradient passes a quantised code unchanged.

    The code itself is the codebook's vector.
    """
    quantizer = VectorQuantized(codes=4, dim=3).build(3).double()
    h = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    weight = make_double([[1.0, -2.0, 3.0]])
    code = quantizer(h, 1)
    (code.z[0] * weight).sum().backward()
    deviation = measure_distance(h.grad, weight)
    return "straight-through gradient", deviation + measure_distance(code.z[0], quantizer.snap(h))


# -- corruptions and losses


def check_no_noise_at_test() -> Deviation:
    """Checks that there is no noise outside training: the loss is that of the clean input."""
    network = {"kind": "mlp", "hidden": (4,)}
    clean = build_model({"network": network})
    noisy = build_model({"network": network, "corruption": {"kind": "gaussian", "sigma": 1.0}})
    noisy.load_state_dict(clean.state_dict())
    x = torch.rand(16, 6, dtype=torch.float64)
    deviation = measure_distance(noisy.eval().loss(x).total, clean.eval().loss(x).total)
    return "no noise at test time", deviation + measure_distance(
        noisy.reconstruct(x), clean.reconstruct(x)
    )


def check_clean_target() -> Deviation:
    """Checks that the target is the clean input.

    With a decoder that returns 0 the loss is |x|^2 under any noise.
    """
    network = {"kind": "mlp", "hidden": (4,)}
    model = build_model({"network": network, "corruption": {"kind": "masking", "fraction": 0.5}})
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.zero_()
    x = torch.rand(16, 6, dtype=torch.float64)
    truth = x.square().sum(1).mean()
    return "clean target", measure_distance(model.train().loss(x).total, truth)


def check_noise_means() -> Deviation:
    """Checks the means under noise: x; (1 - nu) x, not rescaled; (1 - nu) x + nu / 2."""
    x = torch.full((200_000,), 0.8, dtype=torch.float64)
    means = (
        (GaussianNoise(sigma=0.5), 0.8),
        (Masking(fraction=0.25), 0.6),
        (SaltAndPepper(fraction=0.5), 0.65),
    )
    return "means of the corruptions", max(
        count_standard_errors(noise(x), make_double(mean)) for noise, mean in means
    )


def check_tied_gradient() -> Deviation:
    """Checks that a matrix used twice gets both gradients, against central differences."""
    model = build_model(
        {"network": {"kind": "mlp", "hidden": (), "tied": True, "code_activation": "sigmoid"}}
    )
    x, weight, step = torch.rand(8, 6, dtype=torch.float64), model.encoder.layers[0].weight, 1e-5
    model.loss(x).total.backward()
    slope = torch.zeros_like(weight)
    with torch.no_grad():
        for i in range(weight.numel()):
            losses = []
            for sign in (1, -1):
                weight.view(-1)[i] += sign * step
                losses.append(model.loss(x).total)
                weight.view(-1)[i] -= sign * step
            slope.view(-1)[i] = (losses[0] - losses[1]) / (2 * step)
    return "gradient of tied weights", measure_distance(weight.grad, slope)


def check_likelihoods() -> Deviation:
    """Checks two likelihoods against PyTorch's.

    They are the Gaussian with its constant, and the cross-entropy of grey pixels.
    """
    logits, x = torch.randn(5, 6, dtype=torch.float64), torch.rand(5, 6, dtype=torch.float64)
    gaussian = Gaussian(variance=0.3).build(6)
    log_density = torch.distributions.Normal(logits, math.sqrt(0.3)).log_prob(x).sum(1)
    deviation = measure_distance(gaussian.loss(logits, x) + gaussian.constant(6), -log_density)
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    return "likelihoods", deviation + measure_distance(
        Bernoulli().build(6).loss(logits, x), entropy
    )


FORMULA_CHECKS: tuple[Callable[[], Deviation], ...] = (
    check_gaussian_kl,
    check_sparsity_kl,
    check_known_contraction,
    check_contraction_by_differences,
    check_largest_units,
    check_no_noise_at_test,
    check_clean_target,
    check_importance_bound,
    check_codebook_gradients,
    check_straight_through,
    check_tied_gradient,
    check_likelihoods,
    check_probed_contraction,
    check_noise_means,
    check_sampled_ratio,
    check_unbiased_mmd,
)


# -- helpers


def make_double(values: object) -> Tensor:
    """Returns a tensor in double precision."""
    return torch.tensor(values, dtype=torch.float64)


def measure_distance(values: Tensor, truth: Tensor) -> float:
    """Returns the largest absolute difference."""
    return (values - truth).abs().max().item()


def count_standard_errors(draws: Tensor, truth: Tensor) -> float:
    """Returns how many standard errors the mean of draws (N, ...) is from the truth."""
    return abs(draws.mean() - truth).max().item() / (draws.std().item() / math.sqrt(len(draws)))


def build_model(options: dict[str, object]) -> Autoencoder:
    """Returns a model of 6 inputs and 3 units with these options, in double precision."""
    return Autoencoder(
        parse_options(ModelConfig, {"input_shape": (6,), "latent_dim": 3, **options})
    ).double()


def build_encoder(features: int, units: int) -> Autoencoder:
    """Returns a model whose encoder is one layer of sigmoid units."""
    network = {"kind": "mlp", "hidden": (), "code_activation": "sigmoid"}
    return build_model({"input_shape": (features,), "latent_dim": units, "network": network})


def compute_contraction(model: Autoencoder, x: Tensor, method: str) -> Tensor:
    """Returns the contractive penalty |J|_F^2 of each example, by one of its methods."""
    h = model.encode_scaled(x)
    batch = Pass(x, (h,), ("sigmoid",), h, model.encode_scaled, model.encoder.layers[0])
    return Contractive(method=method).squared_norm(batch).detach()


EXPERIMENT = Experiment(
    "E0",
    "The formulas",
    "Every loss and penalty is the one that its paper writes down.",
    "closed forms, finite differences and worked values of the papers",
    "https://arxiv.org/abs/1312.6114",
    run_algebra,
    run_algebra,
)
