"""Densities of codes, each one entry of the table DENSITIES: what it is called, and its class.

To add one, subclass `Density` and write its entry. A fitted one has `sample` and `log_density`.
"""

from __future__ import annotations

from aecore.analysis.densities.base import Density
from aecore.analysis.densities.flow import FlowDensity
from aecore.analysis.densities.gaussian import GaussianDensity
from aecore.analysis.densities.mixture import MixtureDensity

DENSITIES: dict[str, type[Density]] = {
    density.kind: density for density in (GaussianDensity, MixtureDensity, FlowDensity)
}
