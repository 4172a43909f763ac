"""E0: the formulas themselves, in double precision, against closed forms, finite differences and known values."""

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
from aecore.model.parts.likelihood import Bernoulli, Gaussian
from aecore.model.parts.penalties.base import Pass
from aecore.model.parts.penalties.contractive import Contractive
from aecore.model.parts.penalties.mmd import estimate_mmd
from aecore.model.parts.penalties.sparsity import KlSparsity
from bench.fidelity.experiment import Check, Experiment, Lab, Result, at_most

EXACT = at_most(1e-8)


def run(_lab: Lab) -> Result:
    torch.manual_seed(0)
    found = [check() for check in CHECKS]
    return Result(
        [
            Check(f"{name}: standard errors off", off, at_most(4.0))
            if name in ESTIMATED
            else Check(f"{name}: distance from the truth", off, EXACT)
            for name, off in found
        ],
        notes="Closed forms and finite differences in double precision; estimates in standard errors of their mean.",
    )


def gaussian_kl() -> tuple[str, float]:
    """KL(N(1, 1) || N(0, 1)) = 0.5 and KL(N(0, 4) || N(0, 1)) = 0.806853 in each of three latents, summed."""
    mean, log_variance = double([[1.0] * 3, [0.0] * 3]), double([[0.0] * 3, [math.log(4)] * 3])
    truth = double([1.5, 3 * (0.5 * (4 - 1) - math.log(2))])
    return "KL of a VAE", distance(kl_to_standard_normal(mean, log_variance), truth)


def sparsity_kl() -> tuple[str, float]:
    """KL(.05 || .2) = .0939431 with slope .9375, for each of two units, whatever the size of the batch."""
    h = torch.full((8, 2), 0.2, dtype=torch.float64, requires_grad=True)
    value = KlSparsity(weight=1.0, rho=0.05).measure(h, "sigmoid")
    value.backward()
    one = 0.05 * math.log(0.05 / 0.2) + 0.95 * math.log(0.95 / 0.8)
    return "KL sparsity", distance(value, double(2 * one)) + distance(
        h.grad, torch.full_like(h, 0.9375 / 8)
    )


def known_contraction() -> tuple[str, float]:
    """A sigmoid unit with weights (1, 2) at x = 0 has |J|^2 = (1/4)^2 (1 + 4) = .3125."""
    model = encoder(2, 1)
    with torch.no_grad():
        model.encoder.layers[0].weight.copy_(double([[1.0, 2.0]]))
        model.encoder.layers[0].bias.zero_()
    return "contraction, by hand", distance(
        contraction(model, double([[0.0, 0.0]]), "closed_form"), double([0.3125])
    )


def contraction_by_differences() -> tuple[str, float]:
    """|J|_F^2 in closed form, by reverse mode and by central differences; more inputs than units."""
    model, x, step = encoder(5, 3), torch.randn(4, 5, dtype=torch.float64), 1e-5
    moves = step * torch.eye(5, dtype=torch.float64)
    columns = [(model.encode(x + e) - model.encode(x - e)) / (2 * step) for e in moves]
    truth = torch.stack(columns).square().sum((0, 2))
    return "contraction, by differences", max(
        distance(contraction(model, x, method), truth) for method in ("closed_form", "exact")
    )


def probed_contraction() -> tuple[str, float]:
    """Random signs estimate |J|_F^2 without bias."""
    model, x = encoder(5, 3), torch.randn(1, 5, dtype=torch.float64)
    truth = contraction(model, x, "closed_form")
    draws = torch.stack([contraction(model, x, "probes") for _ in range(400)])
    return "contraction, by random probes", errors_off(draws, truth)


def largest_k() -> tuple[str, float]:
    """Each example keeps its own k largest, by value and by size, and nothing else."""
    z = torch.randn(7, 10, dtype=torch.float64)
    z[0] += 100  # if units were ranked over the batch this example would take every place
    off = 0.0
    for by, rank in (("value", z), ("magnitude", z.abs())):
        kept = TopK(k=3, by=by).build(10).snap(z)
        truth = torch.where(
            rank >= rank.sort(1, descending=True).values[:, 2:3], z, torch.zeros_like(z)
        )
        off += distance(kept, truth)
    return "k largest units", off


