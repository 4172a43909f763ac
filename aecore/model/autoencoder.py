"""The autoencoder: five parts, composed once for every variant."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aecore.errors import ConfigError
from aecore.model.config import ModelConfig, RunConfig
from aecore.model.parts.bottleneck import Code, GaussianCode
from aecore.model.parts.networks import ACTIVATIONS
from aecore.model.parts.penalties import Pass
from aecore.model.weights import load_model, save_model


class Loss(NamedTuple):
    """Means over the batch; total is what is minimised."""

    total: Tensor
    reconstruction: Tensor  # squared error or nats, summed over features
    rate: Tensor  # what the bottleneck costs, unweighted: KL in nats, or the quantiser's terms
    penalty: Tensor  # what the penalties add, weighted


class Autoencoder(nn.Module):
    """x -> corruption -> encoder -> bottleneck -> decoder -> likelihood, with penalties.

    `encode`, `decode` and `reconstruct` take and give tensors (N, ...) in the data's own units:
    pixels in [0, 1], columns as they are in the table. They add no noise. Where the config says that cells
    may be missing, they are NaN in x: the encoder gets zero, the mean, and the loss leaves them out.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.bottleneck = config.bottleneck.build(config.latent_dim)
        self.likelihood = config.likelihood.build(config.features)
        self.encoder, self.decoder = config.network.build(
            config.input_shape, self.bottleneck.inputs, config.latent_dim, config.likelihood.outputs
        )
        with torch.no_grad():
            self.encoder.head.weight.mul_(self.bottleneck.head_scale)
        self.register_buffer(
            "shift", torch.zeros(config.input_shape if config.scaling != "none" else ())
        )
        self.register_buffer(
            "scale", torch.ones(config.input_shape if config.scaling != "none" else ())
        )

    # -- in the data's units

    def encode(self, x: Tensor) -> Tensor:
        """x (N, *input_shape) -> z (N, latent_dim), without noise: means, kept units, nearest vectors."""
        return self.bottleneck.snap(self.encode_scaled(self.to_scaled(self.checked(x))))

    def decode(self, z: Tensor) -> Tensor:
        """z (N, latent_dim) -> x^ (N, *input_shape)."""
        if z.dim() != 2 or z.shape[1] != self.config.latent_dim:
            raise ConfigError(
                f"Codes must have shape (N, {self.config.latent_dim}), got {tuple(z.shape)}."
            )
        return self.from_scaled(self.likelihood.mean(self.decoder(z)))

    def reconstruct(self, x: Tensor) -> Tensor:
        """x (N, *input_shape) -> x^ (N, *input_shape)."""
        return self.decode(self.encode(x))

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n examples (n, *input_shape) decoded from the prior N(0, I)."""
        if not self.config.has_prior:
            raise ConfigError(
                f"{self.config.variant} has no prior to sample from. "
                "Fit a density to its codes: aecore.analysis.latent.fit_density(codes).sample(n)."
            )
        generator = torch.Generator().manual_seed(seed)
        return self.decode(
            torch.randn(n, self.config.latent_dim, generator=generator).to(self.shift.device)
        )

    # -- in the network's units

    def loss(self, x: Tensor, kl_weight: float | Tensor = 1.0) -> Loss:
        """The training loss of x (N, *input_shape), in the data's units; noise only in training mode."""
        observed, x = self.observed(x), self.to_scaled(x)
        noisy = self.config.corruption(x) if self.training and self.config.corruption else x
        features = self.encoder(noisy)
        h = self.activate(
            features.out.to(x.dtype)
        )  # under autocast layers give half precision: too coarse for losses
        options = self.config.bottleneck
        code = self.bottleneck(h, getattr(options, "samples", 1))
        reconstruction = self.likelihood.loss(
            self.decode_samples(code.z), x, observed
        )  # (samples, N)
        cost = code.cost * (kl_weight * options.beta if isinstance(options, GaussianCode) else 1.0)
        penalty = self.penalty(noisy, features.hidden, h, code)
        total = combine_sample_losses(reconstruction + cost, options).mean() + penalty
        return Loss(total, reconstruction.mean(), code.cost.mean(), penalty)

    def penalty(self, x: Tensor, hidden: tuple[Tensor, ...], h: Tensor, code: Code) -> Tensor:
        """The weighted sum of the penalties on one batch."""
        if not self.config.penalties:
            return h.new_zeros(())
        network, means = self.config.network, h[:, : self.config.latent_dim]
        batch = Pass(
            x=x,
            activations=(*hidden, means),
            kinds=(network.activation,) * len(hidden) + (network.code_activation,),
            z=code.z[0],
            encode=self.encode_scaled,
            layer=None if hidden else self.encoder.layers[0],
        )
        return sum(penalty(batch) for penalty in self.config.penalties)

    def encode_scaled(self, x: Tensor) -> Tensor:
        """x in the network's units -> (N, latent_dim) before the bottleneck: the function that is contracted."""
        return self.activate(self.encoder(x).out)[:, : self.config.latent_dim]

    def activate(self, out: Tensor) -> Tensor:
        """The code's non-linearity, on codes and means; variances are left alone."""
        f, d = self.config.network.code_activation, self.config.latent_dim
        if f == "linear":
            return out
        return torch.cat([ACTIVATIONS[f](out[:, :d]), out[:, d:]], dim=1)

    def decode_samples(self, z: Tensor) -> Tensor:
        """(samples, N, latent_dim) -> logits (samples, N, *input_shape)."""
        return self.decoder(z.flatten(0, 1)).to(z.dtype).unflatten(0, z.shape[:2])

    # -- between the two

    def to_scaled(self, x: Tensor) -> Tensor:
        if self.config.scaling == "none":
            return x
        scaled = (x - self.shift) / self.scale
        if self.config.missing:
            return scaled.masked_fill(x.isnan(), 0)
        # a cross-entropy has no meaning outside [0, 1], where new data may lie
        return scaled.clamp(0, 1) if self.config.likelihood.kind == "bernoulli" else scaled

    def observed(self, x: Tensor) -> Tensor | None:
        """Where x (N, *input_shape) has values; None stands for everywhere."""
        return ~x.isnan() if self.config.missing else None

    def from_scaled(self, x: Tensor) -> Tensor:
        return x if self.config.scaling == "none" else x * self.scale + self.shift

    def fit_scaling(self, x: Tensor) -> None:
        """Take shift and scale of each column from training data x (N, *input_shape)."""
        if self.config.scaling == "none":
            return
        if self.config.missing:  # of the cells that are there; a column without any stays as it is
            shift = x.nanmean(0).nan_to_num(0)
            scale = (x - shift).square().nanmean(0).sqrt()
        elif self.config.scaling == "standard":
            shift, scale = x.mean(0), x.std(0, correction=0)
        else:
            shift, scale = x.amin(0), x.amax(0) - x.amin(0)
        self.shift.copy_(shift)
        self.scale.copy_(
            torch.where(scale > 1e-12, scale, torch.ones_like(scale))
        )  # a constant column stays

    @torch.no_grad()
    def fit_output(self, mean: Tensor) -> None:
        """Begin with reconstructions equal to the data's mean (*input_shape), in the network's units.

        Training then need not first learn what all examples share (Burda et al., 2015, section 5).
        """
        bias = self.decoder.output_bias
        logits = self.likelihood.logits(mean)
        bias.copy_(
            logits.flatten() if bias.numel() == logits.numel() else logits.flatten(1).mean(1)
        )

    def checked(self, x: Tensor) -> Tensor:
        if tuple(x.shape[1:]) != self.config.input_shape:
            raise ConfigError(
                f"This model takes examples of shape {self.config.input_shape}, got {tuple(x.shape[1:])}. "
                "Give a tensor of shape (N, *model.config.input_shape)."
            )
        return x

    # -- on disk and on the Hub

    def save(self, folder: str | Path, config: RunConfig | None = None) -> None:
        """Write config.json and model.safetensors, each replaced in one step."""
        save_model(self, Path(folder), config or RunConfig(model=self.config))

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Autoencoder:
        """The model of a run folder, ready to use: no gradients, no noise. CheckpointError if unsound."""
        return load_model(cls, Path(folder)).to(device)

    @classmethod
    def from_pretrained(
        cls, repo: str, revision: str | None = None, token: str | bool | None = None
    ) -> Autoencoder:
        """Pull `user/name` from the Hugging Face Hub and load it. HubError or CheckpointError if that fails."""
        from aecore.hub.pull import pull_run  # the client is only needed here

        return cls.load(pull_run(repo, revision=revision, token=token))

    def push_to_hub(self, repo: str, token: str | bool | None = None, private: bool = False) -> str:
        """Push this model with a card to `user/name`; returns the commit's address."""
        from aecore.hub.push import push_model

        return push_model(self, repo, token=token, private=private)


def combine_sample_losses(loss: Tensor, options: object) -> Tensor:
    """Losses (samples, N) of each code drawn -> one an example: their mean, or IWAE's -ln mean exp(-loss)."""
    if isinstance(options, GaussianCode) and options.bound == "iwae":
        samples = torch.tensor(float(len(loss)), dtype=loss.dtype, device=loss.device)
        return samples.log() - torch.logsumexp(-loss, 0)
    return loss.mean(0)
