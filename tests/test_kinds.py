"""Kinds of parts: a new one is one file, which the config, the forms and the explorer then know."""

from __future__ import annotations

from typing import get_args

import pytest
from helpers import model
from pydantic import TypeAdapter

from aecore.errors import ConfigError
from aecore.explorer.portable import write_snap_steps
from aecore.model.parts.base import Options
from aecore.model.parts.bottlenecks import BottleneckOptions
from aecore.model.parts.bottlenecks.base import Bottleneck
from aecore.model.parts.kinds import collect_kinds
from aecore.model.parts.likelihoods import LikelihoodOptions
from aecore.model.parts.networks import Network
from aecore.model.parts.penalties import Penalty
from aecore.model.variants import VARIANTS

KIND = """
from typing import ClassVar, Literal
from {base} import {name}


class {title}({name}):
    kind: Literal["{kind}"] = "{kind}"
    menu_position: ClassVar[int] = {position}
"""


class Noise(Options):
    """A part of the test's own."""


def list_kinds(union):
    """The kinds of an annotated union of option classes."""
    return [option.model_fields["kind"].default for option in get_args(get_args(union)[0])]


def test_every_file_of_a_package_brings_its_kinds_in_the_order_of_menus(tmp_path, monkeypatch):
    package = tmp_path / "noises"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for kind, position in (("pink", 2), ("white", 1)):
        values = {"base": __name__, "name": "Noise", "title": kind.title(), "kind": kind}
        (package / f"{kind}.py").write_text(KIND.format(**values, position=position))
    monkeypatch.syspath_prepend(tmp_path)
    union = collect_kinds("noises", Noise)
    assert list_kinds(union) == ["white", "pink"]
    assert type(TypeAdapter(union).validate_python({"kind": "pink"})).__name__ == "Pink"


@pytest.mark.parametrize(
    ("union", "kinds"),
    [
        (
            BottleneckOptions,
            "deterministic top_k gaussian vector_quantized finite_scalar batch_top_k jump_relu "
            "rate",
        ),
        (Network, "mlp conv residual autoencoder_kl autoencoder_tiny ensemble"),
        (
            LikelihoodOptions,
            "gaussian bernoulli calibrated laplace logistic_mixture ms_ssim student_t mixed",
        ),
        (Penalty, "kl_sparsity l1 l2 contractive mmd"),
    ],
)
def test_the_kinds_of_a_part_are_known_in_the_order_of_its_menu(union, kinds):
    known = kinds.split()
    assert [kind for kind in list_kinds(union) if kind in known] == known


def test_a_bottleneck_without_steps_for_the_browser_is_named():
    class Halving(Bottleneck):
        def snap(self, z):
            return z / 2

    with pytest.raises(ConfigError, match="Halving cannot run outside PyTorch yet"):
        write_snap_steps(None, Halving(3))
    assert write_snap_steps(None, model().bottleneck) == []


def test_every_variant_has_a_colour_of_its_own():
    colours = [variant.colour for variant in VARIANTS.values()]
    assert len({*colours}) == len(colours)
    assert all(len(colour) == 7 and int(colour.removeprefix("#"), 16) >= 0 for colour in colours)
