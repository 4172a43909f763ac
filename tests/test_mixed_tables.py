"""Tables of words, flags, counts and numbers: from the file to a model and back to cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from aecore.analysis.metrics import evaluate_model
from aecore.cli.parser import main
from aecore.data.datasets import load_dataset
from aecore.data.tables.cells import describe_cells
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.trainer import fit

LEVELS = {"off": 0, "idle": 1, "active": 5}
SETTINGS = {
    "data.columns.size": {"kind": "ordered", "categories": ["small", "medium", "large"]},
    "data.columns.visits": "count",
    "training.previews": 0,
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A table in which the load is known from the state, and the size from the weight."""
    rng = np.random.default_rng(0)
    state = rng.choice(list(LEVELS), 400, p=[0.2, 0.3, 0.5])
    size = rng.choice(["small", "medium", "large"], 400)
    weight = [{"small": 1, "medium": 4, "large": 9}[word] for word in size]
    frame = pd.DataFrame(
        {
            "state": state,
            "load": [LEVELS[word] for word in state] + rng.normal(0, 0.2, 400),
            "size": size,
            "weight": weight + rng.normal(0, 0.4, 400),
            "visits": rng.poisson(3, 400),
            "paid": rng.integers(0, 2, 400),
        }
    )
    frame.loc[::7, "state"] = None
    frame.loc[3::9, "weight"] = None
    path = tmp_path_factory.mktemp("mixed") / "things.csv"
    frame.to_csv(path, index=False)
    return path


def train(file, folder, variant, epochs=12, **settings):
    settings = {**SETTINGS, "training.epochs": epochs, **settings}
    run = create_run(plan_run(variant, str(file), settings=settings), folder / "run")
    list(fit(run))
    return run


def test_a_table_of_several_kinds_gets_a_head_for_each_column(file):
    model = plan_run("vae", str(file), settings=SETTINGS).model
    heads = [(head.kind, head.features, head.ranks) for head in model.likelihood.heads]
    assert heads == [
        ("category", 3, 0),
        ("number", 1, 0),
        ("ordered", 1, 3),
        ("number", 1, 0),
        ("count", 1, 0),
        ("boolean", 1, 0),
    ]
    assert [part.stop for part in model.column_slices] == [3, 4, 5, 6, 7, 8]


def test_numbers_alone_keep_their_likelihood(tmp_path):
    pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=list("abc")).to_csv(
        tmp_path / "numbers.csv", index=False
    )
    assert plan_run("vae", str(tmp_path / "numbers.csv")).model.likelihood.kind == "gaussian"


@pytest.mark.parametrize(("variant", "epochs"), [("vanilla", 40), ("vae", 120)])
def test_a_model_learns_which_word_goes_with_which_number(file, tmp_path, variant, epochs):
    settings = {"training.lr": 3e-3, "latent_dim": 4}
    run = train(file, tmp_path, variant, epochs, **settings)
    model, x = Autoencoder.load(run.path), load_dataset(run.config().data).test.x
    known = x[~x.isnan().any(1)]
    rebuilt = model.reconstruct(known)
    assert torch.allclose(rebuilt[:, :3].sum(1), torch.ones(len(known)), atol=1e-5)
    right = (rebuilt[:, :3].argmax(1) == known[:, :3].argmax(1)).float().mean()
    assert right > 0.9, f"{right:.0%} of the words"


def test_cells_are_told_in_words(file):
    schema = load_dataset(plan_run("vae", str(file), settings=SETTINGS).data).schema
    features = np.array([0.1, 0.7, 0.2, 4.98765, 1.4, np.nan, 2.6, 0.2])
    assert describe_cells(schema, features) == {
        "state": "idle 70%",
        "load": "4.988",
        "size": "medium",
        "weight": "missing",
        "visits": "2.6",
        "paid": "0.2",
    }
    assert describe_cells(schema, np.array([0, 0, 1.0, *features[3:]]))["state"] == "off"


def test_reconstructions_are_written_as_words_with_their_probability(file, tmp_path, capsys):
    run = train(file, tmp_path, "vae", epochs=2)
    out = tmp_path / "out.csv"
    arguments = ["apply", run.path, file, "--to", out, "--what", "reconstructions"]
    assert main([str(argument) for argument in arguments]) == 0, capsys.readouterr().err
    written = pd.read_csv(out)
    assert set(written["state"]) <= set(LEVELS) and written["state_probability"].between(0, 1).all()
    assert set(written["size"]) <= {"small", "medium", "large"} and len(written) == 400


def test_errors_are_told_by_kind_of_column(file, tmp_path):
    run = train(file, tmp_path, "vanilla", 40, **{"training.lr": 3e-3, "latent_dim": 4})
    metrics = run.test_metrics()
    model, x = Autoencoder.load(run.path), load_dataset(run.config().data).test.x
    known = x[~x.isnan().any(1)]
    guess = model.reconstruct(known)
    wrong = (guess[:, :3].argmax(1) != known[:, :3].argmax(1)).float()
    wrong = wrong + (guess[:, [4, 7]].round() != known[:, [4, 7]]).float().sum(1)
    whole = evaluate_model(model, known)
    assert whole["wrong_words"] == pytest.approx(wrong.mean().item() / 3, abs=1e-6)
    scaled = ((guess - known) / model.scale)[:, [3, 5, 6]].square().mean().item()
    assert whole["number_se"] == pytest.approx(scaled, rel=1e-4)
    assert {"wrong_words", "number_se"} <= set(metrics)
