"""Small models whose numbers are none of the initial ones, and bytes as text for a page."""

from __future__ import annotations

import base64

import torch

from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig

SHARED = {"latent_dim": 5, "input_shape": [1, 9, 14]}


def encode_text(data: bytes) -> str:
    """Return bytes in Base64, as a page takes them."""
    return base64.b64encode(data).decode()


def build_model(options) -> Autoencoder:
    """Return a model with weights, statistics and scales that are not where they begin."""
    torch.manual_seed(0)
    model = Autoencoder(ModelConfig.model_validate({**SHARED, **options})).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(
                    torch.rand_like(tensor) + 0.3
                    if "var" in name or name == "scale"
                    else tensor + 0.1 * torch.randn_like(tensor)
                )
    return model
