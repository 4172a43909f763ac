"""Sweeps: the grid, its runs, and what is said of it over the seeds."""

from __future__ import annotations

import json
import statistics

import pytest
from helpers import FAST, tiny, trained

from aecore.cli.parser import main
from aecore.errors import ConfigError
from aecore.runs.listing import runs_folder
from aecore.runs.sweep import (
    MAX_SWEEP_RUNS,
    create_sweep,
    group_by_seed,
    list_sweep_runs,
    list_sweeps,
    with_latent_dim,
)


def test_a_sweep_is_every_config_at_every_seed_as_ordinary_runs():
    made = create_sweep([tiny(latent_dim=2), tiny(latent_dim=3)], seeds=3, name="grid")
    configs = [run.config() for run in made]
    assert [(c.model.latent_dim, c.training.seed) for c in configs] == [
        (d, s) for s in range(3) for d in (2, 3)
    ]
    assert all(run.state().state == "queued" for run in made)
    assert list_sweeps() == ["grid"] and {run.id for run in list_sweep_runs("grid")} == {
        run.id for run in made
    }


def test_mean_and_deviation_are_over_the_seeds_of_one_config_alone():
    made = create_sweep([tiny(latent_dim=2), tiny(latent_dim=3)], seeds=3)
    for run in made[:-1]:
        trained_in_place(run)
    two, three = group_by_seed(made)
    assert [(g.latent_dim, g.count_done(), len(g.runs)) for g in (two, three)] == [
        (2, 3, 3),
        (3, 2, 3),
    ]
    errors = [run.test_metrics()["se"] for run in two.runs]
    assert len(set(errors)) == 3, "each seed gives another model"
    found = two.metrics()["se"]
    assert found.mean == pytest.approx(statistics.fmean(errors))
    assert found.deviation == pytest.approx(statistics.stdev(errors))


def trained_in_place(run):
    from aecore.training.trainer import fit

    list(fit(run))


def test_one_seed_has_no_deviation_and_none_no_figures():
    made = create_sweep([tiny()], seeds=1)
    assert group_by_seed(made)[0].metrics() == {}
    trained_in_place(made[0])
    found = group_by_seed(made)[0].metrics()["se"]
    assert found.deviation is None and "±" not in str(found)


def test_a_sweep_too_large_or_too_small_or_with_no_name_makes_nothing():
    for configs, seeds, name in (
        ([tiny()], 0, ""),
        ([], 3, ""),
        ([tiny()], MAX_SWEEP_RUNS + 1, ""),
        ([tiny()], 1, "../x"),
    ):
        with pytest.raises(ConfigError):
            create_sweep(configs, seeds, name)
    with pytest.raises(ConfigError, match="multiple"):
        with_latent_dim(tiny(bottleneck={"kind": "vector_quantized", "dim": 2}), 3)
    assert not list_sweeps() and not (runs_folder().exists() and list(runs_folder().iterdir()))


def test_a_config_that_is_there_twice_is_no_other_seed():
    with pytest.raises(ConfigError, match="vanilla with a code of 2 twice"):
        create_sweep([tiny(latent_dim=2), tiny(latent_dim=3), tiny(latent_dim=2)], seeds=1)
    with pytest.raises(ConfigError, match="seeds must be 1 or more, got 0"):
        create_sweep([tiny()], seeds=0)
    assert not list_sweeps()


def test_runs_of_no_sweep_are_in_none():
    trained()
    assert list_sweeps() == [] == list_sweep_runs("grid")


def test_the_command_line_starts_a_sweep_and_tells_its_results(monkeypatch, capsys):
    started = []
    monkeypatch.setattr(
        "aecore.cli.commands.launch_runs", lambda runs, order, token: started.extend(runs)
    )
    fast = [
        word
        for name in ("batch_size", "previews")
        for word in ("--set", f"training.{name}={FAST[name]}")
    ]
    grid = [
        "sweep",
        "vanilla",
        "vae",
        "--latent-dim",
        "2",
        "3",
        "--seeds",
        "2",
        "--epochs",
        "1",
        "--name",
        "g",
    ]
    assert main([*grid, *fast, "--set", "data.limit=100"]) == 0
    assert len(started) == 8 and {run.config().sweep for run in started} == {"g"}
    assert {run.config().model.variant for run in started} == {"vanilla", "vae"}
    for run in started[:5]:
        trained_in_place(run)
    capsys.readouterr()
    assert main(["results", "g", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["variant"], row["latent_dim"], row["done"]) for row in rows] == [
        ("vae", 2, "1 of 2"),
        ("vae", 3, "1 of 2"),
        ("vanilla", 2, "2 of 2"),
        ("vanilla", 3, "1 of 2"),
    ]
    assert rows[0]["se"][1] is None and rows[2]["se"][1] >= 0
    assert main(["results", "g"]) == 0 and "±" in capsys.readouterr().out
    assert main(["results", "none"]) == 1
    assert main([*grid[:-1], "h", "--on", "hf"]) == 1 and "--device" in capsys.readouterr().err