def clean_at_test() -> tuple[str, float]:
    """No noise outside training: the loss is that of the clean input."""
    clean = build({"network": {"kind": "mlp", "hidden": (4,)}})
    noisy = build(
        {
            "network": {"kind": "mlp", "hidden": (4,)},
            "corruption": {"kind": "gaussian", "sigma": 1.0},
        }
    )
    noisy.load_state_dict(clean.state_dict())
    x = torch.rand(16, 6, dtype=torch.float64)
    off = distance(noisy.eval().loss(x).total, clean.eval().loss(x).total)
    return "no noise at test time", off + distance(noisy.reconstruct(x), clean.reconstruct(x))


def clean_target() -> tuple[str, float]:
    """The target is the clean input: with a decoder that says 0 the loss is |x|^2 under any noise."""
    model = build(
        {
            "network": {"kind": "mlp", "hidden": (4,)},
            "corruption": {"kind": "masking", "fraction": 0.5},
        }
    )
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.zero_()
    x = torch.rand(16, 6, dtype=torch.float64)
    return "clean target", distance(model.train().loss(x).total, x.square().sum(1).mean())


def noise_means() -> tuple[str, float]:
    """Means under noise: x; (1 - nu) x, not rescaled; (1 - nu) x + nu / 2."""
    x = torch.full((200_000,), 0.8, dtype=torch.float64)
    wanted = (
        (GaussianNoise(sigma=0.5), 0.8),
        (Masking(fraction=0.25), 0.6),
        (SaltAndPepper(fraction=0.5), 0.65),
    )
    return "means of the corruptions", max(
        errors_off(noise(x), double(mean)) for noise, mean in wanted
    )


def importance_bound() -> tuple[str, float]:
    """ln 1/K sum w: weights 1 and 3 give ln 2; K equal weights give what one gives; with bound elbo the mean."""
    losses = -double([[0.0], [math.log(3)]])
    iwae, elbo = GaussianCode(bound="iwae"), GaussianCode()
    off = distance(iwae.combine_losses(losses), -double([math.log(2)])) + distance(
        elbo.combine_losses(losses), losses.mean(0)
    )
    return "importance-weighted bound", off + distance(
        iwae.combine_losses(losses[:1].expand(50, 1)), losses[0]
    )


def sampled_ratio() -> tuple[str, float]:
    """The mean of ln q(z|x) - ln p(z) over draws is the KL."""
    mean, log_variance = double([[0.5, -1.0]]), double([[0.3, -0.7]])
    _, ratio = GaussianCode().build(2).draw(mean, log_variance, 100_000)
    return "sampled log ratio", errors_off(
        ratio[:, 0], kl_to_standard_normal(mean, log_variance)[0]
    )


def codebook_gradients() -> tuple[str, float]:
    """Encoder: 2 beta (z_e - e), from the commitment. Codebook: 2 (e - z_e), with weight one."""
    quantizer = VectorQuantized(codes=4, dim=3, commitment=0.25).build(3).double()
    h = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    quantizer(h, 1).cost.sum().backward()
    chosen = quantizer.indices(h)[0, 0]
    apart = (h - quantizer.codebook[chosen]).detach()[0]
    return "codebook and commitment", distance(h.grad[0], 0.5 * apart) + distance(
        quantizer.codebook.grad[chosen], -2 * apart
    )


def straight_through() -> tuple[str, float]:
    """The decoder's gradient passes a quantised code unchanged, and the code itself is the codebook's vector."""
    quantizer = VectorQuantized(codes=4, dim=3).build(3).double()
    h, weight = (
        torch.randn(1, 3, dtype=torch.float64, requires_grad=True),
        double([[1.0, -2.0, 3.0]]),
    )
    code = quantizer(h, 1)
    (code.z[0] * weight).sum().backward()
    return "straight-through gradient", distance(h.grad, weight) + distance(
        code.z[0], quantizer.snap(h)
    )


