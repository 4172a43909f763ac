"""The autoencoder: five parts, composed once for every variant."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from aecore.errors import ConfigError
from aecore.files import find_model_folder
from aecore.model.calibration import make_stretches
from aecore.model.config import ModelConfig, RunConfig
from aecore.model.inputs import check_floats, check_shape
from aecore.model.loss import Loss
from aecore.model.parts.bottlenecks.base import Bottleneck, Code
from aecore.model.parts.bottlenecks.gaussian import bound_log_variances
from aecore.model.parts.corruption import GaussianNoise
from aecore.model.parts.exact_prior import ExactPrior
from aecore.model.parts.likelihoods.base import Likelihood
from aecore.model.parts.networks.base import ACTIVATIONS, Decoder, Encoder
from aecore.model.parts.penalties.base import Pass
from aecore.model.scaling import fit_columns
from aecore.model.weights import load_model, save_model


class Autoencoder(nn.Module):
    """x -> corruption -> encoder -> bottleneck -> decoder -> likelihood, with penalties.

    `encode`, `decode` and `reconstruct` take and return tensors (N, ...) in the data's own units:
    pixels in [0, 1], columns as they are in the table. They add no noise. Where the config says
    that cells may be missing, they are NaN in x: the encoder gets zero, the mean, and the loss
    leaves them out.
    """

    encoder: Encoder
    decoder: Decoder
    bottleneck: Bottleneck
    likelihood: Likelihood
    shift: Tensor  # of each column, in the data's units; zero without scaling
    scale: Tensor
    stretches: Tensor | None  # (columns, promises) of intervals; zero before the calibration

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.bottleneck = config.bottleneck.build(config.latent_dim, config.code_grid)
        self.likelihood = config.likelihood.build(config.features, config.input_shape[0])
        self.encoder, self.decoder = config.network.build(
            config.input_shape,
            self.bottleneck.inputs,
            config.latent_dim,
            config.count_logits(),
        )
        if config.network.shares_columns:
            config.network.share_columns(self.encoder, self.decoder, config.column_slices)
        self.encoder.scale_code(self.bottleneck.head_scale)
        index_shape = config.bottleneck.index_shape(config.latent_dim)
        self.prior = config.prior.build(index_shape) if config.prior else None
        scaling_shape = () if config.scaling == "none" else config.input_shape
        self.register_buffer("shift", torch.zeros(scaling_shape))
        self.register_buffer("scale", torch.ones(scaling_shape))
        columns = len(config.column_slices) if config.calibration else 0
        self.register_buffer("stretches", make_stretches(columns) if columns else None)

    def retune(self, config: ModelConfig) -> None:
        """Take over a config that differs from the model's own in knobs alone."""
        self.config = config
        self.bottleneck.retune(config.bottleneck)

    # -- in the data's units

    def encode(self, x: Tensor) -> Tensor:
        """x (N, *input_shape) -> z (N, latent_dim), without noise.

        These are the means of variational codes, and the valid codes of other bottlenecks.
        """
        x = self.check_input(check_floats(x, self.shift.dtype))
        return self.bottleneck.snap(self.encode_scaled(self.to_scaled(x)))

    def decode(self, z: Tensor) -> Tensor:
        """z (N, latent_dim) -> x^ (N, *input_shape)."""
        z = check_floats(z, self.shift.dtype)
        if z.dim() != 2 or z.shape[1] != self.config.latent_dim:
            raise ConfigError(
                f"Codes must have shape (N, {self.config.latent_dim}), got {tuple(z.shape)}."
            )
        return self.from_scaled(self.likelihood.mean(self.decoder(z)))

    def reconstruct(self, x: Tensor) -> Tensor:
        """x (N, *input_shape) -> x^ (N, *input_shape)."""
        return self.decode(self.encode(x))

    @property
    def has_prior(self) -> bool:
        """True where codes can be drawn: by a prior that has learned indices, or from N(0, I)."""
        return self.config.has_prior if self.prior is None else self.prior.is_trained

    def draw_codes(self, n: int, seed: int = 0) -> Tensor:
        """Draw n codes (n, latent_dim) from the prior; ConfigError if the model has none."""
        if not self.has_prior:
            raise ConfigError(
                f"{self.config.variant} has no prior to sample from. "
                "Fit a density to its codes: aecore.analysis.latent.fit_density(codes).sample(n)."
            )
        if n < 0:
            raise ConfigError(f"The number of codes must be 0 or more, got {n}.")
        generator = torch.Generator().manual_seed(seed)
        if self.prior is None:
            return torch.randn(n, self.config.latent_dim, generator=generator).to(self.shift.device)
        indices = ExactPrior(self.prior).draw(n, generator)
        return self.bottleneck.values(indices.to(self.shift.device))

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Decode n codes drawn from the prior: (n, *input_shape). ConfigError as `draw_codes`."""
        return self.decode(self.draw_codes(n, seed))

    def check_input(self, x: Tensor) -> Tensor:
        """Return x if its shape is (N, *input_shape); ConfigError otherwise."""
        return check_shape(x, self.config.input_shape)

    # -- in the network's units

    def loss(self, x: Tensor, kl_weight: float | Tensor = 1.0) -> Loss:
        """Return the training loss of x (N, *input_shape), in the data's units.

        Corruption is added in training mode only; variational codes are drawn in both modes.
        `kl_weight` is the factor of the KL term while it fades in.
        """
        observed, x = self.observed(x), self.to_scaled(x)
        noisy = self.corrupt(x) if self.training else x
        features = self.encoder(noisy)
        if features.visible is not None:
            observed = features.visible if observed is None else observed & features.visible
        # under autocast layers give half precision: too coarse for losses
        h, options = self.activate(features.out.to(x.dtype)), self.config.bottleneck
        code = self.bottleneck(h, options.sample_count)
        logits = self.decode_samples(code.z)
        reconstruction = self.likelihood.training_loss(logits, x, observed)  # (samples, N)
        cost = self.weigh_cost(code.cost, kl_weight)
        penalty = self.penalty(noisy, features.hidden, h, code)
        dead_code = self.bottleneck.select_dead_code(h)
        if dead_code is not None:
            auxiliary = self.auxiliary_loss(dead_code, logits, x, observed)
            penalty = penalty + options.auxiliary_weight * auxiliary
        total = self.average(options.combine_losses(reconstruction + cost)) + penalty
        rate = code.cost if code.rate is None else code.rate
        return Loss(total, self.average(reconstruction), self.average(rate), penalty)

    def weigh_cost(self, cost: Tensor, kl_weight: float | Tensor) -> Tensor:
        """Return the cost of codes (samples, N) as it counts in the loss."""
        return cost * self.config.bottleneck.cost_weight(kl_weight)

    def average(self, losses: Tensor) -> Tensor:
        """Return the mean over the batch of losses (..., N)."""
        return losses.mean()

    def corrupt(self, x: Tensor) -> Tensor:
        """Return x (N, *input_shape), in the network's units, as the encoder gets it."""
        corruption = self.config.corruption
        if corruption is None:
            return x
        noisy = corruption(x, self.likelihood.owners)
        words = self.config.word_slices
        if words and isinstance(corruption, GaussianNoise):
            return corruption.replace_words(noisy, x, words)
        return noisy

    def penalty(self, x: Tensor, hidden: tuple[Tensor, ...], h: Tensor, code: Code) -> Tensor:
        """Return the weighted sum of the penalties on one batch.

        x are the encoder's inputs, `hidden` its activations, and h its outputs.
        """
        if not self.config.penalties:
            return h.new_zeros(())
        batch = Pass(
            x=x,
            activations=(*hidden, h[:, : self.config.latent_dim]),
            kinds=self.config.network.layer_activations,
            z=code.z[0],
            encode=self.encode_scaled,
            layer=None if hidden else self.encoder.head,
        )
        total = h.new_zeros(())
        for penalty in self.config.penalties:
            total = total + penalty(batch)
        return total

    def auxiliary_loss(
        self, dead_code: Tensor, logits: Tensor, x: Tensor, observed: Tensor | None
    ) -> Tensor:
        """Return the loss of x where what dead units decode to is added to `logits`, a scalar.

        `logits` (samples, N, ...) are those of the other units, which get no gradient of it (Gao et
        al., 2024, appendix A.2). Zero where no unit is dead.
        """
        without = dead_code.new_zeros(1, dead_code.shape[1])
        decoded = self.decode_samples(torch.cat([dead_code, without])[None])
        corrected = logits.detach() + decoded[:, :-1] - decoded[:, -1:]
        loss = self.likelihood.loss(corrected, x, observed).mean()
        return loss * (dead_code != 0).any()

    def encode_scaled(self, x: Tensor) -> Tensor:
        """x in the network's units -> (N, latent_dim) before the bottleneck.

        Contractive penalties are about the Jacobian of this function.
        """
        return self.activate(self.encoder(x).out)[:, : self.config.latent_dim]

    def activate(self, out: Tensor) -> Tensor:
        """Apply the code's non-linearity to codes or means, and bound log variances."""
        activation, d = self.config.network.code_activation, self.config.latent_dim
        if out.shape[1] <= d:  # fewer in the training of an ensemble
            return out if activation == "linear" else ACTIVATIONS[activation](out)
        codes, log_variances = out[:, :d], out[:, d:]
        if activation != "linear":
            codes = ACTIVATIONS[activation](codes)
        return torch.cat([codes, bound_log_variances(log_variances)], dim=1)

    def decode_samples(self, z: Tensor) -> Tensor:
        """(samples, N, latent_dim) -> logits (samples, N, ...)."""
        return self.decoder(z.flatten(0, 1)).to(z.dtype).unflatten(0, z.shape[:2])

    # -- between the two

    def to_scaled(self, x: Tensor) -> Tensor:
        """x (N, *input_shape) in the data's units -> the network's; missing cells become zero."""
        if self.config.scaling == "none":
            return x
        scaled = (x - self.shift) / self.scale
        if self.config.missing:
            scaled = scaled.masked_fill(x.isnan(), 0)
        if self.config.clip is not None:
            scaled = scaled.clamp(-self.config.clip, self.config.clip)
        # new data may lie outside the range of the training data
        return scaled.clamp(0, 1) if self.config.likelihood.needs_unit_interval else scaled

    def from_scaled(self, x: Tensor) -> Tensor:
        """x (N, *input_shape) in the network's units -> the data's."""
        return x if self.config.scaling == "none" else x * self.scale + self.shift

    def observed(self, x: Tensor) -> Tensor | None:
        """Return True for cells of x (N, *input_shape) that have a value; None if all must have."""
        return ~x.isnan() if self.config.missing else None

    def fit_scaling(self, x: Tensor) -> None:
        """Set shift and scale of each column from training data x (N, *input_shape)."""
        if self.config.scaling == "none":
            return
        fitted = fit_columns(x, self.config.scaling, self.config.missing)
        unscaled = self.config.likelihood.find_unscaled(self.config.features)
        fitted.shift[unscaled], fitted.scale[unscaled] = 0, 1
        self.shift.copy_(fitted.shift)
        self.scale.copy_(fitted.scale)
        self.likelihood.fit_units(self.shift, self.scale)

    @torch.no_grad()
    def fit_output(self, mean: Tensor) -> None:
        """Set the output bias so that reconstructions begin at the data's mean (*input_shape).

        It is in the network's units (Burda et al., 2015, section 5).
        """
        bias = self.decoder.output_bias
        logits = self.likelihood.logits(mean)
        is_per_feature = bias.shape[-1] == logits.numel()
        bias.copy_(logits.flatten() if is_per_feature else logits.flatten(1).mean(1))

    # -- on disk and on the Hub

    def save(self, folder: str | Path, config: RunConfig | None = None) -> None:
        """Write config.json and model.safetensors, each replaced in one step."""
        save_model(self, Path(folder), config or RunConfig(model=self.config), self.config)

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Autoencoder:
        """Return the model of a run folder, in evaluation mode and without gradients.

        `folder` may be the name of a model that ships with the package, such as mnist-conv-vae.
        CheckpointError says what is wrong with the folder.
        """
        return load_model(cls, find_model_folder(folder)).to(device)

    @classmethod
    def from_pretrained(
        cls, repo: str, revision: str | None = None, token: str | bool | None = None
    ) -> Autoencoder:
        """Pull `user/name` from the Hub and load it; those of diffusers take pictures of 64 pixels.

        HubError if it cannot be pulled, CheckpointError if it cannot be loaded.
        """
        from aecore.hub.pull import pull_run  # lazy: only the Hub needs its client

        return cls.load(pull_run(repo, revision=revision, token=token))

    def push_to_hub(self, repo: str, token: str | bool | None = None, private: bool = False) -> str:
        """Push this model with a card to `user/name` and return the commit's address."""
        from aecore.hub.push import push_model  # lazy: only the Hub needs its client

        return push_model(self, repo, token=token, private=private)
