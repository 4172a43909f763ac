"""A drawing of a network: its layers as bars, their widths to scale, as HTML in the page's ink."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

from aecore.model.config import ModelConfig
from ui.kit.figures import get_variant_colour

NETWORK_CSS = """<style>
.net-drawing {position: relative; height: 6.5rem}
.net-drawing div {position: absolute}
.net-fan {inset: 0; background: currentColor; opacity: .13}
.net-bar {
  width: .4rem; min-height: 4px; border-radius: 2px; background: currentColor;
  transform: translate(-50%, -50%); top: 50%
}
.net-labels {display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; padding-top: .3rem}
.net-labels span {
  font-size: .75rem; line-height: 1.25; text-align: center; min-width: 0; padding: 0 .15rem
}
.net-labels strong {font-weight: 600}
</style>"""


class DrawnLayer(NamedTuple):
    """A layer of a network."""

    shape: tuple[int, ...]
    role: str = ""  # of the input, the code and the output

    @property
    def width(self) -> int:
        """The values of the layer."""
        return math.prod(self.shape)


def list_layers(model: ModelConfig) -> list[DrawnLayer]:
    """Returns the layers of a model from the input to the output."""
    hidden = [DrawnLayer(shape) for shape in model.network.list_hidden_shapes(model.input_shape)]
    code = DrawnLayer(model.code_grid or (model.latent_dim,), "code")
    return [
        DrawnLayer(model.input_shape, "input"),
        *hidden,
        code,
        *reversed(hidden),
        DrawnLayer(model.input_shape, "output"),
    ]


def format_network(model: ModelConfig) -> str:
    """Returns the drawing of a model's network; its code is in the colour of the variant."""
    layers = list_layers(model)
    widest = max(layer.width for layer in layers)
    shares = [100 * layer.width / widest for layer in layers]
    places = [100 * (i + 0.5) / len(layers) for i in range(len(layers))]
    colour = get_variant_colour(model.variant)
    bars = "".join(
        f'<div class="net-bar" style="left: {place:.2f}%; height: {share:.2f}%'
        f'{f"; width: .6rem; background: {colour}" if layer.role == "code" else ""}"></div>'
        for layer, share, place in zip(layers, shares, places, strict=True)
    )
    outline = outline_layers(places, shares)
    fan = f'<div class="net-fan" style="clip-path: polygon({outline})"></div>'
    labels = "".join(f"<span>{label_layer(layer)}</span>" for layer in layers)
    return (
        f'{NETWORK_CSS}<div role="img" aria-label="{html.escape(describe_layers(layers))}">'
        f'<div class="net-drawing">{fan}{bars}</div><div class="net-labels">{labels}</div></div>'
    )


def outline_layers(places: Sequence[float], shares: Sequence[float]) -> str:
    """Returns the corners around all bars, in percent, for a polygon of CSS."""
    pairs = list(zip(places, shares, strict=True))
    upper = [f"{place:.2f}% {50 - share / 2:.2f}%" for place, share in pairs]
    lower = [f"{place:.2f}% {50 + share / 2:.2f}%" for place, share in reversed(pairs)]
    return ", ".join(upper + lower)


def label_layer(layer: DrawnLayer) -> str:
    """Returns the shape of a layer and its role as HTML, the channels above height and width."""
    channels, *sides = (f"{side:,}" for side in layer.shape)
    size = " x&nbsp;".join(sides)  # where it is too wide, the line breaks before the x
    text = size if size and channels == "1" else "<br>x&nbsp;".join(filter(None, (channels, size)))
    return f"{text}<br><strong>{layer.role}</strong>" if layer.role else text


def describe_layers(layers: Sequence[DrawnLayer]) -> str:
    """Returns the layers as a sentence, for those who cannot see the drawing."""
    widths = ", ".join(
        " by ".join(map(str, layer.shape)) + (f" ({layer.role})" if layer.role else "")
        for layer in layers
    )
    return f"Layers of the network and their widths: {widths}"