def tied_gradient() -> tuple[str, float]:
    """One matrix used twice gets both gradients: against central differences."""
    model = build(
        {"network": {"kind": "mlp", "hidden": (), "tied": True, "code_activation": "sigmoid"}}
    )
    x, weight, step = torch.rand(8, 6, dtype=torch.float64), model.encoder.layers[0].weight, 1e-5
    model.loss(x).total.backward()
    slope = torch.zeros_like(weight)
    with torch.no_grad():
        for place in range(weight.numel()):
            ends = []
            for sign in (1, -1):
                weight.view(-1)[place] += sign * step
                ends.append(model.loss(x).total)
                weight.view(-1)[place] -= sign * step
            slope.view(-1)[place] = (ends[0] - ends[1]) / (2 * step)
    return "gradient of tied weights", distance(weight.grad, slope)


def likelihoods() -> tuple[str, float]:
    """Gaussian with its constant, and the cross-entropy of grey pixels, against torch.distributions."""
    logits, x = torch.randn(5, 6, dtype=torch.float64), torch.rand(5, 6, dtype=torch.float64)
    gaussian = Gaussian(variance=0.3).build(6)
    normal = torch.distributions.Normal(logits, math.sqrt(0.3)).log_prob(x).sum(1)
    off = distance(gaussian.loss(logits, x) + gaussian.constant(6), -normal)
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    return "likelihoods", off + distance(Bernoulli().build(6).loss(logits, x), entropy)


def unbiased_mmd() -> tuple[str, float]:
    """Between two samples of one distribution its mean is zero."""
    draws = [estimate_mmd(*torch.randn(2, 40, 3, dtype=torch.float64)) for _ in range(400)]
    return "MMD of a distribution to itself", errors_off(torch.stack(draws), double(0.0))


CHECKS: tuple[Callable[[], tuple[str, float]], ...] = (
    gaussian_kl,
    sparsity_kl,
    known_contraction,
    contraction_by_differences,
    largest_k,
    clean_at_test,
    clean_target,
    importance_bound,
    codebook_gradients,
    straight_through,
    tied_gradient,
    likelihoods,
    probed_contraction,
    noise_means,
    sampled_ratio,
    unbiased_mmd,
)
ESTIMATED = {
    "contraction, by random probes",
    "means of the corruptions",
    "sampled log ratio",
    "MMD of a distribution to itself",
}


def double(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def distance(found: Tensor, truth: Tensor) -> float:
    return (found - truth).abs().max().item()


def errors_off(draws: Tensor, truth: Tensor) -> float:
    """How many standard errors the mean of draws (N, ...) is from the truth."""
    return abs(draws.mean() - truth).max().item() / (draws.std().item() / math.sqrt(len(draws)))


def build(options: dict[str, object]) -> Autoencoder:
    return Autoencoder(
        parse_options(ModelConfig, {"input_shape": (6,), "latent_dim": 3, **options})
    ).double()


def encoder(features: int, units: int) -> Autoencoder:
    network = {"kind": "mlp", "hidden": (), "code_activation": "sigmoid"}
    return build({"input_shape": (features,), "latent_dim": units, "network": network})


def contraction(model: Autoencoder, x: Tensor, method: str) -> Tensor:
    h = model.encode_scaled(x)
    batch = Pass(x, (h,), ("sigmoid",), h, model.encode_scaled, model.encoder.layers[0])
    return Contractive(method=method).squared_norm(batch).detach()


EXPERIMENT = Experiment(
    "E0",
    "The formulas",
    "Every loss and penalty is the one that its paper writes down.",
    "closed forms, finite differences and worked values of the papers",
    "https://arxiv.org/abs/1312.6114",
    run,
    run,
)
