"""The table of defaults: its sets, a cell beside PCA, verdicts, and the page."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import tiny

from aecore.errors import RunError
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure
from bench.defaults import cells, report
from bench.defaults.__main__ import build_defaults_parser
from bench.defaults.cells import Figures, judge_cell, measure_cell, name_cell
from bench.defaults.report import Row, write_defaults_page
from bench.defaults.sets import PHOTOGRAPHS, SETS


@pytest.mark.parametrize("name", [n for n, s in SETS.items() if s.make and n not in PHOTOGRAPHS])
def test_generated_rows_are_finite_the_same_again_and_vary(name, tmp_path):
    path = SETS[name].place(tmp_path / "rows.npz")
    x = np.load(path)["x"]
    assert x.dtype == np.float32 and np.isfinite(x).all() and (x.std(0) > 0).all()
    assert np.array_equal(x, SETS[name].make(np.random.default_rng(0)))


def test_a_cell_is_measured_beside_pca_of_its_size():
    figures = measure_cell(tiny(network={"kind": "mlp", "linear_path": True}))
    assert 0 < figures.left < figures.left_by_pca < 1
    assert figures.active == 4


def test_a_training_that_fails_is_a_cell_too(monkeypatch):
    def diverge(run):
        raise RunError("The training diverged.")

    monkeypatch.setattr(cells, "fit", diverge)
    figures = measure_cell(tiny())
    assert judge_cell(figures, tiny().model) == "diverged"


@pytest.mark.parametrize(
    ("variant", "left", "by_pca", "active", "verdict"),
    [
        ("vanilla", 0.1, 0.1, 8, "fine"),
        ("vanilla", 0.11, 0.1, 8, "worse than PCA"),
        ("vanilla", math.nan, math.nan, 0, "diverged"),
        ("vae", 0.2, 0.1, 8, "fine: the KL term pays for less code"),
        ("vae", 1.0, 0.1, 0, "collapsed"),
        ("sparse-l1", 0.97, 0.1, 8, "collapsed"),
        ("denoising-masking", 0.2, 0.1, 8, "fine: it is trained to undo noise"),
        ("overcomplete", 0.2, 0.0, 80, "fine: PCA with so many units copies"),
    ],
)
def test_a_verdict_says_what_is_wrong_or_why_not(variant, left, by_pca, active, verdict):
    model = configure(variant, (1, 8, 8)).model
    assert judge_cell(Figures(left, by_pca, active, 1.0), model) == verdict


def test_a_cell_of_other_defaults_has_another_key():
    config = configure("vanilla", (1, 8, 8), examples=200)
    other = configure("vanilla", (1, 8, 8), examples=200, as_published=True)
    assert name_cell("digits", 0, config) != name_cell("digits", 0, other)
    assert name_cell("digits", 0, config) == name_cell("digits", 0, config)


def test_the_page_has_a_table_for_each_set_and_the_worst_verdict_of_its_seeds(monkeypatch):
    pages = {}
    monkeypatch.setattr(report, "write_result", lambda name, lines: pages.update({name: lines}))
    model = configure("vanilla", (1, 8, 8)).model
    seeds = [Figures(0.1, 0.1, 16, 1.0), Figures(0.2, 0.1, 16, 1.0)]
    write_defaults_page([Row("digits", model, seeds), Row("cifar10", model, seeds[:1])])
    text = "\n".join(pages["defaults.md"])
    assert "| vanilla | 16 | 16 | 0.15 ± 0.07 | 0.1 | 2 | worse than PCA |" in text
    assert "Rows outside photographs: 1 worse than PCA." in text
    assert "## cifar10 (photographs)" in text


def test_sets_and_variants_can_be_narrowed():
    options = build_defaults_parser().parse_args(["--sets", "wine", "--seeds", "1"])
    assert options.sets == ["wine"] and options.variants == list(VARIANTS) and options.seeds == 1
