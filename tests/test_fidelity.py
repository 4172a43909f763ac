"""The suite that compares variants with their papers: verdicts, rows, and how it goes on."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from aecore.runs.listing import create_run
from bench.fidelity import rows
from bench.fidelity.__main__ import (
    MODULES,
    load_experiment,
    run_full_experiment,
    run_quick_experiment,
)
from bench.fidelity.experiment import Check, Experiment, Lab, Result, at_least, at_most


def make_experiment(*checks, **options):
    def run(_lab):
        return Result(checks, **options)

    return Experiment("E99", "A title", "A claim.", "A paper", "https://example.org", run, run)


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    folder = tmp_path / "results" / "fidelity"
    monkeypatch.setattr(rows, "RESULTS", folder)
    return folder


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(3.5, "miss"), (3.2, "pass"), (2.9, "moonshot"), (float("nan"), "miss"), (-1.0, "moonshot")],
)
def test_the_verdict_is_the_bar_that_is_reached(ours, verdict):
    assert Result([Check("error", ours, at_most(3.3), at_most(3.0))]).verdict == verdict


def test_one_check_missed_is_an_experiment_missed_and_figures_without_a_bar_are_not_judged():
    good, bad, told = Check("a", 1.0, at_least(0)), Check("b", 1.0, at_least(2)), Check("c", 1e9)
    assert Result([good, told]).verdict == "pass"
    assert Result([good, bad]).verdict == "miss"
    assert Result([good, Check("d", 1.0, at_least(0), at_least(5))]).verdict == "pass"


def test_a_row_is_kept_with_its_pictures_and_shows_in_the_table(results):
    picture = ("what it shows", Image.new("RGB", (4, 4)))
    one = make_experiment(
        Check("an error", 2.5, at_most(3.0), at_most(2.0), paper=2.7),
        pictures=[picture],
        notes="A note.",
    )
    assert run_full_experiment(one, commit_row=False)
    kept = json.loads((results / "E99.json").read_text())
    assert kept["checks"][0]["bar"] == [None, 3.0] and kept["verdict"] == "pass"
    assert (results / kept["pictures"][0]["file"]).is_file()
    text = results.with_suffix(".md").read_text()
    assert "| an error | 2.5 | 2.7 | ≤ 3 | ≤ 2 | reached |" in text and "A note." in text


def test_a_run_that_was_finished_is_read_and_not_trained_again(tmp_path, capsys):
    lab = Lab("E99", tmp_path)
    settings = {"training__epochs": 2, "network__hidden": [8], "data__limit": 100}
    first = lab.train_variant("one", "vanilla", "digits", latent_dim=2, **settings)
    written = first.run.version()
    again = Lab("E99", tmp_path).train_variant("one", "vanilla", "digits", latent_dim=2, **settings)
    assert again.run.version() == written
    assert len(again.read_curve()) == 2
    other = Lab("E99", tmp_path).train_variant("one", "vanilla", "digits", latent_dim=3, **settings)
    assert other.model.config.latent_dim == 3  # another config is another run


def test_a_run_that_was_stopped_goes_on_and_its_seconds_are_counted_together(tmp_path):
    from aecore.training.trainer import fit

    config = {"training__epochs": 4, "network__hidden": [8], "data__limit": 100}
    run = Lab("E99", tmp_path).train_variant("one", "vanilla", "digits", latent_dim=2, **config).run
    part = create_run(run.config(), tmp_path / "e99-two")
    list(fit(part, stop=lambda: len(part.epochs()) >= 2))
    lab = Lab("E99", tmp_path)
    whole = lab.train_config("two", run.config())
    assert [row.epoch for row in whole.run.epochs()] == [1, 2, 3, 4]
    assert lab.seconds == pytest.approx(sum(row.seconds for row in whole.run.epochs()))


def test_quick_says_so_when_an_experiment_cannot_be_run(capsys):
    def broken(_lab):
        raise ValueError("no such thing")

    one = Experiment("E99", "t", "c", "p", "u", broken, broken)
    assert not run_quick_experiment(one)
    assert "E99 MISS" in capsys.readouterr().out
    assert not run_quick_experiment(make_experiment(Check("a", 1.0, at_most(0.0))))
    assert run_quick_experiment(make_experiment(Check("a", 1.0, at_most(2.0))))


def test_every_experiment_has_its_number_and_its_claim():
    for name in MODULES:
        found = load_experiment(name)
        assert found.id == name and found.claim.endswith(".") and found.url.startswith("https://")
