"""The fields of a variant, and what entries of several families share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple


class Paper(NamedTuple):
    """A publication: authors, year and title in one text, and its address."""

    citation: str
    url: str


@dataclass(frozen=True)
class Variant:
    """A named combination of parts. `model` and `training` hold what differs from the defaults."""

    label: str
    family: str  # groups variants in menus and pages
    colour: str  # of its lines and points in every figure, as #rrggbb
    summary: str  # one sentence for people
    formula: str  # LaTeX
    source: Paper
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Any] = field(default_factory=dict)  # in place of parts of `model`, for
    # pictures in colour or larger than digits
    latent_dim: int = 32  # for images of MNIST's size and more; smaller inputs get a smaller code
    overcomplete: float = 0.0  # code units per input value, for codes wider than the input
    probabilistic: bool = False  # its loss is a likelihood, chosen by the data

    def fit_pictures(self) -> Variant:
        """Return the variant with the parts that suit pictures in colour or larger than digits."""
        if not self.pictures:
            return self
        return replace(
            self,
            model={**self.model, **self.pictures},
            training={**PICTURE_TRAINING, **self.training},
        )

    @property
    def paper(self) -> str:
        """The citation of the paper that the variant follows."""
        return self.source.citation

    @property
    def url(self) -> str:
        """The address of the paper."""
        return self.source.url


SE = r"\lVert x - \hat{x} \rVert^2"
DEEP_NETWORK = {"kind": "mlp", "hidden": (512, 256)}
PICTURE_NETWORK = {"kind": "residual"}
RESIDUAL_NETWORK = {**PICTURE_NETWORK, "code": "spatial"}
PICTURE_TRAINING = {"lr": 1e-3, "warmup_steps": 100, "precision": "auto"}  # of residual networks
SIGMOID_NETWORK = {"kind": "mlp", "hidden": (), "code_activation": "sigmoid"}


def format_objective(first: str, *rest: str) -> str:
    """Return an objective in LaTeX, with line breaks between its terms for narrow columns."""
    return r"\begin{aligned} \min\; &" + r" \\ &".join((first, *rest)) + r" \end{aligned}"
